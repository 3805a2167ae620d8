"""Agreement factors of a fit to a whole profile, the same for every refiner."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.refinement import Measurement

FloatArray = NDArray[np.float64]


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
