"""Low-angle asymmetry: axial divergence (S + H) / L, moved by its square, in which profiles are nearly linear."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pxrdgen.values.refinement import RefinedQuantity
from pxrdgen_refiners.intensity_model import IntensityModel
from pxrdgen_refiners.line_shapes import LineShapes
from pxrdgen_refiners.options import LeastSquaresOptions
from pxrdgen_refiners.quantity import FloatArray, Quantity, ShapeSlopes, known_su
from pxrdgen_refiners.state import Freedom, State

#: bounds of (S + H) / L, and the restraint of its square to the start.
DIVERGENCE_RANGE, DIVERGENCE_SPREAD = (0.0005, 0.15), 4e-3


class Asymmetry(Quantity):
    """Square of (S + H) / L."""

    shared = True

    def asked(self, options: LeastSquaresOptions, state: State, freedom: Freedom) -> bool:
        """Where the options say so; it is tried, and kept where it pays."""
        return options.refine_asymmetry

    def moved(self, state: State, freedom: Freedom, step: FloatArray) -> State:
        square = np.clip(state.instrument.sh_l**2 + float(step[0]), *np.square(DIVERGENCE_RANGE))
        return replace(state, instrument=replace(state.instrument, sh_l=math.sqrt(square)))

    def restraint(self, state: State, freedom: Freedom) -> tuple[FloatArray, FloatArray]:
        change = state.instrument.sh_l**2 - freedom.start.instrument.sh_l**2
        return np.array([change]) / DIVERGENCE_SPREAD, np.eye(1) / DIVERGENCE_SPREAD

    def shape_slopes(self, model: IntensityModel, state: State, theta: FloatArray, lines: LineShapes) -> ShapeSlopes:
        return ShapeSlopes(divergence=np.ones((lines.position.size, 1)))

    def reported(self, state: State, freedom: Freedom, covariance: FloatArray | None) -> tuple[RefinedQuantity, ...]:
        """One line, of (S + H) / L itself."""
        value = state.instrument.sh_l
        su = known_su(np.full((1, 1), 0.5 / max(value, 1e-6)), covariance)[0]
        label = "Axial divergence (S + H) / L"
        return (RefinedQuantity(name="sh_l", label=label, value=value, su=su, told=su is not None),)
