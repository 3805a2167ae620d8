"""How close pairs of elements usually come in crystals, and a penalty on coming closer.

The shipped table is the only thing this module knows of chemistry: the 5 % quantile, over training crystals, of the
shortest contact of each pair of elements. X-rays alone place light atoms badly; this keeps them off their neighbours.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib import resources

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.structure_fit.orbit_model import OrbitMap
from pxrdgen_crystallography.symmetry.contacts import covalent_radii

#: crystals that a pair's fallback estimate counts as.
FALLBACK_WEIGHT = 6.0
#: covalent radii are joined by this factor where a pair was never seen.
FALLBACK_FACTOR = 0.95
#: one contact at (1 - x) of the usual raises misfit^2 by (STRENGTH x)^2.
STRENGTH = 0.35
#: penalty of one contact at half the usual distance.
SEVERE = 0.03


@lru_cache(maxsize=1)
def _table() -> dict[tuple[int, int], tuple[int, float]]:
    text = resources.files("pxrdgen_crystallography").joinpath("data/shortest_contacts.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {
        (int(row["atomic_number_1"]), int(row["atomic_number_2"])): (int(row["crystals"]), float(row["q05"]))
        for row in rows
    }


def usual_contacts(elements: NDArray[np.int64]) -> NDArray[np.float64]:
    """[E, E] distances in A that pairs of ``elements`` [E] (atomic numbers) rarely come below."""
    radius = covalent_radii()
    result = np.zeros((elements.size, elements.size))
    for i, first in enumerate(elements.tolist()):
        for j, second in enumerate(elements.tolist()):
            fallback = FALLBACK_FACTOR * float(radius[first] + radius[second])
            count, quantile = _table().get((min(first, second), max(first, second)), (0, fallback))
            result[i, j] = (count * quantile + FALLBACK_WEIGHT * fallback) / (count + FALLBACK_WEIGHT)
    return result


class ContactPenalty:
    """Sum over pairs of (STRENGTH (1 - d / d0))^2 for distances d below the usual d0; nearest image of each pair."""

    def __init__(self, species: Tensor, basis: Tensor) -> None:
        elements, index = torch.unique(species, return_inverse=True)
        usual = torch.as_tensor(usual_contacts(elements.numpy()), dtype=torch.float32)[index][:, index]
        first, second = torch.triu_indices(species.numel(), species.numel(), offset=1)
        self._first, self._second = first, second
        self._usual = usual[first, second]
        self._basis = basis.float()
        steps = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0])] * 3)
        self._images = steps @ self._basis

    def value(self, frac_coords: Tensor) -> Tensor:
        """[M] penalty of arrangements [M, N, 3], in units of misfit^2; every neighbouring image is looked at."""
        if self._first.numel() == 0:
            return frac_coords.new_zeros(frac_coords.shape[0])
        vector = self._vectors(frac_coords)
        distance = torch.linalg.vector_norm(vector[:, :, None] + self._images, dim=-1).amin(dim=-1)
        overlap: Tensor = (STRENGTH * (1.0 - distance / self._usual)).clamp_min(0.0)
        return (overlap**2).sum(dim=1)

    def value_and_normal(self, frac_coords: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Penalty [M], Gauss-Newton matrix [M, 3N, 3N], gradient [M, 3N] of half the penalty; rounded images only."""
        count, atoms, _ = frac_coords.shape
        matrix = frac_coords.new_zeros(count, atoms, atoms, 3, 3)
        gradient = frac_coords.new_zeros(count, atoms, 3)
        if self._first.numel() == 0:
            return gradient.sum((1, 2)), matrix.reshape(count, 3 * atoms, 3 * atoms), gradient.reshape(count, -1)
        vector = self._vectors(frac_coords)
        distance = torch.linalg.vector_norm(vector, dim=-1).clamp_min(0.05)
        overlap = STRENGTH * (1.0 - distance / self._usual)
        active = overlap > 0
        overlap = torch.where(active, overlap, torch.zeros_like(overlap))
        # d(overlap)/d(first atom), fractional coordinates
        slope = -STRENGTH * (vector / (distance * self._usual)[..., None]) @ self._basis.transpose(0, 1)
        slope = slope * active[..., None]
        pull = overlap[..., None] * slope
        gradient.index_add_(1, self._first, pull).index_add_(1, self._second, -pull)
        block = slope[..., :, None] * slope[..., None, :]
        matrix[:, self._first, self._second] = -block
        matrix[:, self._second, self._first] = -block
        own = frac_coords.new_zeros(count, atoms, 3, 3)
        own.index_add_(1, self._first, block).index_add_(1, self._second, block)
        diagonal = torch.arange(atoms)
        matrix[:, diagonal, diagonal] = own
        flat = matrix.permute(0, 1, 3, 2, 4).reshape(count, 3 * atoms, 3 * atoms)
        return (overlap**2).sum(1), flat, gradient.reshape(count, -1)

    def _vectors(self, frac_coords: Tensor) -> Tensor:
        difference = frac_coords[:, self._first] - frac_coords[:, self._second]
        return (difference - torch.round(difference)) @ self._basis


