"""Whole-pattern decomposition: intensities of all lines of a known cell, with cell, zero and widths refined on the way.

Le Bail's equipartition (1988, doi:10.1016/0025-5408(88)90019-0) gives the intensities, damped Gauss-Newton steps the
rest. A cell off by 0.3 % misses high-angle peaks: where the direct way does not fit, the model is first blurred and
confined to low angles.
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from pxrdgen.values.instrument import Instrument
from pxrdgen_crystallography.decomposition.bounds import MAX_STRAIN, MAX_ZERO, WIDTH_RANGE
from pxrdgen_crystallography.decomposition.lines import (
    Lines,
    bragg_angles,
    lines_of,
    reciprocal_metric_of,
    s_of,
    shape_matrix,
)
from pxrdgen_crystallography.lattice.lattice_symmetry import lattice_point_group
from pxrdgen_crystallography.lattice.strain import strain_basis
from pxrdgen_crystallography.least_squares.single import DampingRule, Linearised, minimise, stops_below

FloatArray = NDArray[np.float64]

#: (fraction of the range in s, blur, Gauss-Newton steps) of the stages for a cell that is off. Of 40 cells of MP-20
#: strained by 0.3 %, 20 are fitted to a goodness below 1.5 without them and 37 with them; by 0.6 %, none and 35.
BLURRED_STAGES = ((0.5, 3.0, 6), (0.75, 2.0, 5), (1.0, 1.6, 5))
#: steps from the cell as given, and with the widths at the end.
DIRECT_STEPS, FINAL_STEPS = 4, 10
#: of the damping, and the share of the misfit that the last step gains.
DAMPING, LEAST_GAIN = DampingRule(lower=0.3, higher=8.0, tries=4), 1e-5
#: a goodness of fit that makes the blurred stages needless.
GOOD_ENOUGH = 1.5
#: shares that are kept from noise: of the largest area, which multiplying could not bring back from 0; of the largest
#: model, below which a ratio to it is noise; and the ratio beyond which one point would blow up a line.
LEAST_AREA, LEAST_MODEL, MOST_RATIO = 1e-6, 1e-6, 50.0
#: shares of background and strongest point that a corrected background may fall below 0: noise, not swallowed peaks.
BELOW_ZERO = (0.1, 1e-3)
#: the last rounds of shares may raise the misfit by this factor, else those of the fit stay.
WORSE = 1.2
#: Chebyshev terms that correct the prepared background.
BACKGROUND_TERMS = 8


@dataclass(frozen=True, kw_only=True)
class Decomposition:
    """Lines of a cell with their observed intensities.

    Args:
        basis: [3, 3] refined cell, rows a, b, c in A.
        instrument: with refined zero and widths.
        lines: reflections and how they gather into lines.
        grid: [G] angles of the pattern (degrees).
        two_theta: [K] Bragg angles of the lines (degrees).
        intensity: [K] areas (intensity units x degrees), first wavelength's share being 1.
        intensity_su: [K] their standard uncertainties from counting, overlap ignored.
        shapes: sparse [G, K] shapes on the grid.
        background: [G].
        calculated: [G] the whole model.
        r_wp: agreement of the decomposition, background included: what a perfect structure could reach.
        gof: r_wp over its expectation.
    """

    basis: FloatArray
    instrument: Instrument
    lines: Lines
    grid: FloatArray
    two_theta: FloatArray
    intensity: FloatArray
    intensity_su: FloatArray
    shapes: sparse.csr_matrix
    background: FloatArray
    calculated: FloatArray
    r_wp: float
    gof: float


@dataclass(frozen=True)
class _State:
    strain: FloatArray
    instrument: Instrument


class _Free(ABC):
    """One number that is refined; ``step`` is that of its finite difference."""

    step: float

    @abstractmethod
    def moved(self, state: _State, change: float) -> _State:
        """The state with it changed, bounds left to :func:`_bounded`."""


@dataclass(frozen=True)
class _FreeStrain(_Free):
    number: int
    step: float = 1e-5

    def moved(self, state: _State, change: float) -> _State:
        strain = state.strain.copy()
        strain[self.number] += change
        return replace(state, strain=strain)


@dataclass(frozen=True)
class _FreeOfInstrument(_Free):
    name: str
    step: float

    def moved(self, state: _State, change: float) -> _State:
        value = getattr(state.instrument, self.name) + change
        return replace(state, instrument=replace(state.instrument, **{self.name: value}))


_ZERO = _FreeOfInstrument("zero", 1e-4)
_WIDTHS = (
    _FreeOfInstrument("u", 0.05),
    _FreeOfInstrument("w", 0.05),
    _FreeOfInstrument("x", 0.02),
    _FreeOfInstrument("y", 0.05),
)


@dataclass(frozen=True)
class _Fit:
    state: _State
    shapes: sparse.csr_matrix
    areas: FloatArray
    background: FloatArray
    misfit: float


def decompose(
    two_theta: FloatArray,
    intensity: FloatArray,
    sigma: FloatArray,
    background: FloatArray,
    instrument: Instrument,
    basis: FloatArray,
    *,
    background_su: FloatArray | None = None,
    refine_cell: bool = True,
    refine_widths: bool = True,
) -> Decomposition:
    """Fit the pattern [G] with free line intensities in the cell ``basis`` [3, 3].

    ``background`` [G] is a first estimate, which a short Chebyshev series corrects; ``background_su`` [G] enters the
    uncertainties of the intensities.
    """
    strains = strain_basis(basis, lattice_point_group(basis))
    wavelength = instrument.radiation.wavelength
    s_low, s_high = (math.sin(math.radians(a) / 2.0) for a in (two_theta[0], two_theta[-1]))

    def part(fraction: float, blur: float) -> _Part:
        high = 2.0 * math.degrees(math.asin(s_low + fraction * (s_high - s_low)))
        end = two_theta.size if fraction == 1.0 else max(int(np.searchsorted(two_theta, high, side="right")), 50)
        inside = slice(0, end)
        return _Part(
            grid=two_theta[inside],
            observed=intensity[inside],
            sigma=sigma[inside],
            background=background[inside],
            lines=lines_of(basis, wavelength, max(two_theta[0] - 0.3, 0.5), min(high + 0.5, 179.0)),
            basis=basis,
            strains=strains,
            blur=blur,
        )

    whole = part(1.0, 1.0)
    cell: tuple[_Free, ...] = (*map(_FreeStrain, range(len(strains))), _ZERO) if refine_cell else ()
    start = _State(strain=np.zeros(len(strains)), instrument=instrument)
    fits = [whole.fit(start, whole.even_areas(), cell, DIRECT_STEPS)]
    if refine_cell and fits[0].misfit > GOOD_ENOUGH**2 * whole.grid.size:
        state = start
        for fraction, blur, steps in BLURRED_STAGES:
            stage = part(fraction, blur)
            state = stage.fit(state, stage.even_areas(), cell, steps).state
        fits.append(whole.fit(state, whole.even_areas(), cell, DIRECT_STEPS))
    best = min(fits, key=lambda fit: fit.misfit)
    if refine_widths:
        best = whole.fit(best.state, best.areas, (*cell, *_WIDTHS), FINAL_STEPS, best.background)
    return whole.result(best, background_su)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The piece of the pattern one stage fits."""

    grid: FloatArray
    observed: FloatArray
    sigma: FloatArray
    background: FloatArray
    lines: Lines
    basis: FloatArray
    strains: FloatArray
    blur: float

    def strained(self, strain: FloatArray) -> FloatArray:
        return np.asarray(self.basis @ (np.eye(3) + np.einsum("q,qij->ij", strain, self.strains)), dtype=np.float64)

    def _metric(self, state: _State) -> FloatArray:
        return reciprocal_metric_of(self.strained(state.strain))

    def shapes(self, state: _State) -> sparse.csr_matrix:
        return shape_matrix(self.lines, self._metric(state), state.instrument, self.grid, broadening=self.blur)

    def even_areas(self) -> FloatArray:
        """Where Le Bail's shares start from: every line alike."""
        return np.full(len(self.lines), max(float(np.mean(self.observed - self.background)), 1e-9) * 0.05)

    def fit(
        self,
        state: _State,
        areas: FloatArray,
        free: Sequence[_Free],
        steps: int,
        background: FloatArray | None = None,
    ) -> _Fit:
        """Damped Gauss-Newton on what is free, intensities following at each step."""
        start = self._follow(state, areas, self.background if background is None else background, 12)
        problem = functools.partial(self._linearise, free)
        return minimise(problem, start, cycles=steps if free else 0, damping=DAMPING, stops=stops_below(LEAST_GAIN))

    def _follow(self, state: _State, areas: FloatArray, background: FloatArray, rounds: int) -> _Fit:
        """A state with the intensities and the background that follow from it in ``rounds``."""
        shapes = self.shapes(state)
        areas, background = self.intensities(shapes, areas, background, rounds)
        return _Fit(state, shapes, areas, background, self._misfit(shapes, areas, background))

    def _linearise(self, free: Sequence[_Free], fit: _Fit) -> Linearised[_Fit]:
        state, weight, model = fit.state, 1.0 / self.sigma, fit.shapes @ fit.areas
        columns = [
            ((self.shapes(each.moved(state, each.step)) @ fit.areas) - model) / each.step * weight for each in free
        ]
        jacobian = np.stack(columns, axis=1)
        normal = jacobian.T @ jacobian

        def moved(step: FloatArray) -> _Fit:
            trial = state
            for each, change in zip(free, step, strict=True):
                trial = each.moved(trial, float(change))
            return self._follow(_bounded(trial), fit.areas, fit.background, 4)

        return Linearised(
            matrix=normal + (1e-12 * np.trace(normal) + 1e-30) * np.eye(len(normal)),
            gradient=jacobian.T @ ((self.observed - fit.background - model) * weight),
            damped=np.diag(normal),
            moved=moved,
            misfit=lambda fit: fit.misfit,
        )

    def intensities(
        self, shapes: sparse.csr_matrix, areas: FloatArray, background: FloatArray, rounds: int
    ) -> tuple[FloatArray, FloatArray]:
        """Le Bail's shares, alternating with the linear background correction."""
        totals = np.asarray(shapes.sum(axis=0)).ravel() + 1e-30
        transposed = shapes.T.tocsr()
        terms = _chebyshev(self.grid, BACKGROUND_TERMS)
        weighted = terms / self.sigma[:, None]
        for round_number in range(rounds):
            if round_number % 4 == 3:
                rest = (self.observed - self.background - shapes @ areas) / self.sigma
                moved = self.background + terms @ np.linalg.lstsq(weighted, rest, rcond=None)[0]
                # a background that swallows peaks lowers the misfit only while the intensities lag behind
                if np.min(moved) > -BELOW_ZERO[0] * np.max(self.background) - BELOW_ZERO[1] * np.max(self.observed):
                    background = 0.5 * (background + moved)
            model = shapes @ areas
            # negative noise counts too: cut off at zero, it would give every weak line a false intensity
            net = self.observed - background
            # where the model is far below anything observed, its share is noise and must not explode
            ratio = net / np.maximum(model, LEAST_MODEL * model.max() + 1e-30)
            areas = areas * (transposed @ np.clip(ratio, -MOST_RATIO, MOST_RATIO)) / totals
            areas = np.maximum(areas, LEAST_AREA * areas.max())
        return areas, background

    def _misfit(self, shapes: sparse.csr_matrix, areas: FloatArray, background: FloatArray) -> float:
        residual = (self.observed - background - shapes @ areas) / self.sigma
        return float(residual @ residual)

    def result(self, fit: _Fit, background_su: FloatArray | None) -> Decomposition:
        state = fit.state
        metric = self._metric(state)
        angles = bragg_angles(self.lines.hkl[self.lines.first], metric, state.instrument.radiation.wavelength)
        shapes = self.shapes(state)
        areas, background = self.intensities(shapes, fit.areas, fit.background, 40)
        if self._misfit(shapes, areas, background) > WORSE * fit.misfit:
            areas, background = fit.areas, fit.background
        calculated = background + shapes @ areas
        squared = np.asarray((shapes.multiply(1.0 / self.sigma[:, None])).power(2).sum(axis=0)).ravel()
        variance = 1.0 / (squared + 1e-30)
        if background_su is not None:
            # a background wrong by b adds b / (mean height of the unit peak) to its area
            totals = np.asarray(shapes.sum(axis=0)).ravel() + 1e-30
            mean_height = np.asarray(shapes.power(2).sum(axis=0)).ravel() / totals
            at_line = np.interp(angles, self.grid, background_su)
            variance = variance + (at_line / (mean_height + 1e-30)) ** 2
        basis = self.strained(state.strain)
        total = float(np.sum((self.observed / self.sigma) ** 2))
        chi_squared = self._misfit(shapes, areas, background)
        free = max(self.grid.size - len(self.lines) - BACKGROUND_TERMS, 1)
        return Decomposition(
            basis=basis,
            instrument=state.instrument,
            lines=self.lines,
            grid=self.grid,
            two_theta=angles,
            intensity=areas,
            intensity_su=np.sqrt(variance),
            shapes=shapes,
            background=background,
            calculated=calculated,
            r_wp=math.sqrt(chi_squared / total),
            gof=math.sqrt(chi_squared / free),
        )


