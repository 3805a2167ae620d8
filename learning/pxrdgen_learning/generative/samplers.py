"""From noise to data along a Gaussian path, given an estimate of the data at any state."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from pxrdgen_learning.generative.paths import LARGEST_RATIO, SMALLEST_RATIO, GaussianPath

#: estimate of the data x_1 [B, D] from a unit-variance state [B, D] and ln(sigma / alpha) [B].
Estimate = Callable[[Tensor, Tensor], Tensor]


class Sampler(ABC):
    """Carries states from t = 0 to t = 1."""

    @abstractmethod
    def run(self, estimate: Estimate, path: GaussianPath, noise: Tensor, rng: torch.Generator) -> Tensor:
        """Data [B, D] from ``noise`` [B, D] ~ N(0, I)."""


@final
@dataclass(frozen=True, kw_only=True)
class OdeSampler(Sampler):
    """The deterministic flow, x' = alpha' x_1 + sigma' (x - alpha x_1) / sigma (Song et al. 2021, arXiv:2010.02502).

    Times lie evenly in ln(sigma / alpha), so that scales are gone through one after the other on every path.
    """

    steps: int

    def run(self, estimate: Estimate, path: GaussianPath, noise: Tensor, rng: torch.Generator) -> Tensor:
        """See :meth:`Sampler.run`."""
        del rng
        return _run(estimate, path, noise, self.steps, None)


@final
@dataclass(frozen=True, kw_only=True)
class AncestralSampler(Sampler):
    """Reverse diffusion (Ho et al. 2020, arXiv:2006.11239): each step draws x' from q(x' | x, x_1)."""

    steps: int

    def run(self, estimate: Estimate, path: GaussianPath, noise: Tensor, rng: torch.Generator) -> Tensor:
        """See :meth:`Sampler.run`."""
        return _run(estimate, path, noise, self.steps, rng)


def _run(estimate: Estimate, path: GaussianPath, noise: Tensor, steps: int, rng: torch.Generator | None) -> Tensor:
    times = _times(path, steps)
    state = path.sigma(times[:1])[:, None] * noise
    clean = noise
    for now, then in itertools.pairwise(times):
        alpha, sigma = float(path.alpha(now)), float(path.sigma(now))
        clean = estimate(state / math.hypot(alpha, sigma), path.log_ratio(now).to(state.device).expand(len(state)))
        remaining = (state - alpha * clean) / sigma
        next_alpha, next_sigma = float(path.alpha(then)), float(path.sigma(then))
        fresh = 0.0
        if rng is not None:
            ratio, next_ratio = sigma / max(alpha, 1e-9), next_sigma / next_alpha
            fresh = next_sigma * math.sqrt(max(0.0, 1.0 - (next_ratio / ratio) ** 2))
            remaining = remaining * math.sqrt(max(next_sigma**2 - fresh**2, 0.0)) / max(next_sigma, 1e-12)
        state = next_alpha * clean + next_sigma * remaining
        if rng is not None:
            state = state + fresh * torch.randn(state.shape, generator=rng, dtype=state.dtype, device=rng.device)
    return clean


def _times(path: GaussianPath, steps: int) -> Tensor:
    """[steps + 1] times from t = 0 with ln(sigma / alpha) falling evenly, found on a fine grid."""
    fine = torch.linspace(0.0, 1.0, 20_001, dtype=torch.float64)
    ratio = (path.sigma(fine) / path.alpha(fine).clamp(min=1e-12)).log()
    wanted = torch.linspace(math.log(LARGEST_RATIO), math.log(SMALLEST_RATIO), steps + 1, dtype=torch.float64)
    place = torch.searchsorted(-ratio, -wanted).clamp(1, fine.numel() - 2)
    times = fine[place].to(torch.float32)
    times[0] = 0.0
    return times
