"""Shifts of all lines that every instrument has: detector zero and sample displacement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pxrdgen_crystallography.decomposition.bounds import MAX_ZERO
from pxrdgen_refiners.options import LeastSquaresOptions
from pxrdgen_refiners.quantity import FloatArray, LineShift
from pxrdgen_refiners.state import Freedom, State

#: restraint to the start, degrees.
ZERO_SPREAD = 0.05


class _OfInstrument(LineShift):
    reach, spread = MAX_ZERO, ZERO_SPREAD

    def asked(self, options: LeastSquaresOptions, state: State, freedom: Freedom) -> bool:
        return options.shift in (self.name, "both")

    def value(self, state: State) -> float:
        return float(getattr(state.instrument, self.name))

    def with_value(self, state: State, value: float) -> State:
        return replace(state, instrument=replace(state.instrument, **{self.name: value}))


class Zero(_OfInstrument):
    """Added to every 2theta."""

    name, label, unit = "zero", "Zero shift", "° 2θ"
    always_told = True

    def form(self, theta: FloatArray) -> FloatArray:
        return np.ones_like(theta)

    def form_slope(self, theta: FloatArray) -> FloatArray:
        return np.zeros_like(theta)


class SampleDisplacement(_OfInstrument):
    """Of a flat sample off the axis of the goniometer: times cos theta."""

    name, label, unit = "displacement", "Sample displacement", "° 2θ × cos θ"

    def form(self, theta: FloatArray) -> FloatArray:
        return np.cos(theta)

    def form_slope(self, theta: FloatArray) -> FloatArray:
        return -np.sin(theta)
