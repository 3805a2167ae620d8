"""March-Dollase texture (Dollase 1986, doi:10.1107/S0021889886089458): W = (r^2 c + (1 - c) / r)^(-3/2).

c is the squared cosine of the angle between a reflection and the axis; the axis itself is chosen, not refined.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pxrdgen.values.refinement import RefinedQuantity
from pxrdgen_refiners.intensity_model import IntensityModel, Waves
from pxrdgen_refiners.quantity import FloatArray, Quantity, known_su
from pxrdgen_refiners.state import Freedom, State

RATIO_RANGE = (0.3, 3.0)
#: of the logarithm of the ratio: restraint to 0, and largest step.
RATIO_SPREAD, MAX_LOG_STEP = 0.7, 0.3


class Texture(Quantity):
    """Logarithm of the ratio r, where there is an axis."""

    def size(self, state: State, freedom: Freedom) -> int:
        return int(state.axis is not None)

    def moved(self, state: State, freedom: Freedom, step: FloatArray) -> State:
        moved = state.log_ratio + np.clip(step, -MAX_LOG_STEP, MAX_LOG_STEP).sum()
        return replace(state, log_ratio=float(np.clip(moved, *np.log(RATIO_RANGE))))

    def restraint(self, state: State, freedom: Freedom) -> tuple[FloatArray, FloatArray]:
        size = self.size(state, freedom)
        return np.full(size, state.log_ratio) / RATIO_SPREAD, np.eye(size) / RATIO_SPREAD

    def area_slopes(self, model: IntensityModel, state: State, waves: Waves) -> FloatArray | None:
        if state.axis is None:
            return None
        r, c = math.exp(state.log_ratio), waves.cosine_squared
        slope = -1.5 * (r * r * c + (1.0 - c) / r) ** -2.5 * (2.0 * r * r * c - (1.0 - c) / r)
        return state.scale * model.lines(state, (waves.factor * waves.squared * slope)[:, None])

    def reported(self, state: State, freedom: Freedom, covariance: FloatArray | None) -> tuple[RefinedQuantity, ...]:
        """The ratio and its axis; 1 without texture."""
        ratio = math.exp(state.log_ratio)
        su = known_su(np.full((1, 1), ratio), covariance)[0]
        return (
            RefinedQuantity(
                name="march_dollase",
                label="March\N{EN DASH}Dollase ratio",
                value=ratio,
                su=su,
                direction=state.axis,
                told=su is not None,
            ),
        )

    def at_limits(self, state: State, freedom: Freedom) -> tuple[str, ...]:
        inside = math.log(RATIO_RANGE[0]) < state.log_ratio < math.log(RATIO_RANGE[1])
        return () if state.axis is None or inside else ("texture",)
