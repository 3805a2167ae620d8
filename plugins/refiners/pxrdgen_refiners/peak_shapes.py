"""Thompson-Cox-Hastings pseudo-Voigts of every line on a pattern's points, as sparse matrices, with derivatives."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from pxrdgen.diffraction.profiles import MIN_LORENTZ, MIN_VARIANCE, WINDOW_ABOVE, WINDOW_BELOW
from pxrdgen.instrument import Instrument
from pxrdgen.solver.lines import asymmetry_shift

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: a peak is followed until its tail falls below this share of the noise, within these full widths at least.
TAIL, LEAST_REACH = 0.02, 8.0
#: beyond this squared distance, in full widths, a Gaussian is below 1e-14 of its height.
GAUSSIAN_REACH = 12.0
_LN2 = math.log(2.0)
#: coefficients of g^5, g^4 l, ... l^5 in the fifth power of the full width.
_TCH = (1.0, 2.69269, 2.42843, 4.47163, 0.07842, 1.0)


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Full width (degrees) and Lorentz fraction of lines [K], and their derivatives by U V W X Y and theta [K, 6]."""

    width: FloatArray
    mixing: FloatArray
    width_slope: FloatArray
    mixing_slope: FloatArray


def widths_of(theta: FloatArray, instrument: Instrument) -> Widths:
    """Widths at Bragg angles ``theta`` [K] (radians)."""
    tangent, cosine = np.tan(theta), np.cos(theta)
    one, none = np.ones_like(theta), np.zeros_like(theta)
    raw = instrument.u * tangent**2 + instrument.v * tangent + instrument.w
    raw_lorentz = instrument.x / cosine + instrument.y * tangent
    variance, lorentz = np.maximum(raw, MIN_VARIANCE), np.maximum(raw_lorentz, MIN_LORENTZ)
    variance_slope = np.stack(
        [tangent**2, tangent, one, none, none, (2.0 * instrument.u * tangent + instrument.v) / cosine**2], axis=1
    )
    lorentz_slope = np.stack(
        [none, none, none, 1.0 / cosine, tangent, instrument.x * np.sin(theta) / cosine**2 + instrument.y / cosine**2],
        axis=1,
    )
    variance_slope[raw < MIN_VARIANCE] = 0.0
    lorentz_slope[raw_lorentz < MIN_LORENTZ] = 0.0
    g = math.sqrt(8.0 * _LN2) * np.sqrt(variance)
    fifth = sum(c * g ** (5 - n) * lorentz**n for n, c in enumerate(_TCH))
    width = fifth**0.2
    by_g = sum((5 - n) * c * g ** (4 - n) * lorentz**n for n, c in enumerate(_TCH[:-1])) / (5.0 * width**4)
    by_lorentz = sum(n * c * g ** (5 - n) * lorentz ** (n - 1) for n, c in enumerate(_TCH) if n) / (5.0 * width**4)
    width_slope = (by_g * g / (2.0 * variance))[:, None] * variance_slope + by_lorentz[:, None] * lorentz_slope
    ratio = lorentz / width
    by_ratio = 1.36603 - 2 * 0.47719 * ratio + 3 * 0.11116 * ratio**2
    ratio_slope = lorentz_slope / width[:, None] - (ratio / width)[:, None] * width_slope
    return Widths(
        width=width / 100.0,
        mixing=1.36603 * ratio - 0.47719 * ratio**2 + 0.11116 * ratio**3,
        width_slope=width_slope / 100.0,
        mixing_slope=by_ratio[:, None] * ratio_slope,
    )


@dataclass(frozen=True, kw_only=True)
class Positions:
    """Where lines are measured, degrees: ``value`` [M, K] for M wavelengths, ``by_bragg`` [M, K] its slope."""

    value: FloatArray
    by_bragg: FloatArray


