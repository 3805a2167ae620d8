"""Gaussian paths between noise and data.

A state is x_t = alpha(t) x_1 + sigma(t) e with e ~ N(0, I); t runs from 0 (noise) to 1 (data). Two paths through the
same states differ by a scale and by how fast they go, so one network can serve all of them: it is shown the state at
unit variance, x_t / sqrt(alpha^2 + sigma^2), and the logarithm of sigma / alpha.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor

#: sigma / alpha of times closer to noise than the network needs to tell apart; and the same next to the data.
LARGEST_RATIO, SMALLEST_RATIO = 20.0, 4e-3


class GaussianPath(ABC):
    """alpha and sigma as functions of time."""

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """Share of the data, 0 at t = 0 and 1 at t = 1."""

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """Share of the noise, 1 at t = 0 and 0 at t = 1."""

    def log_ratio(self, t: Tensor) -> Tensor:
        """ln(sigma / alpha), clamped to the range a network is trained on."""
        ratio = self.sigma(t) / self.alpha(t).clamp(min=1e-9)
        return ratio.clamp(SMALLEST_RATIO, LARGEST_RATIO).log()

    def state(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t [B, D] from x_1 and e [B, D] at t [B]."""
        return self.alpha(t)[:, None] * clean + self.sigma(t)[:, None] * noise


@final
class FlowPath(GaussianPath):
    """Straight lines, alpha = t and sigma = 1 - t (Lipman et al. 2023, arXiv:2210.02747)."""

    def alpha(self, t: Tensor) -> Tensor:
        """See :meth:`GaussianPath.alpha`."""
        return t

    def sigma(self, t: Tensor) -> Tensor:
        """See :meth:`GaussianPath.sigma`."""
        return 1.0 - t


@final
class CosineDiffusionPath(GaussianPath):
    """Constant variance, alpha = sin(pi t / 2) and sigma = cos(pi t / 2) (Nichol & Dhariwal 2021, arXiv:2102.09672)."""

    def alpha(self, t: Tensor) -> Tensor:
        """See :meth:`GaussianPath.alpha`."""
        return torch.sin(0.5 * math.pi * t)

    def sigma(self, t: Tensor) -> Tensor:
        """See :meth:`GaussianPath.sigma`."""
        return torch.cos(0.5 * math.pi * t)


def unit_variance(clean: Tensor, noise: Tensor, log_ratio: Tensor) -> tuple[Tensor, Tensor]:
    """What a network sees and should answer at ln(sigma / alpha) [B]: the state at unit variance and its velocity.

    With alpha^2 + sigma^2 = 1: x = alpha x_1 + sigma e and v = alpha e - sigma x_1 (Salimans & Ho 2022,
    arXiv:2202.00512).
    """
    alpha, sigma = _shares(log_ratio)
    return alpha * clean + sigma * noise, alpha * noise - sigma * clean


def clean_from(state: Tensor, velocity: Tensor, log_ratio: Tensor) -> Tensor:
    """x_1 = alpha x - sigma v, for a unit-variance ``state`` [B, D]."""
    alpha, sigma = _shares(log_ratio)
    return alpha * state - sigma * velocity


def _shares(log_ratio: Tensor) -> tuple[Tensor, Tensor]:
    """alpha and sigma [B, 1] with alpha^2 + sigma^2 = 1."""
    return torch.sigmoid(-2.0 * log_ratio)[:, None].sqrt(), torch.sigmoid(2.0 * log_ratio)[:, None].sqrt()
