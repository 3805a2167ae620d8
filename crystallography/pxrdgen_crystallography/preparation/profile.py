"""The Thompson-Cox-Hastings pseudo-Voigt of a K-alpha doublet, and its derivatives.

Source: Thompson, Cox & Hastings 1987, doi:10.1107/S0021889887087090. Widths in degrees of 2theta.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.instrument import Radiation

FloatArray = NDArray[np.float64]

LN2 = float(np.log(2.0))
#: Full width at half maximum of a Gaussian over its standard deviation.
FWHM_PER_SIGMA = float(2.0 * np.sqrt(2.0 * LN2))


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Width and mixing of pseudo-Voigts, with derivatives against the Gaussian variance and the Lorentzian width.

    Args:
        fwhm: [P] degrees.
        eta: [P] Lorentzian fraction, 0-1.
        fwhm_by_variance, eta_by_variance: [P] derivatives against sigma^2 (degree^2).
        fwhm_by_gamma, eta_by_gamma: [P] derivatives against gamma (degree).
    """

    fwhm: FloatArray
    eta: FloatArray
    fwhm_by_variance: FloatArray
    eta_by_variance: FloatArray
    fwhm_by_gamma: FloatArray
    eta_by_gamma: FloatArray


def thompson_cox_hastings(variance: FloatArray, gamma: FloatArray) -> Shape:
    """The pseudo-Voigt for Gaussians of ``variance`` [P] (degree^2) folded with Lorentzians of FWHM ``gamma`` [P]."""
    g = FWHM_PER_SIGMA * np.sqrt(np.maximum(variance, 1e-12))
    c = np.maximum(gamma, 1e-9)
    fifth = g**5 + 2.69269 * g**4 * c + 2.42843 * g**3 * c**2 + 4.47163 * g**2 * c**3 + 0.07842 * g * c**4 + c**5
    fwhm = fifth**0.2
    scale = 0.2 * fwhm / fifth
    by_g = scale * (
        5 * g**4 + 4 * 2.69269 * g**3 * c + 3 * 2.42843 * g**2 * c**2 + 2 * 4.47163 * g * c**3 + 0.07842 * c**4
    )
    by_c = scale * (
        2.69269 * g**4 + 2 * 2.42843 * g**3 * c + 3 * 4.47163 * g**2 * c**2 + 4 * 0.07842 * g * c**3 + 5 * c**4
    )
    q = c / fwhm
    eta = 1.36603 * q - 0.47719 * q**2 + 0.11116 * q**3
    eta_by_q = 1.36603 - 2 * 0.47719 * q + 3 * 0.11116 * q**2
    g_by_variance = 0.5 * FWHM_PER_SIGMA**2 / g
    return Shape(
        fwhm=fwhm,
        eta=eta,
        fwhm_by_variance=by_g * g_by_variance,
        eta_by_variance=eta_by_q * (-q / fwhm) * by_g * g_by_variance,
        fwhm_by_gamma=by_c,
        eta_by_gamma=eta_by_q * (1.0 / fwhm - q / fwhm * by_c),
    )


def line_offsets(position: FloatArray, radiation: Radiation) -> FloatArray:
    """[L, P] how far each line lies above the first, in degrees, for first lines at ``position`` [P]."""
    sine = np.sin(np.radians(position) / 2.0)
    rows = []
    for wavelength in radiation.wavelengths:
        other = np.clip(sine * wavelength / radiation.wavelengths[0], -1.0, 1.0)
        rows.append(2.0 * np.degrees(np.arcsin(other)) - position)
    return np.stack(rows)


@dataclass(frozen=True, kw_only=True)
class ProfileValues:
    """Profiles of unit area (of the first line) and derivatives; all [K], one entry for a point and a peak."""

    value: FloatArray
    by_position: FloatArray
    by_fwhm: FloatArray
    by_eta: FloatArray


def doublet(
    distance: FloatArray, fwhm: FloatArray, eta: FloatArray, offsets: FloatArray, weights: tuple[float, ...]
) -> ProfileValues:
    """The lines of a peak, sum_l weight_l PV(distance - offset_l), with unit area of the first.

    Args:
        distance: [K] 2theta of a point minus 2theta of the first line, degrees.
        fwhm, eta: [K] shape of the peak at each entry.
        offsets: [L, K] degrees.
        weights: L intensities relative to the first line.
    """
    value = np.zeros_like(distance)
    by_position, by_fwhm, by_eta = np.zeros_like(distance), np.zeros_like(distance), np.zeros_like(distance)
    inverse = 1.0 / fwhm
    for offset, weight in zip(offsets, weights, strict=True):
        if weight == 0.0:
            continue
        u = (distance - offset) * inverse
        square = 4.0 * u * u
        core = 1.0 / (1.0 + square)
        lorentz = (2.0 * weight / np.pi) * inverse * core
        gauss = (2.0 * weight * np.sqrt(LN2 / np.pi)) * inverse * np.exp(-LN2 * np.minimum(square, 900.0))
        value += eta * lorentz + (1.0 - eta) * gauss
        by_position += 8.0 * u * inverse * (eta * lorentz * core + (1.0 - eta) * gauss * LN2)
        by_fwhm += inverse * (
            eta * lorentz * (2.0 * square * core - 1.0) + (1.0 - eta) * gauss * (2.0 * LN2 * square - 1.0)
        )
        by_eta += lorentz - gauss
    return ProfileValues(value=value, by_position=by_position, by_fwhm=by_fwhm, by_eta=by_eta)
