"""Whether a whole profile can be fitted, and how well it was: the same for every refiner."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.refinement import Measurement

FloatArray = NDArray[np.float64]

#: fewer points than this are not fitted: a structure and its profile have about as many numbers.
LEAST_POINTS = 30


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """R factors as fractions (Toby 2006, doi:10.1154/1.2179804)."""

    r_wp: float
    r_p: float
    r_exp: float
    gof: float
    r_wp_without_background: float


def agreement(measurement: Measurement, calculated: FloatArray, background: FloatArray, parameters: int) -> Agreement:
    """Of a calculated profile [G], background included."""
    observed, weight = measurement.intensity, 1.0 / measurement.sigma**2
    misfit = float(weight @ (observed - calculated) ** 2)
    total = float(weight @ observed**2)
    net = float(weight @ (observed - background) ** 2)
    free = max(observed.size - parameters, 1)
    r_wp, r_exp = math.sqrt(misfit / total), math.sqrt(free / total)
    return Agreement(
        r_wp=r_wp,
        r_p=float(np.abs(observed - calculated).sum() / np.abs(observed).sum()),
        r_exp=r_exp,
        gof=r_wp / r_exp,
        r_wp_without_background=math.sqrt(misfit / max(net, 1e-300)),
    )


def unfit(measurement: Measurement) -> str:
    """Why the measurement cannot be fitted, in words; empty where it can."""
    arrays = (measurement.intensity, measurement.sigma, measurement.background)
    if measurement.two_theta.size < LEAST_POINTS:
        return f"got {measurement.two_theta.size} points, expected at least {LEAST_POINTS}"
    if any(array.shape != measurement.two_theta.shape for array in arrays):
        return "the measurement's arrays have different lengths"
    if not all(np.isfinite(array).all() for array in (measurement.two_theta, *arrays)):
        return "the measurement contains numbers that are not finite"
    if measurement.sigma.min() <= 0.0:
        return "the measurement has standard deviations that are not positive"
    if np.any(np.diff(measurement.two_theta) <= 0.0):
        return "the measurement's angles do not increase"
    return ""
