"""The misfit of the whole profile and its normal equations: background, the structure, and known impurities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.refinement import Measurement
from pxrdgen_refiners.intensity_model import IntensityModel
from pxrdgen_refiners.parameters import WIDTHS, Block, Freedom, State, phase_state
from pxrdgen_refiners.peak_shapes import Windows, windows_of
from pxrdgen_refiners.phase_profile import PhaseProfile

FloatArray = NDArray[np.float64]

#: blocks of the instrument, which all crystals of the sample feel.
_SHARED = (Block.ZERO, Block.DISPLACEMENT, Block.WIDTHS, Block.ASYMMETRY)
#: the column of a crystal's own width among the widths.
_OWN_WIDTH = WIDTHS.index("x")


class Objective(ABC):
    """chi^2 of the data as a function of the state."""

    @abstractmethod
    def chi_squared(self, state: State) -> float:
        """Sum of w (o - c)^2."""

    @abstractmethod
    def normal(self, state: State, active: Sequence[Block]) -> tuple[FloatArray, FloatArray]:
        """J^T W J [P, P] and J^T W (o - c) [P] for the active parameters."""


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

    def normal(self, state: State, active: Sequence[Block]) -> tuple[FloatArray, FloatArray]:
        """J^T W J and J^T W (o - c)."""
        calculated, jacobian = self.jacobian(state, active)
        weight = 1.0 / self.measurement.sigma
        jacobian *= weight[:, None]
        residual = (self.measurement.intensity - calculated) * weight
        return jacobian.T @ jacobian, jacobian.T @ residual

    def jacobian(self, state: State, active: Sequence[Block]) -> tuple[FloatArray, FloatArray]:
        """Profile [G], background included, and its derivatives [G, P] by the active parameters."""
        peaks, parts = self.structure.jacobian(state, active)
        scales: list[FloatArray] = [np.zeros((peaks.size, 0))]
        shapes: list[FloatArray] = [np.zeros((peaks.size, 0))]
        for number, phase in enumerate(self.phases):
            own = phase_state(state, phase.model.freedom, number)
            shared = [block for block in _SHARED if block in active]
            wanted = {Block.SCALE, Block.STRAIN, Block.WIDTHS} if Block.PHASE_SHAPES in active else {Block.SCALE}
            more, found = phase.jacobian(own, sorted(wanted.union(shared)))
            peaks = peaks + more
            scales.append(found[Block.SCALE])
            for block in shared:
                column = found[block].copy()
                if block is Block.WIDTHS:
                    column[:, _OWN_WIDTH] = 0.0
                parts[block] = parts[block] + column
            if Block.PHASE_SHAPES in active:
                shapes += [found[Block.STRAIN], found[Block.WIDTHS][:, _OWN_WIDTH : _OWN_WIDTH + 1]]
        parts[Block.BACKGROUND] = self.chebyshev[:, : state.background.size]
        parts[Block.PHASE_SCALES] = np.concatenate(scales, axis=1)
        parts[Block.PHASE_SHAPES] = np.concatenate(shapes, axis=1)
        return self.background(state) + peaks, np.concatenate([parts[block] for block in active], axis=1)


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
        return windows_of(measurement.two_theta, net, measurement.sigma, model_.angles(state_), state_.instrument)

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
