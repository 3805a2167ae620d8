"""The diffusion of fractional coordinates by a wrapped normal of growing width, after DiffCSP.

Jiao et al. 2023 (arXiv:2309.04475): sigma runs geometrically from 0.005 (data) to 0.5 (noise), both in fractions of
the cell; the network is asked for the score of the wrapped normal, divided by its root mean square.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from pxrdgen_generators.coupling import Coupled
from pxrdgen_generators.manifolds import to_fractional
from pxrdgen_generators.paths import AtomPath
from pxrdgen_learning.training.batch import TrainingBatch

#: images summed on either side; enough for sigma up to 0.5.
_IMAGES = 4
#: sigmas at which the mean square of the score is tabulated.
_TABLE = 256


@final
@dataclass(frozen=True, kw_only=True)
class WrappedNormalPath(AtomPath):
    """l(t) = sigma(t) / sigma_max with sigma(t) = sigma_max^(1-t) sigma_min^t, around the data as they are."""

    sigma_min: float = 0.005
    sigma_max: float = 0.5

    def times(self, count: int, rng: torch.Generator) -> Tensor:
        """See :meth:`AtomPath.times`; uniform."""
        return torch.rand(count, generator=rng, device=rng.device)

    def level(self, t: Tensor) -> Tensor:
        """See :meth:`AtomPath.level`."""
        return (self.sigma_min / self.sigma_max) ** t

    def sigma(self, t: Tensor) -> Tensor:
        """Width of the noise in fractions of the cell."""
        return self.sigma_max * self.level(t)

    def pair(self, batch: TrainingBatch, rng: torch.Generator) -> Coupled:
        """See :meth:`AtomPath.pair`; nothing is coupled."""
        clean, basis = batch.crystals.frac_coords, batch.crystals.basis
        return Coupled(clean=clean, displacement=self._noise(clean.shape, rng, clean.dtype) @ basis)

    def noise(self, shape: torch.Size, basis: Tensor, length: Tensor, rng: torch.Generator) -> Tensor:
        """Gaussian with the widest sigma in fractions of the cell."""
        return self._noise(shape, rng, length.dtype) @ basis

    def target(self, pair: Coupled, t: Tensor, basis: Tensor, length: Tensor) -> Tensor:
        """-score over its root mean square, its mean over the atoms taken out."""
        del length
        sigma = self.sigma(t)[:, None, None]
        x = to_fractional(pair.displacement, basis) * self.level(t)[:, None, None]
        descent = _descent(x, sigma) / _root_mean_square(sigma, self.sigma_min, self.sigma_max)
        return descent - descent.mean(dim=1, keepdim=True)

    def offset(self, estimate: Tensor, t: Tensor, basis: Tensor, length: Tensor) -> Tensor:
        """-sigma^2 score: what is left to the data on average (Tweedie)."""
        del basis, length
        sigma = self.sigma(t)[:, None, None]
        return sigma**2 * _root_mean_square(sigma, self.sigma_min, self.sigma_max) * estimate

    def _noise(self, shape: torch.Size, rng: torch.Generator, dtype: torch.dtype) -> Tensor:
        return self.sigma_max * torch.randn(shape, generator=rng, dtype=dtype, device=rng.device)


def _descent(x: Tensor, sigma: Tensor) -> Tensor:
    """-d/dx ln sum_k exp(-(x + k)^2 / (2 sigma^2)) for displacements in fractions."""
    x = x - torch.round(x)
    shifted = x[..., None] + torch.arange(-_IMAGES, _IMAGES + 1, dtype=x.dtype, device=x.device)
    weights = torch.softmax(-0.5 * (shifted / sigma[..., None]) ** 2, dim=-1)
    total: Tensor = (weights * shifted).sum(-1) / sigma**2
    return total


def _root_mean_square(sigma: Tensor, lowest: float, highest: float) -> Tensor:
    """sqrt(E score^2) at ``sigma``, interpolated in a table over the logarithm of sigma."""
    table = _score_table_on(lowest, highest, sigma.dtype, sigma.device)
    place = (sigma / lowest).log() / math.log(highest / lowest) * (_TABLE - 1)
    left = place.floor().clamp(0, _TABLE - 2)
    share = place - left
    index = left.long()
    return torch.exp(table[index] * (1 - share) + table[index + 1] * share)


@functools.lru_cache(maxsize=32)
def _score_table_on(lowest: float, highest: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    return _score_table(lowest, highest).to(dtype=dtype, device=device)


@functools.cache
def _score_table(lowest: float, highest: float) -> Tensor:
    """[_TABLE] ln sqrt(E score^2), by the midpoint rule over half a period."""
    sigma = torch.exp(torch.linspace(math.log(lowest), math.log(highest), _TABLE, dtype=torch.float64))[:, None]
    x = (torch.arange(2_000, dtype=torch.float64)[None] + 0.5) / 4_000  # of an even function
    shifts = torch.arange(-_IMAGES, _IMAGES + 1, dtype=torch.float64)
    density = torch.exp(-0.5 * ((x[..., None] + shifts) / sigma[..., None]) ** 2).sum(-1)
    score = _descent(x.expand(_TABLE, -1), sigma)
    mean_square = (density * score**2).sum(-1) / density.sum(-1)
    return 0.5 * mean_square.log()
