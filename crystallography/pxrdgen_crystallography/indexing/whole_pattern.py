"""What the whole pattern says of cells: all intensities free, misfit against the number of lines that were fitted.

Positions of found peaks do not tell a cell from its halves where the lines that differ are weak, nor from others where
lines overlap; the profile does. For each cell it is taken apart into lines (module ``decomposition``), and

    E = -sum_k min(excess_k, C) - n c,    excess_k = (chi2_k / s^2 - points_k) / 2

over the regions k of the pattern: one a peak, the rest in pieces three widths long. n counts lines half a width apart
or more, s^2 is the noise by the best fit of all. C bounds what any one region says, since a strong line of another
phase is nothing that a cell should be chosen for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen_crystallography.decomposition.decompose import Decomposition, decompose
from pxrdgen_crystallography.decomposition.lines import (
    bragg_angles,
    lines_of,
    reciprocal_metric_of,
    shape_matrix,
)
from pxrdgen_crystallography.indexing.description import sublattices
from pxrdgen_crystallography.indexing.lines import ObservedLines

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: found peaks, from the lowest angle, that the range ends with: further up lines overlap too much to tell anything; and
#: lines of the largest cell that it may hold, as long as it holds so many peaks.
PEAKS, LINES, FEWEST_PEAKS = 40, 400, 20
#: nats that a line costs, and that one region of the pattern counts at most. On 40 patterns of training crystals with
#: up to 15 % of a second phase, the first cell was right in 36 with a cost of 1.5, in 37 with 2, in 38 with 2.5; a
#: higher cost hides satellites.
COST, MOST = 2.0, 25.0
#: nats that the position of a peak of no lattice costs more.
POSITION = 6.0
#: widths: a peak's region on either side, a piece between peaks, lines that count as two.
_REGION, _PIECE, _APART = 1.5, 3.0, 0.5
#: steps of the projected gradient that fits added lines, and lines that are fitted at most.
_STEPS, _MOST_ADDED = 150, 900


@dataclass(frozen=True, kw_only=True)
class CellFit:
    """The pattern taken apart in one cell.

    Args:
        decomposition: of the range that counts.
        chi_squared: [R] by region.
        lines: n, those half a width apart or more.
    """

    decomposition: Decomposition
    chi_squared: FloatArray
    lines: int


@dataclass(frozen=True, kw_only=True)
class SublatticeGain:
    """What the added lines of a sublattice explain of the rest that a cell leaves.

    Args:
        form: [3, 3] Hermite normal form.
        gain: nats, after the cost of its lines.
    """

    form: FloatArray
    gain: float


@final
class WholePattern:
    """Judges cells by the profile up to the :data:`PEAKS`-th found peak, or less far where ``largest`` (A^3) has
    more than :data:`LINES` lines."""

    def __init__(self, prepared: PreparedPattern, lines: ObservedLines, largest: float) -> None:
        # lines of a triclinic cell up to Q: 2 pi V Q^1.5 / 3
        high = (LINES / (2.0 * np.pi / 3.0 * largest)) ** (2.0 / 3.0)
        last = int(np.clip(np.searchsorted(lines.q, high), FEWEST_PEAKS, PEAKS))
        end = float(lines.two_theta[min(last, len(lines)) - 1]) + 0.5
        self._end = int(np.searchsorted(prepared.pattern.two_theta, end))
        self._prepared = prepared
        self._grid = prepared.pattern.two_theta[: self._end]
        self._sigma = prepared.pattern.uncertainty[: self._end]
        self._width = _widths(prepared, self._grid)
        self._region = _regions(self._grid, self._width, prepared.peaks.two_theta)
        self._points = np.bincount(self._region).astype(np.float64)

    def fit(self, basis: FloatArray, zero: float) -> CellFit:
        """The pattern taken apart in the cell ``basis`` [3, 3], whose lines are ``zero`` degrees off to begin with."""
        prepared, part = self._prepared, slice(0, self._end)
        found = decompose(
            self._grid,
            prepared.pattern.intensity[part],
            self._sigma,
            prepared.background[part],
            replace(prepared.instrument, zero=zero),
            basis,
            background_su=prepared.background_su[part],
        )
        return CellFit(
            decomposition=found,
            chi_squared=self._by_region((prepared.pattern.intensity[part] - found.calculated) / self._sigma),
            lines=self._count(found.two_theta),
        )

    def noise(self, fit: CellFit) -> float:
        """s^2 by one fit, at least 1."""
        return max(float(fit.chi_squared.sum()) / max(float(self._points.sum()) - fit.lines, 1.0), 1.0)

    def evidence(self, fit: CellFit, noise: float) -> float:
        """E in nats, up to a constant of the pattern."""
        return self._evidence(fit.chi_squared, noise, MOST) - COST * fit.lines

    def gain_over_chance(self, fit: CellFit, noise: float) -> float:
        """Nats by which a cell is better than the found peaks, wherever they lie, when what it does not explain may be
        such peaks, too."""
        prepared, part = self._prepared, slice(0, self._end)
        residual = (prepared.pattern.intensity[part] - prepared.calculated[part]) / self._sigma
        count = int(np.searchsorted(prepared.peaks.two_theta, self._grid[-1]))
        a_peak = COST + POSITION
        peaks = self._evidence(self._by_region(residual), noise, a_peak) - a_peak * count
        return self._evidence(fit.chi_squared, noise, a_peak) - COST * fit.lines - peaks

    def _evidence(self, chi_squared: FloatArray, noise: float, most: float) -> float:
        return -float(np.minimum(0.5 * (chi_squared / noise - self._points), most).sum())

    def sublattice_gains(self, fit: CellFit, index: int, noise: float) -> list[SublatticeGain]:
        """All sublattices of a fitted cell with ``index`` times its volume, best first; its own lines are held."""
        found = self._residual(fit)
        gains = [self._gain(fit, found, form, noise) for form in sublattices(index)]
        return sorted((gain for gain in gains if gain is not None), key=lambda gain: -gain.gain)

    def _by_region(self, residual: FloatArray) -> FloatArray:
        return np.bincount(self._region, weights=residual**2).astype(np.float64)

    def _residual(self, fit: CellFit) -> FloatArray:
        return np.asarray((self._prepared.pattern.intensity[: self._end] - fit.decomposition.calculated) / self._sigma)

    def _gain(self, fit: CellFit, residual: FloatArray, form: FloatArray, noise: float) -> SublatticeGain | None:
        own = fit.decomposition
        basis = form @ own.basis
        wavelength = own.instrument.radiation.wavelength
        lines = lines_of(basis, wavelength, max(self._grid[0] - 0.3, 0.5), float(self._grid[-1]))
        metric = reciprocal_metric_of(basis)
        angles = bragg_angles(lines.hkl[lines.first], metric, wavelength)
        new = np.abs(angles - _nearest(own.two_theta, angles)) > 2e-3
        if not new.any() or new.sum() > _MOST_ADDED:
            return None
        shapes = shape_matrix(lines, metric, own.instrument, self._grid).tocsc()[:, np.flatnonzero(new)]
        weighted = shapes.multiply(1.0 / self._sigma[:, None]).tocsc()
        areas = _not_negative((weighted.T @ weighted).toarray(), weighted.T @ residual)
        after = self._by_region(residual - weighted @ areas)
        gain = np.minimum(0.5 * (fit.chi_squared - after) / noise, MOST).sum()
        added = self._count(np.sort(np.concatenate([own.two_theta, angles[new]]))) - fit.lines
        return SublatticeGain(form=form, gain=float(gain) - COST * added)

    def _count(self, angles: FloatArray) -> int:
        """Lines at rising ``angles`` that are half a width or more from the last one counted."""
        apart = _APART * np.interp(angles, self._grid, self._width)
        count, last = 0, -np.inf
        for angle, least in zip(angles[angles <= self._grid[-1]].tolist(), apart.tolist(), strict=False):
            if angle - last > least:
                count, last = count + 1, angle
        return count


def _widths(prepared: PreparedPattern, grid: FloatArray) -> FloatArray:
    """[G] full width of a line at each angle, from a straight line through the logarithms of the peaks' widths."""
    peaks = prepared.peaks
    if len(peaks) < 4:
        return np.full(grid.size, float(np.median(peaks.fwhm)))
    slope, level = np.polyfit(peaks.two_theta, np.log(peaks.fwhm), 1, w=np.sqrt(np.maximum(peaks.area, 0.0)) + 1e-12)
    return np.asarray(np.clip(np.exp(level + slope * grid), 2.0 * float(np.median(np.diff(grid))), 2.0))


