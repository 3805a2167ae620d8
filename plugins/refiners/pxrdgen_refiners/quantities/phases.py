"""Known impurities: how much there is of each, its cell and its size broadening."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from pxrdgen_crystallography.decomposition.bounds import MAX_STRAIN, WIDTH_RANGE
from pxrdgen_refiners.quantities import widths
from pxrdgen_refiners.quantities.linear import Scale
from pxrdgen_refiners.quantities.strain import STRAIN_SPREAD, Strain
from pxrdgen_refiners.quantities.widths import Widths
from pxrdgen_refiners.quantity import FloatArray, ProfileParts, Quantity, su_of
from pxrdgen_refiners.state import Freedom, State


class PhaseScales(Quantity):
    """S scales, not negative.

    Args:
        scale: how an impurity's own is derived.
    """

    def __init__(self, scale: Scale) -> None:
        self._scale = scale

    def size(self, state: State, freedom: Freedom) -> int:
        return len(state.phases)

    def moved(self, state: State, freedom: Freedom, step: FloatArray) -> State:
        phases = zip(state.phases, step, strict=True)
        return replace(
            state, phases=tuple(replace(phase, scale=max(phase.scale + float(by), 0.0)) for phase, by in phases)
        )

    def linear_slopes(self, state: State) -> FloatArray:
        return np.eye(len(state.phases) + state.background.size)[:, : len(state.phases)]

    def of_phases(self) -> tuple[Quantity, ...]:
        return (self._scale,)

    def columns(self, parts: ProfileParts) -> FloatArray:
        empty = np.zeros((len(parts.chebyshev), 0))
        return np.concatenate([empty, *(phase[self._scale] for phase in parts.phases)], axis=1)

    def su(self, state: State, covariance: FloatArray | None) -> tuple[float, ...]:
        return tuple(su_of(np.eye(len(state.phases)), covariance).tolist())


class PhaseShapes(Quantity):
    """Strains and X of one impurity after another.

    Args:
        strain, widths: how an impurity's own are derived.
    """

    def __init__(self, strain: Strain, shared: Widths) -> None:
        self._strain, self._widths = strain, shared

    def size(self, state: State, freedom: Freedom) -> int:
        return sum(phase.strain.size + 1 for phase in state.phases)

    def moved(self, state: State, freedom: Freedom, step: FloatArray) -> State:
        """Within the bounds of the structure's."""
        moved = []
        for phase, own in zip(state.phases, self.places(state), strict=True):
            *by_strain, by_x = step[own].tolist()
            strain = np.clip(phase.strain + by_strain, -MAX_STRAIN, MAX_STRAIN)
            moved.append(replace(phase, strain=strain, x=float(np.clip(phase.x + by_x, *WIDTH_RANGE["x"]))))
        return replace(state, phases=tuple(moved))

    def restraint(self, state: State, freedom: Freedom) -> tuple[FloatArray, FloatArray]:
        """Strains to 0, widths to where they began."""
        residuals, spreads = [np.zeros(0)], [np.zeros(0)]
        for phase, start in zip(state.phases, freedom.start.phases, strict=True):
            residuals += [phase.strain, np.array([phase.x - start.x])]
            spreads += [np.full(phase.strain.size, STRAIN_SPREAD), widths.SPREAD[widths.OWN]]
        spread = np.concatenate(spreads)
        return np.concatenate(residuals) / spread, np.diag(1.0 / spread)

    def of_phases(self) -> tuple[Quantity, ...]:
        return (self._strain, self._widths)

    def columns(self, parts: ProfileParts) -> FloatArray:
        """Strains and X, impurity by impurity."""
        columns = [np.zeros((len(parts.chebyshev), 0))]
        for phase in parts.phases:
            columns += [phase[self._strain], phase[self._widths][:, widths.OWN]]
        return np.concatenate(columns, axis=1)

    def places(self, state: State) -> list[slice]:
        """Where the numbers of each impurity lie."""
        ends = np.cumsum([0, *(phase.strain.size + 1 for phase in state.phases)]).tolist()
        return [slice(first, last) for first, last in pairwise(ends)]
