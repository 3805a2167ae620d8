"""The path between noise and data that a flow learns to follow.

Time runs from t = 0 (noise) to t = 1 (data). A displacement always points from the data to the noise:
x_t = x_1 + (1 - t) d, so that dx/dt = -d and the data are x_1 = x_t - (1 - t) d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pxrdgen_generators.manifolds import to_fractional, wrap


def coupled_variance(num_atoms: int) -> float:
    """Variance per axis of a coupled displacement over (V / n)^(2/3).

    Measured with the symmetry-aware coupling of 64 choices: few atoms find each other easily.
    """
    return max(0.02, 0.0757 * math.log(num_atoms) - 0.027)


@dataclass(frozen=True, kw_only=True)
class LinearPath:
    """Straight lines on the torus; displacements are scaled to about unit variance for the network.

    Args:
        early: exponent e of the density of training times, p(t) ~ (1 - t)^(e - 1); 1 is uniform.
    """

    early: float = 1.5

    def times(self, count: int, rng: torch.Generator) -> Tensor:
        """[count] training times."""
        return 1.0 - (1.0 - torch.rand(count, generator=rng)) ** (1.0 / self.early)

    def state(self, clean: Tensor, displacement: Tensor, t: Tensor, basis: Tensor) -> Tensor:
        """x_t [B, n, 3] from clean coordinates, Cartesian displacements (A) and t [B]."""
        return wrap(clean + (1.0 - t)[:, None, None] * to_fractional(displacement, basis))

    def clean(self, state: Tensor, displacement: Tensor, t: Tensor, basis: Tensor) -> Tensor:
        """x_1 from x_t and the displacement (A): the inverse of :meth:`state`."""
        return wrap(state - (1.0 - t)[:, None, None] * to_fractional(displacement, basis))

    def scale(self, length: Tensor, num_atoms: int) -> Tensor:
        """[B, 1, 1] A per unit of network output, from (V / n)^(1/3) [B]."""
        unit: Tensor = length * coupled_variance(num_atoms) ** 0.5
        return unit[:, None, None]

    def noise(self, shape: torch.Size, length: Tensor, rng: torch.Generator) -> Tensor:
        """Gaussian displacements [B, n, 3] (A) of mean zero over the atoms, distributed like coupled ones."""
        spread = (shape[1] / max(shape[1] - 1, 1)) ** 0.5  # what taking out the mean will cost
        noise = torch.randn(shape, generator=rng, dtype=length.dtype) * self.scale(length, shape[1]) * spread
        centred: Tensor = noise - noise.mean(dim=1, keepdim=True)
        return centred