def _regions(grid: FloatArray, width: FloatArray, peaks: FloatArray) -> IntArray:
    """[G] region of each point, numbered from 0."""
    nearest = np.abs(grid[:, None] - peaks[None, :]).argmin(axis=1)
    piece = np.cumsum(np.gradient(grid) / (_PIECE * width)).astype(np.int64)
    inside = np.abs(grid - peaks[nearest]) < _REGION * width
    return np.unique(np.where(inside, nearest, peaks.size + piece), return_inverse=True)[1].astype(np.int64)


def _nearest(sorted_values: FloatArray, values: FloatArray) -> FloatArray:
    place = np.clip(np.searchsorted(sorted_values, values), 1, max(sorted_values.size - 1, 1))
    both = np.stack([sorted_values[place - 1], sorted_values[np.minimum(place, sorted_values.size - 1)]])
    return np.asarray(np.take_along_axis(both, np.abs(both - values).argmin(axis=0)[None, :], axis=0)[0])


def _not_negative(gram: FloatArray, target: FloatArray) -> FloatArray:
    """Areas x >= 0 that minimise x G x / 2 - t x, by Nesterov's accelerated projected gradient."""
    scale = 1.0 / np.sqrt(np.maximum(np.diag(gram), 1e-30))
    gram, target = gram * scale[:, None] * scale[None, :], target * scale
    step = 1.0 / max(float(np.abs(gram).sum(axis=1).max()), 1e-12)
    x = ahead = np.zeros(target.size)
    for number in range(_STEPS):
        moved = np.maximum(ahead - step * (gram @ ahead - target), 0.0)
        ahead = moved + number / (number + 3.0) * (moved - x)
        x = moved
    return np.asarray(x * scale)
