"""Where lines lie and how wide they are: Thompson-Cox-Hastings widths (doi:10.1107/S0021889887087090), positions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.instrument import Instrument
from pxrdgen_crystallography.diffraction.profiles import MIN_LORENTZ, MIN_VARIANCE
from pxrdgen_refiners.axial_divergence import Divergence, divergence_of

FloatArray = NDArray[np.float64]

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
class LineShapes:
    """Where and how wide K lines are at one state, for M wavelengths.

    Args:
        position: [M, K] degrees; of convolved lines the mean of their rays.
        by_bragg: [M, K] its slope by the Bragg angle 2theta.
        widths: of the pseudo-Voigts.
        divergence: what axial divergence adds.
    """

    position: FloatArray
    by_bragg: FloatArray
    widths: Widths
    divergence: Divergence


def line_shapes(theta: FloatArray, instrument: Instrument) -> LineShapes:
    """Zero, displacement, axial divergence and the split of the wavelengths added to the Bragg angles [K] (radians)."""
    widths = widths_of(theta, instrument)
    divergence = divergence_of(theta, instrument, widths.width)
    value = np.degrees(2.0 * theta) + divergence.shift + instrument.zero + instrument.displacement * np.cos(theta)
    by_bragg = 1.0 + divergence.shift_slope - instrument.displacement * np.sin(theta) * math.pi / 360.0
    first = instrument.radiation.wavelength
    split = (360.0 / math.pi) * (np.asarray(instrument.radiation.wavelengths) - first)[:, None] / first
    return LineShapes(
        position=value + split * np.tan(theta),
        by_bragg=by_bragg + split * math.pi / 360.0 / np.cos(theta) ** 2,
        widths=widths,
        divergence=divergence,
    )