def _bounded(state: _State) -> _State:
    instrument = state.instrument
    clipped = {each.name: float(np.clip(getattr(instrument, each.name), *WIDTH_RANGE[each.name])) for each in _WIDTHS}
    # V = -2 sqrt(U W) would let the Gaussian width vanish; half of that keeps it real at every angle
    floor = -math.sqrt(clipped["u"] * clipped["w"])
    clipped["v"] = float(max(instrument.v, floor))
    clipped["zero"] = float(np.clip(instrument.zero, -MAX_ZERO, MAX_ZERO))
    strain = np.clip(state.strain, -MAX_STRAIN, MAX_STRAIN)
    return _State(strain=strain, instrument=replace(instrument, **clipped))  # type: ignore[arg-type]


def _chebyshev(grid: FloatArray, terms: int) -> FloatArray:
    """[G, terms] Chebyshev polynomials over the range of the grid."""
    scaled = 2.0 * (grid - grid[0]) / (grid[-1] - grid[0]) - 1.0
    return np.polynomial.chebyshev.chebvander(scaled, terms - 1)


def line_spacing(decomposition: Decomposition) -> FloatArray:
    """[K] d of each line, in A."""
    metric = reciprocal_metric_of(decomposition.basis)
    return 0.5 / s_of(decomposition.lines.hkl[decomposition.lines.first], metric)
