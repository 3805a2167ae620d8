"""Thompson-Cox-Hastings pseudo-Voigts of every line on a pattern's points, as sparse matrices, with derivatives."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from pxrdgen.values.instrument import Instrument
from pxrdgen_crystallography.powder_line.widths import line_windows
from pxrdgen_refiners.line_shapes import LineShapes

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: a peak is followed until its tail falls below this share of the noise, within these full widths at least.
TAIL, LEAST_REACH = 0.02, 8.0
#: beyond this squared distance, in full widths, a Gaussian is below 1e-14 of its height.
GAUSSIAN_REACH = 12.0
_LN2 = math.log(2.0)


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Which points each line reaches, for M wavelengths x K lines, wavelength by wavelength.

    Args:
        grid: [G] angles, degrees.
        rows: [Z] point of each entry; ``pointers`` [M K + 1] where each column begins; ``columns`` [Z] its column.
    """

    grid: FloatArray
    rows: IntArray
    pointers: IntArray
    columns: IntArray
    weights: FloatArray

    def matrix(self, values: FloatArray) -> sparse.csc_matrix:
        """Sparse [G, M K] of ``values`` [Z]."""
        return sparse.csc_matrix((values, self.rows, self.pointers), shape=(self.grid.size, self.pointers.size - 1))


def windows_of(
    grid: FloatArray, net: FloatArray, sigma: FloatArray, theta: FloatArray, lines: LineShapes, instrument: Instrument
) -> Windows:
    """Windows of ``lines`` at ``theta`` [K], as wide as the simulation's where the pattern is strong, else less.

    ``net`` [G] is the pattern above background, from which a line's largest possible height is read.
    """
    shape, position = lines.widths, lines.position
    height = _heights(grid, net + sigma, position[0], shape.width) + np.median(sigma)
    # a Lorentzian of height h is h mixing (width / 2 x)^2 at a distance x
    tail = 0.5 * shape.width * np.sqrt(height * np.maximum(shape.mixing, 0.05) / (TAIL * np.quantile(sigma, 0.1)))
    tail = np.maximum(tail, LEAST_REACH * shape.width)
    below, above = (np.minimum(reach, tail) for reach in line_windows(theta, instrument))
    rays = lines.divergence.offset
    early, late = (rays.min(axis=0), rays.max(axis=0)) if len(rays) else (0.0, 0.0)
    first = np.searchsorted(grid, (position - below + early).ravel())
    span = np.maximum(np.searchsorted(grid, (position + above + late).ravel(), side="right") - first, 0)
    pointers = np.concatenate([[0], np.cumsum(span)])
    columns = np.repeat(np.arange(span.size), span)
    rows = np.arange(pointers[-1]) + np.repeat(first - pointers[:-1], span)
    weights = np.repeat(np.asarray(instrument.radiation.weights, dtype=np.float64), theta.size)
    return Windows(grid=grid, rows=rows, pointers=pointers, columns=columns, weights=weights)


def _heights(grid: FloatArray, net: FloatArray, position: FloatArray, width: FloatArray) -> FloatArray:
    """[K] largest ``net`` within a width of each position."""
    low, high = np.searchsorted(grid, position - width), np.searchsorted(grid, position + width, side="right")
    return np.array([net[a:b].max(initial=0.0) if b > a else net.max() for a, b in zip(low, high, strict=True)])


@dataclass(frozen=True, kw_only=True)
class PeakSlopes:
    """Derivatives of the shapes by position, width, mixing and q^2 of the divergence, each sparse [G, M K]."""

    by_position: sparse.csc_matrix
    by_width: sparse.csc_matrix
    by_mixing: sparse.csc_matrix
    by_divergence: sparse.csc_matrix | None = None


@dataclass(frozen=True)
class _Kernels:
    """The two kinds of shape at chosen entries of the windows [Z], with what their derivatives share."""

    inverse: FloatArray
    scaled: FloatArray
    bell: FloatArray
    lorentzian: FloatArray
    gaussian: FloatArray

    def mixed(self, mixing: FloatArray) -> FloatArray:
        return mixing * self.lorentzian + (1.0 - mixing) * self.gaussian

    def by_position(self, mixing: FloatArray) -> FloatArray:
        inner = mixing * self.lorentzian * self.bell + _LN2 * (1.0 - mixing) * self.gaussian
        return np.asarray(8.0 * self.inverse * self.scaled * inner)


def _kernels(distance: FloatArray, inverse: FloatArray, weight: FloatArray) -> _Kernels:
    """Of points at ``distance`` from lines of full width 1 / ``inverse``, area ``weight``."""
    height = weight * inverse
    scaled = distance * inverse
    square = scaled * scaled
    bell = 1.0 / (1.0 + 4.0 * square)
    gaussian = np.zeros_like(square)
    near = square < GAUSSIAN_REACH
    gaussian[near] = (2.0 * math.sqrt(_LN2 / math.pi)) * height[near] * np.exp(-4.0 * _LN2 * square[near])
    return _Kernels(
        inverse=inverse, scaled=scaled, bell=bell, lorentzian=(2.0 / math.pi) * height * bell, gaussian=gaussian
    )


