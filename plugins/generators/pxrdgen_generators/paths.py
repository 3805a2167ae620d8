"""Paths between noise and data for atoms on the torus.

Time runs from t = 0 (noise) to t = 1 (data). A displacement always points from the data to the noise, and all paths
are x_t = x_1 + l(t) d with a level l that falls from 1; they differ in the level, in where d comes from, and in what
the network is asked for.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from pxrdgen_generators.coupling import Coupled, Coupling, Uncoupled
from pxrdgen_generators.manifolds import to_fractional, wrap
from pxrdgen_learning.training.batch import TrainingBatch


def coupled_variance(num_atoms: int) -> float:
    """Variance per axis of a coupled displacement over (V / n)^(2/3).

    Measured with the symmetry-aware coupling of 64 choices: few atoms find each other easily.
    """
    return max(0.02, 0.0757 * math.log(num_atoms) - 0.027)


class AtomPath(ABC):
    """States between noise and data, and what a network says about them."""

    @abstractmethod
    def times(self, count: int, rng: torch.Generator) -> Tensor:
        """[count] training times."""

    @abstractmethod
    def level(self, t: Tensor) -> Tensor:
        """l(t): 1 at t = 0."""

    @abstractmethod
    def pair(self, batch: TrainingBatch, rng: torch.Generator) -> Coupled:
        """Clean coordinates, possibly an equivalent image, and the displacement (A) that belongs to them."""

    @abstractmethod
    def noise(self, shape: torch.Size, basis: Tensor, length: Tensor, rng: torch.Generator) -> Tensor:
        """Displacements [B, n, 3] (A) as :meth:`pair` draws them, for cells ``basis`` and (V / n)^(1/3) [B]."""

    @abstractmethod
    def target(self, pair: Coupled, t: Tensor, basis: Tensor, length: Tensor) -> Tensor:
        """[B, n, 3] what the network is to say, of variance about 1 and mean zero over the atoms."""

    @abstractmethod
    def offset(self, estimate: Tensor, t: Tensor, basis: Tensor, length: Tensor) -> Tensor:
        """[B, n, 3] x_t - x_1 in fractions, from the network's estimate of :meth:`target`."""

    @final
    def state(self, clean: Tensor, displacement: Tensor, t: Tensor, basis: Tensor) -> Tensor:
        """x_t [B, n, 3] from clean coordinates, displacements (A) and t [B]."""
        return wrap(clean + self.level(t)[:, None, None] * to_fractional(displacement, basis))


@final
@dataclass(frozen=True, kw_only=True)
class LinearPath(AtomPath):
    """Straight lines, l = 1 - t, between uniform noise and the data; the network is asked for d.

    Args:
        coupling: which noise goes with which crystal.
        early: exponent e of the density of training times, p(t) ~ (1 - t)^(e - 1); 1 is uniform.
    """

    coupling: Coupling
    early: float = 1.5

    def times(self, count: int, rng: torch.Generator) -> Tensor:
        """See :meth:`AtomPath.times`."""
        return 1.0 - (1.0 - torch.rand(count, generator=rng, device=rng.device)) ** (1.0 / self.early)

    def level(self, t: Tensor) -> Tensor:
        """See :meth:`AtomPath.level`."""
        return 1.0 - t

    def pair(self, batch: TrainingBatch, rng: torch.Generator) -> Coupled:
        """See :meth:`AtomPath.pair`."""
        crystals = batch.crystals
        uncoupled = Uncoupled(
            clean=crystals.frac_coords,
            noise=torch.rand(crystals.frac_coords.shape, generator=rng, device=rng.device),
            species=crystals.species,
            basis=crystals.basis,
            rotations=batch.rotations,
            rotation_count=batch.rotation_count,
        )
        return self.coupling.pair(uncoupled, rng)

    def noise(self, shape: torch.Size, basis: Tensor, length: Tensor, rng: torch.Generator) -> Tensor:
        """Gaussian, of mean zero over the atoms, as large as coupled displacements are."""
        del basis
        spread = (shape[1] / max(shape[1] - 1, 1)) ** 0.5  # what taking out the mean will cost
        noise = torch.randn(shape, generator=rng, dtype=length.dtype, device=rng.device)
        noise = noise * _unit(length, shape[1]) * spread
        centred: Tensor = noise - noise.mean(dim=1, keepdim=True)
        return centred

    def target(self, pair: Coupled, t: Tensor, basis: Tensor, length: Tensor) -> Tensor:
        """d in units of the root of :func:`coupled_variance`."""
        del t, basis
        return pair.displacement / _unit(length, pair.clean.shape[1])

    def offset(self, estimate: Tensor, t: Tensor, basis: Tensor, length: Tensor) -> Tensor:
        """See :meth:`AtomPath.offset`."""
        displacement = estimate * _unit(length, estimate.shape[1])
        return self.level(t)[:, None, None] * to_fractional(displacement, basis)


def _unit(length: Tensor, num_atoms: int) -> Tensor:
    """[B, 1, 1] A per unit of network output, from (V / n)^(1/3) [B]."""
    unit: Tensor = length * coupled_variance(num_atoms) ** 0.5
    return unit[:, None, None]
