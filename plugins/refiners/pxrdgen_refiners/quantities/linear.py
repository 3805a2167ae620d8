"""What the profile is linear in: background, and the scale of the structure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pxrdgen.values.refinement import RefinedQuantity
from pxrdgen_refiners.intensity_model import IntensityModel, Waves
from pxrdgen_refiners.quantity import FloatArray, ProfileParts, Quantity, known_su
from pxrdgen_refiners.state import Freedom, State

#: a step leaves at least this share of a scale.
LEAST_SHARE = 0.05


class Background(Quantity):
    """T Chebyshev coefficients."""

    def size(self, state: State, freedom: Freedom) -> int:
        return state.background.size

    def moved(self, state: State, freedom: Freedom, step: FloatArray) -> State:
        return replace(state, background=state.background + step)

    def linear_slopes(self, state: State) -> FloatArray:
        return np.eye(len(state.phases) + state.background.size)[:, len(state.phases) :]

    def columns(self, parts: ProfileParts) -> FloatArray:
        return parts.chebyshev

    def reported(self, state: State, freedom: Freedom, covariance: FloatArray | None) -> tuple[RefinedQuantity, ...]:
        """How many there are; what they are says little."""
        return (RefinedQuantity(name="background_terms", label="Background terms", value=float(state.background.size)),)


class Scale(Quantity):
    """Of the structure's line intensities."""

    def moved(self, state: State, freedom: Freedom, step: FloatArray) -> State:
        return replace(state, scale=max(state.scale + float(step[0]), LEAST_SHARE * state.scale))

    def area_slopes(self, model: IntensityModel, state: State, waves: Waves) -> FloatArray:
        return model.lines(state, waves.each)[:, None]

    def reported(self, state: State, freedom: Freedom, covariance: FloatArray | None) -> tuple[RefinedQuantity, ...]:
        su = known_su(np.eye(1), covariance)[0]
        return (RefinedQuantity(name="scale", label="Scale factor", value=state.scale, su=su),)
