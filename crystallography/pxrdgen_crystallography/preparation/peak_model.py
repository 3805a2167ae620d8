"""Peaks, common widths and background of a pattern as parameters, before and after a fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PeakModel:
    """The parameters: P peaks, five widths, C background coefficients.

    Args:
        position: [P] degrees.
        area: [P] of the first line, intensity times degrees.
        log_factor: [P] logarithm of the width over the common curve's.
        widths: [5] U, V, W, X, Y.
        coefficients: [C] of the background spline.
    """

    position: FloatArray
    area: FloatArray
    log_factor: FloatArray
    widths: FloatArray
    coefficients: FloatArray

    def select(self, keep: NDArray[np.bool_]) -> PeakModel:
        """Only the peaks where ``keep`` [P] holds."""
        return replace(self, position=self.position[keep], area=self.area[keep], log_factor=self.log_factor[keep])

    def plus(self, position: FloatArray, area: FloatArray) -> PeakModel:
        """More peaks, of common width; positions stay sorted."""
        joined = np.concatenate([self.position, position])
        order = np.argsort(joined)
        return replace(
            self,
            position=joined[order],
            area=np.concatenate([self.area, area])[order],
            log_factor=np.concatenate([self.log_factor, np.zeros_like(area)])[order],
        )


@dataclass(frozen=True, kw_only=True)
class FittedModel:
    """A fitted model with what it predicts.

    Args:
        model: the parameters.
        peaks, background, variance: [G] the two parts of the calculated pattern, and the variance of the points.
        position_su, area_su: [P], scaled up where the fit is locally worse than the noise.
        misfit: [P] that scale, 1 or more.
        fwhm, height: [P] of the first line.
        background_su: [G].
    """

    model: PeakModel
    peaks: FloatArray
    background: FloatArray
    variance: FloatArray
    position_su: FloatArray
    area_su: FloatArray
    misfit: FloatArray
    fwhm: FloatArray
    height: FloatArray
    background_su: FloatArray
