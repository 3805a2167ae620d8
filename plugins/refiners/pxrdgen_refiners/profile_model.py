"""The misfit of the whole profile and its normal equations: background, the structure, and known impurities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.refinement import Measurement
from pxrdgen_refiners.intensity_model import IntensityModel
from pxrdgen_refiners.peak_shapes import Windows, windows_of
from pxrdgen_refiners.phase_profile import PhaseProfile, lines_at
from pxrdgen_refiners.quantity import ProfileParts, Quantity
from pxrdgen_refiners.state import Freedom, State, phase_state

FloatArray = NDArray[np.float64]


class Objective(ABC):
    """chi^2 of the data as a function of the state."""

    @abstractmethod
    def chi_squared(self, state: State) -> float:
        """Sum of w (o - c)^2."""

    @abstractmethod
    def normal(self, state: State, active: Sequence[Quantity]) -> tuple[FloatArray, FloatArray]:
        """J^T W J [P, P] and J^T W (o - c) [P] for the active quantities."""


@dataclass(frozen=True, kw_only=True)
class WholeProfile(Objective):
    """Every point of the pattern, shapes rebuilt at each state.

    Args:
        measurement: points, sigma and first background.
        structure: the crystal that is refined.
        phases: the known impurities.
        chebyshev: [G, T] polynomials, as many as may ever be used.
    """

    measurement: Measurement
    structure: PhaseProfile
    phases: tuple[PhaseProfile, ...] = ()
    chebyshev: FloatArray

    @property
    def model(self) -> IntensityModel:
        """Line intensities of the structure."""
        return self.structure.model

    @property
    def freedom(self) -> Freedom:
        """What may move."""
        return self.model.freedom

    def background(self, state: State) -> FloatArray:
        """[G]."""
        return np.asarray(self.measurement.background + self.chebyshev[:, : state.background.size] @ state.background)

    def peaks(self, state: State) -> FloatArray:
        """[G] calculated, background excluded, impurities included."""
        total = self.structure.peaks(state)
        for number, phase in enumerate(self.phases):
            total = total + phase.peaks(phase_state(state, phase.model.freedom, number))
        return total

    def chi_squared(self, state: State) -> float:
        """Sum of w (o - c)^2."""
        residual = (self.measurement.intensity - self.background(state) - self.peaks(state)) / self.measurement.sigma
        return float(residual @ residual)

    def normal(self, state: State, active: Sequence[Quantity]) -> tuple[FloatArray, FloatArray]:
        """J^T W J and J^T W (o - c)."""
        calculated, jacobian = self.jacobian(state, active)
        weight = 1.0 / self.measurement.sigma
        jacobian *= weight[:, None]
        residual = (self.measurement.intensity - calculated) * weight
        return jacobian.T @ jacobian, jacobian.T @ residual

    def jacobian(self, state: State, active: Sequence[Quantity]) -> tuple[FloatArray, FloatArray]:
        """Profile [G], background included, and its derivatives [G, P] by the active quantities."""
        peaks, structure = self.structure.jacobian(state, active)
        wanted = tuple(dict.fromkeys(each for quantity in active for each in quantity.of_phases()))
        phases = []
        for number, phase in enumerate(self.phases):
            more, found = phase.jacobian(phase_state(state, phase.model.freedom, number), wanted)
            peaks = peaks + more
            phases.append(found)
        chebyshev = self.chebyshev[:, : state.background.size]
        parts = ProfileParts(structure=structure, phases=tuple(phases), chebyshev=chebyshev)
        return self.background(state) + peaks, np.concatenate([each.columns(parts) for each in active], axis=1)


def profile_at(
    measurement: Measurement,
    model: IntensityModel,
    state: State,
    chebyshev: FloatArray,
    phases: Sequence[IntensityModel] = (),
) -> WholeProfile:
    """The whole profile with windows around the lines' present positions."""
    net = np.maximum(measurement.intensity - measurement.background, 0.0)

    def windows(model_: IntensityModel, state_: State) -> Windows:
        theta = model_.angles(state_)
        lines = lines_at(theta, state_)
        return windows_of(measurement.two_theta, net, measurement.sigma, theta, lines, state_.instrument)

    return WholeProfile(
        measurement=measurement,
        structure=PhaseProfile(model=model, windows=windows(model, state)),
        phases=tuple(
            PhaseProfile(model=phase, windows=windows(phase, phase_state(state, phase.freedom, number)))
            for number, phase in enumerate(phases)
        ),
        chebyshev=chebyshev,
    )


def chebyshev_terms(grid: FloatArray, terms: int) -> FloatArray:
    """[G, terms] Chebyshev polynomials over the range of the grid."""
    scaled = 2.0 * (grid - grid[0]) / (grid[-1] - grid[0]) - 1.0
    return np.asarray(np.polynomial.chebyshev.chebvander(scaled, terms - 1))