@dataclass(frozen=True)
class _Entries:
    """Entries of the windows that are treated alike, and their lines' properties [Z]."""

    rows: IntArray | slice
    columns: IntArray
    distance: FloatArray
    inverse: FloatArray
    mixing: FloatArray
    weight: FloatArray


def _entries(windows: Windows, lines: LineShapes, bent: bool) -> _Entries:
    """Entries to be convolved, or the others."""
    copies = lines.position.shape[0]
    columns: IntArray = windows.columns
    rows: IntArray | slice = slice(None)
    distance = windows.grid[windows.rows] - lines.position.ravel()[columns]
    if lines.divergence.bent.any():
        near = np.tile(np.where(lines.divergence.bent, lines.divergence.near, -1.0), copies)
        rows = np.flatnonzero((np.abs(distance) < near[columns]) == bent)
        columns, distance = columns[rows], distance[rows]
    return _Entries(
        rows=rows,
        columns=columns,
        distance=distance,
        inverse=np.tile(1.0 / lines.widths.width, copies)[columns],
        mixing=np.tile(lines.widths.mixing, copies)[columns],
        weight=windows.weights[columns],
    )


def peaks_on(windows: Windows, lines: LineShapes) -> sparse.csc_matrix:
    """Shapes of peaks, area 1 times the wavelength's weight: sparse [G, M K]."""
    plain = _entries(windows, lines, False)
    shapes = _kernels(plain.distance, plain.inverse, plain.weight).mixed(plain.mixing)
    if not lines.divergence.bent.any():
        return windows.matrix(shapes)
    values = np.zeros(windows.rows.size)
    values[plain.rows] = shapes
    bent = _entries(windows, lines, True)
    member = bent.columns % lines.divergence.bent.size
    for offset, weight in zip(lines.divergence.offset, lines.divergence.weight, strict=True):
        kernels = _kernels(bent.distance - offset[member], bent.inverse, bent.weight * weight[member])
        values[bent.rows] += kernels.mixed(bent.mixing)
    return windows.matrix(values)


def peaks_and_slopes(
    windows: Windows, lines: LineShapes, *, divergence: bool = False
) -> tuple[sparse.csc_matrix, PeakSlopes]:
    """Shapes as :func:`peaks_on` and their derivatives, by the divergence too where asked for."""
    plain = _entries(windows, lines, False)
    kernels = _kernels(plain.distance, plain.inverse, plain.weight)
    shapes, by_position = kernels.mixed(plain.mixing), kernels.by_position(plain.mixing)
    by_width = by_position * kernels.scaled - shapes * plain.inverse
    by_mixing = kernels.lorentzian - kernels.gaussian
    if not lines.divergence.bent.any():
        slopes = PeakSlopes(
            by_position=windows.matrix(by_position),
            by_width=windows.matrix(by_width),
            by_mixing=windows.matrix(by_mixing),
        )
        if divergence:
            shift = np.tile(lines.divergence.shift_by_divergence, lines.position.shape[0])[windows.columns]
            slopes = replace(slopes, by_divergence=windows.matrix(by_position * shift))
        return windows.matrix(shapes), slopes
    rays = lines.divergence
    values = np.zeros((5, windows.rows.size))
    by_divergence = by_position * rays.shift_by_divergence[plain.columns % rays.bent.size]
    values[:, plain.rows] = shapes, by_position, by_width, by_mixing, by_divergence
    bent = _entries(windows, lines, True)
    member = bent.columns % rays.bent.size
    for node in range(len(rays.offset)):
        share, moved = rays.weight[node][member], rays.offset[node][member]
        kernels = _kernels(bent.distance - moved, bent.inverse, bent.weight * share)
        shapes, by_position = kernels.mixed(bent.mixing), kernels.by_position(bent.mixing)
        values[0, bent.rows] += shapes
        values[1, bent.rows] += by_position
        values[2, bent.rows] += by_position * kernels.scaled - shapes * bent.inverse
        values[3, bent.rows] += kernels.lorentzian - kernels.gaussian
        if divergence:
            by_weight = rays.weight_slope[node][member] / np.maximum(share, 1e-300)
            values[4, bent.rows] += by_position * rays.offset_slope[node][member] + shapes * by_weight
    slopes = PeakSlopes(
        by_position=windows.matrix(values[1]),
        by_width=windows.matrix(values[2]),
        by_mixing=windows.matrix(values[3]),
        by_divergence=windows.matrix(values[4]) if divergence else None,
    )
    return windows.matrix(values[0]), slopes
