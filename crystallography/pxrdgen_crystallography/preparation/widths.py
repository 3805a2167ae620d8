"""Peak widths along a pattern as a fit moves them: five numbers U, V, W, X, Y, in the instrument's units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.instrument import Instrument
from pxrdgen_crystallography.powder_line.widths import FWHM_PER_SIGMA, Shape, thompson_cox_hastings, width_terms

FloatArray = NDArray[np.float64]

#: Bounds of U, V, W, X, Y.
LOWER = np.array([0.0, -1e5, 1e-3, 0.0, 0.0])
UPPER = np.array([1e6, 1e5, 1e6, 1e4, 1e4])


def width_basis(two_theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """[P, 3] (tan^2, tan, 1) and [P, 2] (1/cos, tan) of theta: what U, V, W and X, Y multiply (degree^2, degree)."""
    gaussian, lorentzian = width_terms(np.tan(np.radians(np.clip(two_theta, 0.1, 170.0)) / 2.0))
    return 1e-4 * gaussian, 1e-2 * lorentzian


def shape_along(two_theta: FloatArray, widths: FloatArray) -> Shape:
    """Shape of peaks at ``two_theta`` [P] (degrees) for ``widths`` [5] = U, V, W, X, Y."""
    gaussian, lorentzian = width_basis(two_theta)
    return thompson_cox_hastings(gaussian @ widths[:3], lorentzian @ widths[3:])


def widths_of(instrument: Instrument) -> FloatArray:
    """[5] U, V, W, X, Y of an instrument."""
    return np.array([instrument.u, instrument.v, instrument.w, instrument.x, instrument.y])


def with_widths(instrument: Instrument, widths: FloatArray) -> Instrument:
    """The instrument with ``widths`` [5] = U, V, W, X, Y."""
    u, v, w, x, y = (float(value) for value in widths)
    return replace(instrument, u=u, v=v, w=w, x=x, y=y)


def fwhm_along(two_theta: FloatArray, instrument: Instrument) -> FloatArray:
    """[P] FWHM in degrees of peaks at ``two_theta`` [P]."""
    return shape_along(two_theta, widths_of(instrument)).fwhm


def widths_of_constant_fwhm(fwhm: float, lorentzian_part: float = 0.5) -> FloatArray:
    """[5] U, V, W, X, Y of peaks about ``fwhm`` degrees wide everywhere; the start of a fit."""
    centidegrees = 100.0 * fwhm
    sigma = 0.8 * centidegrees * np.sqrt(1.0 - lorentzian_part**2) / FWHM_PER_SIGMA
    return np.array(
        [0.1 * sigma**2, 0.0, sigma**2, 0.8 * centidegrees * lorentzian_part, 0.3 * centidegrees * lorentzian_part]
    )
