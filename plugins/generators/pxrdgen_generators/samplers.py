"""How a flow turns noise into crystals, once it can estimate the displacement of any state."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pxrdgen_generators.manifolds import to_fractional, wrap
from pxrdgen_generators.paths import LinearPath

#: Cartesian displacement (A) [B, n, 3] from the data to a state [B, n, 3] at time t [B].
Displacement = Callable[[Tensor, Tensor], Tensor]


class Sampler(ABC):
    """Carries states from a starting time to t = 1."""

    @abstractmethod
    def run(
        self,
        displacement: Displacement,
        path: LinearPath,
        state: Tensor,
        start: float,
        basis: Tensor,
        length: Tensor,
        rng: torch.Generator,
        record: list[Tensor] | None = None,
    ) -> Tensor:
        """Clean coordinates [B, n, 3] from ``state`` at time ``start``; ``record`` collects the states on the way."""


@dataclass(frozen=True, kw_only=True)
class EulerSampler(Sampler):
    """x += v dt (1 + s t): straight steps, with anti-annealing s as published (Miller et al. 2024, FlowMM)."""

    steps: int
    anti_annealing: float = 0.0

    def run(
        self,
        displacement: Displacement,
        path: LinearPath,
        state: Tensor,
        start: float,
        basis: Tensor,
        length: Tensor,
        rng: torch.Generator,
        record: list[Tensor] | None = None,
    ) -> Tensor:
        """See :meth:`Sampler.run`."""
        del path, length, rng
        for now, then in _times(start, self.steps):
            step = (then - now) * (1.0 + self.anti_annealing * now)
            toward = displacement(state, state.new_full((len(state),), now))
            state = wrap(state - step * to_fractional(toward, basis))
            _note(record, state)
        return state


@dataclass(frozen=True, kw_only=True)
class StochasticSampler(Sampler):
    """Predict the clean crystal, renoise it wholly to the next time: x = x_1 + (1 - t') e, e Gaussian."""

    steps: int

    def run(
        self,
        displacement: Displacement,
        path: LinearPath,
        state: Tensor,
        start: float,
        basis: Tensor,
        length: Tensor,
        rng: torch.Generator,
        record: list[Tensor] | None = None,
    ) -> Tensor:
        """See :meth:`Sampler.run`."""
        for now, then in _times(start, self.steps):
            t = state.new_full((len(state),), now)
            clean = path.clean(state, displacement(state, t), t, basis)
            noise = path.noise(state.shape, length, rng).to(state.device)
            state = path.state(clean, noise, torch.full_like(t, then), basis)
            _note(record, state)
        return state


def _times(start: float, steps: int) -> list[tuple[float, float]]:
    """(now, next) for equal steps from ``start`` to 1; fewer when starting late."""
    count = max(1, round(steps * (1.0 - start)))
    grid = [start + (1.0 - start) * index / count for index in range(count + 1)]
    return list(itertools.pairwise(grid))


def _note(record: list[Tensor] | None, state: Tensor) -> None:
    if record is not None:
        record.append(state.clone())