class OrbitContacts:
    """The penalty of :class:`ContactPenalty`, looked at from one atom of each orbit.

    sum over orbits of multiplicity / 2 times the penalty of its first atom's contacts, nearest image of each neighbour.
    """

    def __init__(self, target: IntensityTarget, orbits: OrbitMap) -> None:
        usual = torch.as_tensor(usual_contacts(target.elements.numpy()), dtype=torch.float32)
        usual = usual[target.element_of][:, target.element_of]
        atoms = int(target.species.numel())
        first = orbits.first_atoms
        sizes = torch.bincount(orbits.orbit)
        own = first.repeat_interleave(atoms)
        other = torch.arange(atoms).repeat(len(first))
        kept = own != other
        own, other = own[kept], other[kept]
        self._weight = (0.5 * sizes[orbits.orbit[own]]).float()
        self._usual = usual[own, other]
        basis = target.basis.float()
        self._basis = basis
        self._along = orbits.linear[own] - orbits.linear[other]
        self._apart = orbits.constant[own] - orbits.constant[other]
        self._moves = torch.einsum("qip,ij->qjp", self._along, basis)

    def value_and_normal(self, free: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Penalty [M], Gauss-Newton matrix [M, P, P] and gradient [M, P] of half the penalty."""
        count, freedom = free.shape
        if self._usual.numel() == 0:
            return free.new_zeros(count), free.new_zeros(count, freedom, freedom), free.new_zeros(count, freedom)
        vector = torch.einsum("qip,mp->mqi", self._along, free) + self._apart
        vector = (vector - torch.round(vector)) @ self._basis
        distance = torch.linalg.vector_norm(vector, dim=-1).clamp_min(0.05)
        overlap = (STRENGTH * (1.0 - distance / self._usual)).clamp_min(0.0)
        penalty = (self._weight * overlap**2).sum(1)
        if freedom == 0:
            return penalty, free.new_zeros(count, 0, 0), free.new_zeros(count, 0)
        row, pair = overlap.nonzero(as_tuple=True)
        slope = -STRENGTH * vector[row, pair] / (distance[row, pair] * self._usual[pair])[:, None]
        slope = (slope[:, None, :] @ self._moves[pair]).squeeze(1) * self._weight[pair, None].sqrt()
        pull = slope * (overlap[row, pair] * self._weight[pair].sqrt())[:, None]
        gradient = free.new_zeros(count, freedom).index_add_(0, row, pull)
        blocks = (slope[:, :, None] * slope[:, None, :]).view(-1, freedom * freedom)
        matrix = free.new_zeros(count, freedom * freedom).index_add_(0, row, blocks)
        return penalty, matrix.view(count, freedom, freedom), gradient


def with_contacts(squared: float, penalty: float) -> float:
    """A squared misfit m that close contacts of penalty p raise: m + m p / (m + p) + p^2 / ``SEVERE``.

    Of structures that fit alike the one without close contacts wins. A contact somewhat closer than usual less than
    doubles m, so that a structure that fits far better wins in spite of it, for such contacts do occur; atoms on top of
    each other never win.
    """
    return squared + squared * penalty / max(squared + penalty, 1e-30) + penalty**2 / SEVERE
