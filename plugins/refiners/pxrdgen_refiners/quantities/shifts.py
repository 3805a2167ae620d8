"""Shifts of all lines: detector zero, sample displacement, and what further ones are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.refinement import RefinedQuantity
from pxrdgen_crystallography.decomposition.bounds import MAX_ZERO
from pxrdgen_refiners.options import LeastSquaresOptions
from pxrdgen_refiners.quantity import LineShift
from pxrdgen_refiners.state import Freedom, Shifted, State

FloatArray = NDArray[np.float64]

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
        return np.asarray(-0.5 * np.sin(theta))


class FurtherShift(LineShift):
    """One that the options name; 0 to begin with."""

    def asked(self, options: LeastSquaresOptions, state: State, freedom: Freedom) -> bool:
        return self.name in options.also

    def value(self, state: State) -> float:
        return next((shift.value for shift in state.shifts if shift.by is self), 0.0)

    def with_value(self, state: State, value: float) -> State:
        others = (shift for shift in state.shifts if shift.by is not self)
        return replace(state, shifts=(*others, Shifted(by=self, value=value)))

    def reported(self, state: State, freedom: Freedom, covariance: FloatArray | None) -> tuple[RefinedQuantity, ...]:
        """Where it was refined."""
        return () if covariance is None else super().reported(state, freedom, covariance)
