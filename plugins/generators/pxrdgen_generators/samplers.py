"""How one step is taken from noise towards the data, once the offset of a state from the data is estimated."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from pxrdgen_generators.manifolds import to_fractional, wrap
from pxrdgen_generators.paths import AtomPath


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a step needs to know beside the state.

    Args:
        path: that is followed.
        basis: [B, 3, 3] cells, rows a, b, c in A.
        length: [B] (V / n)^(1/3) in A.
        rng: source of fresh noise, on the device of the states.
    """

    path: AtomPath
    basis: Tensor
    length: Tensor
    rng: torch.Generator

    def level(self, time: float) -> float:
        """Of the noise at a time."""
        return float(self.path.level(torch.tensor(time, dtype=torch.float64, device="cpu")))

    def noise(self, state: Tensor) -> Tensor:
        """Fresh displacements at full level, in fractions, [B, n, 3]."""
        drawn = self.path.noise(state.shape, self.basis, self.length, self.rng)
        return to_fractional(drawn, self.basis)


class Sampler(ABC):
    """Steps towards the data."""

    @abstractmethod
    def step(self, state: Tensor, offset: Tensor, now: float, then: float, around: Surroundings) -> Tensor:
        """The state [B, n, 3] at time ``then`` from that at ``now``; ``offset`` is x_now - x_1 in fractions."""

    def corrected(self, state: Tensor, offset: Tensor, now: float, around: Surroundings) -> Tensor | None:
        """A better state at the same time, after which the offset is estimated again; ``None`` to go on."""
        del state, offset, now, around
        return None


@final
@dataclass(frozen=True, kw_only=True)
class EulerSampler(Sampler):
    """The deterministic flow: the offset shrinks with the level.

    ``anti_annealing`` s hurries late steps by 1 + s t, as published (Miller et al. 2024, arXiv:2406.04713).
    """

    anti_annealing: float = 0.0

    def step(self, state: Tensor, offset: Tensor, now: float, then: float, around: Surroundings) -> Tensor:
        """See :meth:`Sampler.step`."""
        share = 1.0 - around.level(then) / around.level(now)
        return wrap(state - share * (1.0 + self.anti_annealing * now) * offset)


@final
@dataclass(frozen=True, kw_only=True)
class StochasticSampler(Sampler):
    """Predict the clean crystal, renoise it wholly to the next time: x = x_1 + l(t') e."""

    def step(self, state: Tensor, offset: Tensor, now: float, then: float, around: Surroundings) -> Tensor:
        """See :meth:`Sampler.step`."""
        del now
        clean = wrap(state - offset)
        return wrap(clean + around.level(then) * around.noise(state)) if then < 1.0 else clean


@final
@dataclass(frozen=True, kw_only=True)
class AncestralSampler(Sampler):
    """Reverse diffusion with exploding variance (Song et al. 2021, arXiv:2011.13456), optionally with a corrector.

    Args:
        corrector: size of one Langevin step before each step, in units of sigma_min^2 at the data; 0 for none. The
            published sampler has 1e-5 / 0.005^2 = 0.4.
    """

    corrector: float = 0.0

    def step(self, state: Tensor, offset: Tensor, now: float, then: float, around: Surroundings) -> Tensor:
        """See :meth:`Sampler.step`; the last one adds no noise."""
        before, after = around.level(now), around.level(then)
        if then >= 1.0:
            return wrap(state - offset)
        share = 1.0 - (after / before) ** 2
        return wrap(state - share * offset + after * share**0.5 * around.noise(state))

    def corrected(self, state: Tensor, offset: Tensor, now: float, around: Surroundings) -> Tensor | None:
        """x + e s + sqrt(2 e) z with the score s and e proportional to sigma^2."""
        if self.corrector == 0.0:
            return None
        return wrap(
            state - self.corrector * offset + (2.0 * self.corrector) ** 0.5 * around.level(now) * around.noise(state)
        )


def step_times(start: float, steps: int) -> list[tuple[float, float]]:
    """(now, next) for equal steps from ``start`` to 1; fewer when starting late."""
    count = max(1, round(steps * (1.0 - start)))
    grid = [start + (1.0 - start) * index / count for index in range(count + 1)]
    return list(itertools.pairwise(grid))
