"""Which noise goes with which crystal: the target of a flow is only as clear as this choice.

A powder pattern fixes a crystal up to its origin, inversion, the rotations of its lattice and the order of equal
atoms. A coupling picks the image of the crystal that lies close to the noise, so that the network need not average
over the others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from pxrdgen_generators.assignment import FORBIDDEN, assign
from pxrdgen_generators.manifolds import log_map, minimum_image


@dataclass(frozen=True, kw_only=True)
class Uncoupled:
    """B crystals of n atoms, and noise that has nothing to do with them yet.

    Args:
        clean, noise: [B, n, 3] fractional coordinates.
        species: [B, n] atomic numbers.
        basis: [B, 3, 3] rows a, b, c, A.
        rotations: [B, R, 3, 3] that map each lattice onto itself.
        rotation_count: [B] how many of them are in use, from the first.
    """

    clean: Tensor
    noise: Tensor
    species: Tensor
    basis: Tensor
    rotations: Tensor
    rotation_count: Tensor

    @property
    def same(self) -> Tensor:
        """[B, n, n] whether two atoms are of one element."""
        return self.species[:, :, None] == self.species[:, None, :]


@dataclass(frozen=True, kw_only=True)
class Coupled:
    """Clean coordinates [B, n, 3] and displacements to the noise [B, n, 3] (A, Cartesian, mean zero)."""

    clean: Tensor
    displacement: Tensor


class Coupling(ABC):
    """Pairs noise with an equivalent image of the data."""

    @abstractmethod
    def pair(self, uncoupled: Uncoupled, rng: torch.Generator) -> Coupled:
        """An image of each crystal, and how far it is to the noise."""


@dataclass(frozen=True, kw_only=True)
class NoCoupling(Coupling):
    """The data as they are, as published; only the mean displacement is taken out."""

    def pair(self, uncoupled: Uncoupled, rng: torch.Generator) -> Coupled:
        """See :meth:`Coupling.pair`."""
        del rng
        clean = uncoupled.clean
        return Coupled(clean=clean, displacement=_displacement(clean, uncoupled.noise, uncoupled.basis))


@dataclass(frozen=True, kw_only=True)
class AssignmentCoupling(Coupling):
    """Equal atoms exchanged so that the displacements are shortest; nothing else moves."""

    def pair(self, uncoupled: Uncoupled, rng: torch.Generator) -> Coupled:
        """See :meth:`Coupling.pair`."""
        del rng
        clean, noise, basis = uncoupled.clean, uncoupled.noise, uncoupled.basis
        order = assign(_costs(clean[:, None], uncoupled))[:, 0]
        permuted = clean.gather(1, order[..., None].expand_as(clean))
        return Coupled(clean=permuted, displacement=_displacement(permuted, noise, basis))


@dataclass(frozen=True, kw_only=True)
class SymmetryAwareCoupling(Coupling):
    """The cheapest of many images under origin shifts, inversion, lattice rotations and permutations.

    Args:
        choices: random images tried; each puts one atom on a noise atom of its element.
        assigned: images, best by a lower bound of their cost, for which the assignment is solved exactly.
    """

    choices: int = 64
    assigned: int = 8

    def pair(self, uncoupled: Uncoupled, rng: torch.Generator) -> Coupled:
        """See :meth:`Coupling.pair`."""
        moved = self._images(uncoupled, rng)
        costs = _costs(moved, uncoupled)
        bound = torch.maximum(costs.amin(dim=3).sum(dim=2), costs.amin(dim=2).sum(dim=2))
        best = torch.topk(bound, min(self.assigned, self.choices), dim=1, largest=False).indices
        rows = torch.arange(len(moved), device=moved.device)[:, None]
        moved, costs = moved[rows, best], costs[rows, best]
        order = assign(costs)
        permuted = moved.gather(2, order[..., None].expand(-1, -1, -1, 3))
        displacement = _displacement(permuted, uncoupled.noise[:, None], uncoupled.basis)
        chosen = (displacement**2).sum(dim=(2, 3)).argmin(dim=1)
        return Coupled(clean=permuted[rows[:, 0], chosen], displacement=displacement[rows[:, 0], chosen])

    def _images(self, uncoupled: Uncoupled, rng: torch.Generator) -> Tensor:
        """[B, K, n, 3] images of the crystals after a random rotation, sign and shift."""
        clean = uncoupled.clean
        batch, size = clean.shape[:2]
        device, rows = rng.device, torch.arange(batch, device=rng.device)[:, None]
        pick = (
            torch.rand(batch, self.choices, generator=rng, device=device) * uncoupled.rotation_count[:, None]
        ).long()
        sign = torch.randint(0, 2, (batch, self.choices, 1, 1), generator=rng, device=device).to(clean.dtype) * 2 - 1
        chosen = uncoupled.rotations[rows, pick].to(clean.dtype)
        moved = sign * (clean[:, None] @ chosen)
        atom = torch.randint(0, size, (batch, self.choices), generator=rng, device=device)
        keys = torch.rand(batch, self.choices, size, generator=rng, device=device)
        allowed = uncoupled.same[rows, atom]
        partner = torch.where(allowed, keys, -1.0).argmax(dim=2)
        start = moved.gather(2, atom[..., None, None].expand(-1, -1, 1, 3))
        end = uncoupled.noise[rows, partner][:, :, None]
        return moved + (end - start)


def _costs(moved: Tensor, uncoupled: Uncoupled) -> Tensor:
    """[B, K, noise atom, image atom] squared distances, A^2, from ``moved`` [B, K, n, 3]; large between elements."""
    batch, choices, size = moved.shape[:3]
    difference = log_map(moved[:, :, None, :, :], uncoupled.noise[:, None, :, None, :])
    cartesian = difference.reshape(batch, -1, 3) @ uncoupled.basis
    squared = (cartesian * cartesian).sum(-1).reshape(batch, choices, size, size)
    return squared.masked_fill_(~uncoupled.same[:, None], FORBIDDEN)


def _displacement(image: Tensor, noise: Tensor, basis: Tensor) -> Tensor:
    """[..., n, 3] from an image to the noise, A, its mean over the atoms taken out."""
    displacement = minimum_image(noise - image, basis)
    return displacement - displacement.mean(dim=-2, keepdim=True)
