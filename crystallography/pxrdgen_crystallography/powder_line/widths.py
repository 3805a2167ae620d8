"""Widths of powder lines: Caglioti's Gaussian, the Lorentzian of size and strain, and the pseudo-Voigt of both.

sigma^2 = U tan^2 theta + V tan theta + W [centidegree^2], gamma = X / cos theta + Y tan theta [centidegree], the units
of :class:`~pxrdgen.values.instrument.Instrument` (Caglioti, Paoletti & Ricci 1958, doi:10.1016/0369-643X(58)90029-X;
Thompson, Cox & Hastings 1987, doi:10.1107/S0021889887087090).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.instrument import Instrument
from pxrdgen_crystallography.powder_line.array_functions import Array, functions_of

FloatArray = NDArray[np.float64]

#: full width at half maximum of a Gaussian over its standard deviation.
FWHM_PER_SIGMA = math.sqrt(8.0 * math.log(2.0))
#: sigma^2 and gamma are kept above these (centidegree^2, centidegree), so that widths stay defined.
MIN_VARIANCE, MIN_LORENTZ = 1e-3, 1e-3
#: how far a line reaches below and above its position, in full widths (GSAS-II's window).
WINDOW_BELOW, WINDOW_ABOVE = 50.0, 75.0
#: c_n of g^(5 - n) gamma^n in the fifth power of the full width, g the Gaussian's, and its derivatives by g and gamma.
_FIFTH = (1.0, 2.69269, 2.42843, 4.47163, 0.07842, 1.0)
_FIFTH_BY_G = tuple((5 - n) * c for n, c in enumerate(_FIFTH[:-1]))
_FIFTH_BY_GAMMA = tuple(n * c for n, c in enumerate(_FIFTH))[1:]


def gaussian_variance(tangent: Array, instrument: Instrument) -> Array:
    """sigma^2 in centidegree^2 at ``tangent`` = tan(theta)."""
    return ((instrument.u * tangent + instrument.v) * tangent + instrument.w).clip(min=MIN_VARIANCE)


def lorentz_width(tangent: Array, instrument: Instrument) -> Array:
    """gamma in centidegree at ``tangent`` = tan(theta)."""
    return (instrument.x * (1.0 + tangent * tangent) ** 0.5 + instrument.y * tangent).clip(min=MIN_LORENTZ)


def width_terms(tangent: FloatArray) -> tuple[FloatArray, FloatArray]:
    """[P, 3] (tan^2, tan, 1) and [P, 2] (1 / cos, tan) at ``tangent`` [P]: what U, V, W and X, Y multiply."""
    gaussian = np.stack([tangent * tangent, tangent, np.ones_like(tangent)], axis=1)
    return gaussian, np.stack([np.sqrt(1.0 + tangent * tangent), tangent], axis=1)


def line_widths(theta: Array, instrument: Instrument) -> tuple[Array, Array]:
    """Full width (degrees) and Lorentz fraction of lines at ``theta`` (radians), any shape."""
    tangent = functions_of(theta).tan(theta)
    gamma = lorentz_width(tangent, instrument)
    width = _form(_FIFTH, FWHM_PER_SIGMA * gaussian_variance(tangent, instrument) ** 0.5, gamma) ** 0.2
    return 0.01 * width, _mixing(gamma / width)


def line_windows(theta: Array, instrument: Instrument) -> tuple[Array, Array]:
    """How far (degrees) below and above their positions lines at ``theta`` (radians) are followed."""
    functions = functions_of(theta)
    tangent = functions.tan(theta)
    full = FWHM_PER_SIGMA * gaussian_variance(tangent, instrument) ** 0.5 + lorentz_width(tangent, instrument)
    reach = 0.01 * full
    return WINDOW_BELOW * (reach + 0.002 * abs(functions.cos(2.0 * theta))), WINDOW_ABOVE * reach


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Width and mixing of pseudo-Voigts, with derivatives by the Gaussian variance and the Lorentzian width.

    Args:
        fwhm: [P] in a unit of angle, which the derivatives share.
        eta: [P] Lorentzian fraction, 0-1.
        fwhm_by_variance, eta_by_variance: [P] derivatives by sigma^2.
        fwhm_by_gamma, eta_by_gamma: [P] derivatives by gamma.
    """

    fwhm: FloatArray
    eta: FloatArray
    fwhm_by_variance: FloatArray
    eta_by_variance: FloatArray
    fwhm_by_gamma: FloatArray
    eta_by_gamma: FloatArray


def thompson_cox_hastings(variance: FloatArray, gamma: FloatArray) -> Shape:
    """The pseudo-Voigt for Gaussians of ``variance`` [P] folded with Lorentzians of full width ``gamma`` [P]."""
    g, gamma = FWHM_PER_SIGMA * np.sqrt(np.maximum(variance, 1e-12)), np.maximum(gamma, 1e-9)
    fwhm = _form(_FIFTH, g, gamma) ** 0.2
    scale = 0.2 / fwhm**4
    by_variance = scale * _form(_FIFTH_BY_G, g, gamma) * (0.5 * FWHM_PER_SIGMA**2 / g)
    by_gamma = scale * _form(_FIFTH_BY_GAMMA, g, gamma)
    q = gamma / fwhm
    eta_by_q = 1.36603 - q * (2.0 * 0.47719 - 3.0 * 0.11116 * q)
    return Shape(
        fwhm=fwhm,
        eta=_mixing(q),
        fwhm_by_variance=by_variance,
        eta_by_variance=-eta_by_q * q / fwhm * by_variance,
        fwhm_by_gamma=by_gamma,
        eta_by_gamma=eta_by_q * (1.0 - q * by_gamma) / fwhm,
    )


def _form(coefficients: tuple[float, ...], g: Array, gamma: Array) -> Array:
    """sum_n c_n g^(N - n) gamma^n, N the last index, by Horner's rule."""
    total, power = coefficients[0] * g + coefficients[1] * gamma, gamma
    for coefficient in coefficients[2:]:
        power = power * gamma
        total = total * g + coefficient * power
    return total


def _mixing(q: Array) -> Array:
    """Lorentz fraction for q, the Lorentzian's width over the whole."""
    return q * (1.36603 - q * (0.47719 - 0.11116 * q))
