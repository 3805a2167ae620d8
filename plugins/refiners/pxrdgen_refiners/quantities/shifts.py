"""Shifts of all lines that every instrument has: detector zero and sample displacement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pxrdgen_crystallography.decomposition.bounds import MAX_ZERO
from pxrdgen_refiners.options import LeastSquaresOptions
from pxrdgen_refiners.quantity import LineShift
from pxrdgen_refiners.state import Freedom, State

FloatArray = NDArray[np.float64]

#: restraint to the start, degrees.
ZERO_SPREAD = 0.05


class Zero(LineShift):
    """Added to every 2theta."""

    name, label, unit = "zero", "Zero shift", "° 2θ"
    reach, spread = MAX_ZERO, ZERO_SPREAD
    always_told = True

    def asked(self, options: LeastSquaresOptions, state: State, freedom: Freedom) -> bool:
        """Where the options say so."""
        del state, freedom
        return options.shift in ("zero", "both")

    def value(self, state: State) -> float:
        """Of the instrument."""
        return state.instrument.zero

    def with_value(self, state: State, value: float) -> State:
        """Another instrument."""
        return replace(state, instrument=replace(state.instrument, zero=value))

    def form(self, theta: FloatArray) -> FloatArray:
        """1."""
        return np.ones_like(theta)

    def form_slope(self, theta: FloatArray) -> FloatArray:
        """0."""
        return np.zeros_like(theta)


class SampleDisplacement(LineShift):
    """Of a flat sample off the axis of the goniometer: times cos theta."""

    name, label, unit = "displacement", "Sample displacement", "° 2θ × cos θ"
    reach, spread = MAX_ZERO, ZERO_SPREAD

    def asked(self, options: LeastSquaresOptions, state: State, freedom: Freedom) -> bool:
        """Where the options say so."""
        del state, freedom
        return options.shift in ("displacement", "both")

    def value(self, state: State) -> float:
        """Of the instrument."""
        return state.instrument.displacement

    def with_value(self, state: State, value: float) -> State:
        """Another instrument."""
        return replace(state, instrument=replace(state.instrument, displacement=value))

    def form(self, theta: FloatArray) -> FloatArray:
        """Cos theta."""
        return np.cos(theta)

    def form_slope(self, theta: FloatArray) -> FloatArray:
        """-sin theta / 2."""
        return np.asarray(-0.5 * np.sin(theta))