def positions_of(theta: FloatArray, instrument: Instrument) -> Positions:
    """Zero, displacement, axial divergence and the split of the wavelengths added to the Bragg angles [K]."""
    two_theta = np.degrees(2.0 * theta)
    value = two_theta + asymmetry_shift(two_theta, instrument.sh_l)
    value = value + instrument.zero + instrument.displacement * np.cos(theta)
    root = math.sqrt(1.0 + instrument.sh_l**2)
    bent = np.clip(root * np.cos(2.0 * theta), -1.0 + 1e-12, 1.0 - 1e-12)
    shift_slope = -(1.0 - 1.0 / math.sqrt(3.0)) * (1.0 - root * np.sin(2.0 * theta) / np.sqrt(1.0 - bent**2))
    by_bragg = 1.0 + shift_slope - instrument.displacement * np.sin(theta) * math.pi / 360.0
    first = instrument.radiation.wavelength
    split = (360.0 / math.pi) * (np.asarray(instrument.radiation.wavelengths) - first)[:, None] / first
    return Positions(
        value=value + split * np.tan(theta), by_bragg=by_bragg + split * math.pi / 360.0 / np.cos(theta) ** 2
    )


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
    grid: FloatArray, net: FloatArray, sigma: FloatArray, theta: FloatArray, instrument: Instrument
) -> Windows:
    """Windows of lines at ``theta`` [K], as wide as the simulation's where the pattern is strong, else less.

    ``net`` [G] is the pattern above background, from which a line's largest possible height is read.
    """
    shape, position = widths_of(theta, instrument), positions_of(theta, instrument).value
    variance = np.maximum(instrument.u * np.tan(theta) ** 2 + instrument.v * np.tan(theta) + instrument.w, MIN_VARIANCE)
    lorentz = np.maximum(instrument.x / np.cos(theta) + instrument.y * np.tan(theta), MIN_LORENTZ)
    full = 0.01 * (math.sqrt(8.0 * _LN2) * np.sqrt(variance) + lorentz)
    height = _heights(grid, net + sigma, position[0], shape.width) + np.median(sigma)
    # a Lorentzian of height h is h mixing (width / 2 x)^2 at a distance x
    tail = 0.5 * shape.width * np.sqrt(height * np.maximum(shape.mixing, 0.05) / (TAIL * np.quantile(sigma, 0.1)))
    tail = np.maximum(tail, LEAST_REACH * shape.width)
    below = np.minimum(WINDOW_BELOW * (full + 0.002 * np.abs(np.cos(2.0 * theta))), tail)
    above = np.minimum(WINDOW_ABOVE * full, tail)
    first = np.searchsorted(grid, (position - below).ravel())
    span = np.maximum(np.searchsorted(grid, (position + above).ravel(), side="right") - first, 0)
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
    """Derivatives of the shapes by position, width and mixing, each sparse [G, M K]."""

    by_position: sparse.csc_matrix
    by_width: sparse.csc_matrix
    by_mixing: sparse.csc_matrix


@dataclass(frozen=True)
class _Parts:
    """The two kinds of shape at every entry of the windows [Z], with what their derivatives share."""

    mixing: FloatArray
    inverse: FloatArray
    scaled: FloatArray
    bell: FloatArray
    lorentzian: FloatArray
    gaussian: FloatArray


def _parts(windows: Windows, position: FloatArray, widths: Widths) -> _Parts:
    copies, columns = position.shape[0], windows.columns
    inverse = np.tile(1.0 / widths.width, copies)[columns]
    weight = windows.weights[columns] * inverse
    scaled = (windows.grid[windows.rows] - position.ravel()[columns]) * inverse
    square = scaled * scaled
    bell = 1.0 / (1.0 + 4.0 * square)
    gaussian = np.zeros_like(square)
    near = square < GAUSSIAN_REACH
    gaussian[near] = (2.0 * math.sqrt(_LN2 / math.pi)) * weight[near] * np.exp(-4.0 * _LN2 * square[near])
    return _Parts(
        mixing=np.tile(widths.mixing, copies)[columns],
        inverse=inverse,
        scaled=scaled,
        bell=bell,
        lorentzian=(2.0 / math.pi) * weight * bell,
        gaussian=gaussian,
    )


def peaks_on(windows: Windows, position: FloatArray, widths: Widths) -> sparse.csc_matrix:
    """Shapes of peaks at ``position`` [M, K], area 1 times the wavelength's weight: sparse [G, M K]."""
    parts = _parts(windows, position, widths)
    return windows.matrix(parts.mixing * parts.lorentzian + (1.0 - parts.mixing) * parts.gaussian)


def peaks_and_slopes(windows: Windows, position: FloatArray, widths: Widths) -> tuple[sparse.csc_matrix, PeakSlopes]:
    """Shapes as :func:`peaks_on` and their derivatives."""
    parts = _parts(windows, position, widths)
    lorentzian, gaussian = parts.mixing * parts.lorentzian, (1.0 - parts.mixing) * parts.gaussian
    shapes = lorentzian + gaussian
    by_position = 8.0 * parts.inverse * parts.scaled * (lorentzian * parts.bell + _LN2 * gaussian)
    slopes = PeakSlopes(
        by_position=windows.matrix(by_position),
        by_width=windows.matrix(by_position * parts.scaled - shapes * parts.inverse),
        by_mixing=windows.matrix(parts.lorentzian - parts.gaussian),
    )
    return windows.matrix(shapes), slopes
