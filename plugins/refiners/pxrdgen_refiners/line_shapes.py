"""Where lines lie and how wide they are, with derivatives by the parameters that are refined."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.instrument import Instrument
from pxrdgen_crystallography.powder_line.positions import wavelength_splits
from pxrdgen_crystallography.powder_line.widths import (
    MIN_LORENTZ,
    MIN_VARIANCE,
    gaussian_variance,
    lorentz_width,
    thompson_cox_hastings,
    width_terms,
)
from pxrdgen_refiners.axial_divergence import Divergence, divergence_of

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Full width (degrees) and Lorentz fraction of lines [K], and their derivatives.

    Args:
        width_slope, mixing_slope: [K, 6] by U V W X Y and theta; ``by_gamma``, ``mixing_by_gamma`` [K] by the width of
            the Lorentzian, centidegrees.
        variance, gamma: [K] Gaussian variance and Lorentzian width that make them, and their slopes [K, 6].
    """

    width: FloatArray
    mixing: FloatArray
    width_slope: FloatArray
    mixing_slope: FloatArray
    by_gamma: FloatArray
    mixing_by_gamma: FloatArray
    variance: FloatArray
    gamma: FloatArray
    variance_slope: FloatArray
    gamma_slope: FloatArray

    def broadened(self, gamma: FloatArray, by_theta: FloatArray) -> Widths:
        """With a Lorentzian wider by ``gamma`` [K], whose derivative by theta is ``by_theta`` [K]."""
        slope = np.column_stack([self.gamma_slope[:, :-1], self.gamma_slope[:, -1] + by_theta])
        return _widths(self.variance, self.gamma + gamma, self.variance_slope, slope)


def widths_of(theta: FloatArray, instrument: Instrument) -> Widths:
    """Widths at Bragg angles ``theta`` [K] (radians)."""
    tangent, cosine = np.tan(theta), np.cos(theta)
    variance, gamma = gaussian_variance(tangent, instrument), lorentz_width(tangent, instrument)
    gaussian_terms, lorentz_terms = width_terms(tangent)
    by_theta = (2.0 * instrument.u * tangent + instrument.v) / cosine**2
    variance_slope = np.column_stack([gaussian_terms, np.zeros_like(lorentz_terms), by_theta])
    by_theta = (instrument.x * np.sin(theta) + instrument.y) / cosine**2
    gamma_slope = np.column_stack([np.zeros_like(gaussian_terms), lorentz_terms, by_theta])
    variance_slope[variance <= MIN_VARIANCE] = 0.0
    gamma_slope[gamma <= MIN_LORENTZ] = 0.0
    return _widths(variance, gamma, variance_slope, gamma_slope)


def _widths(variance: FloatArray, gamma: FloatArray, variance_slope: FloatArray, gamma_slope: FloatArray) -> Widths:
    shape = thompson_cox_hastings(variance, gamma)
    by_variance, by_gamma = shape.fwhm_by_variance[:, None], shape.fwhm_by_gamma[:, None]
    return Widths(
        width=shape.fwhm / 100.0,
        mixing=shape.eta,
        width_slope=(by_variance * variance_slope + by_gamma * gamma_slope) / 100.0,
        mixing_slope=shape.eta_by_variance[:, None] * variance_slope + shape.eta_by_gamma[:, None] * gamma_slope,
        by_gamma=shape.fwhm_by_gamma / 100.0,
        mixing_by_gamma=shape.eta_by_gamma,
        variance=variance,
        gamma=gamma,
        variance_slope=variance_slope,
        gamma_slope=gamma_slope,
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
    split = np.array(wavelength_splits(instrument.radiation))[:, None]
    return LineShapes(
        position=value + split * np.tan(theta),
        by_bragg=by_bragg + split * math.pi / 360.0 / np.cos(theta) ** 2,
        widths=widths,
        divergence=divergence,
    )
