"""The pseudo-Voigts of a K-alpha doublet on the points of a pattern, and their derivatives (degrees 2theta)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.instrument import Radiation

FloatArray = NDArray[np.float64]

LN2 = float(np.log(2.0))


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
