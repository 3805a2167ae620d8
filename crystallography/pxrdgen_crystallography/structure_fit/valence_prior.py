"""What it costs that valences of atoms do not sum to their oxidation numbers.

Noise, texture and overlap let wrong arrangements fit a measured pattern as well as the right one; hardly any of them
gives every cation its valence. With e the sum of an atom's bond valences less its oxidation number, an atom costs

    rho(e) = (NU + 1) ln(1 + e^2 / (NU SPREAD^2)),

twice the negative logarithm of Student's distribution: unusual chemistry costs little more than odd chemistry. Where
hydrogen is not seen anions may lack valence, not exceed it. Bonds: :mod:`pxrdgen_crystallography.bond_valence`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.bond_valence import REACH, SOFTNESS, bond_lengths
from pxrdgen_crystallography.structure_fit.orbit_model import OrbitMap

#: degrees of freedom and spread, valence units: of the finalists of 46 training crystals of 14-40 atoms (perturbed) the
#: right ones have an error above 1 in 2 % of their orbits and the wrong ones in 23 %, below 0.1 in 43 and 13 %.
NU, SPREAD = 3.0, 0.5
#: A; a bond shorter than usual by more than this has the valence of one shorter by this: contacts see to the rest.
SHORTEST = 0.35


class Bonds:
    """The pairs of atoms of opposite sign of a target and their valence at a distance.

    Args:
        species: [N] atomic numbers.
        valence: [N] oxidation numbers, all zero where none are known.
        basis: [3, 3].
    """

    def __init__(self, species: Tensor, valence: Tensor, basis: Tensor) -> None:
        numbers = valence.double().numpy()
        self.basis = basis.float()
        self.valence = valence.float().abs()
        self.may_lack = (valence < 0) & bool((species == 1).any() or abs(float(valence.sum())) > 1e-3)
        self.bonded = (valence[:, None] * valence[None, :] < 0) & (species[:, None] > 1) & (species[None, :] > 1)
        self.counted = (species > 1) & (valence != 0)
        lengths = bond_lengths(species.numpy(), numbers) if bool(self.bonded.any()) else np.zeros((1, 1))
        self.length = torch.as_tensor(lengths, dtype=torch.float32)
        self.images = images_within_reach(self.basis)

    def strengths(self, vector: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Valence [M, Q] of pairs a fractional ``vector`` [M, Q, 3] apart, and its derivative by it [M, Q, 3]."""
        nearest = (vector - torch.round(vector)) @ self.basis
        apart = nearest[..., None, :] + self.images
        distance = torch.linalg.vector_norm(apart, dim=-1)
        short = length[:, None] - SHORTEST
        # what a bond has at the reach is taken off, so that none jumps as it comes into it
        least = torch.exp((length[:, None] - REACH) / SOFTNESS)
        bond = torch.exp((length[:, None] - distance.maximum(short)) / SOFTNESS)
        bonded = (distance > short) & (distance < REACH)
        slope = torch.where(bonded, -bond / (SOFTNESS * distance.clamp_min(0.05)), 0.0)
        return (bond - least).clamp_min(0.0).sum(-1), (slope[..., None] * apart).sum(-2) @ self.basis.transpose(0, 1)

    def cost(self, error: Tensor, may_lack: Tensor) -> tuple[Tensor, Tensor]:
        """rho [M, C] of errors [M, C], and the weight of e de in half its derivative."""
        error = torch.where(may_lack, error.clamp_min(0.0), error)
        cost = (NU + 1.0) * torch.log1p(error**2 / (NU * SPREAD**2))
        return cost, torch.where(may_lack & (error <= 0), 0.0, (NU + 1.0) / (NU * SPREAD**2 + error**2))


class ValencePenalty:
    """The mean of rho over the atoms of arrangements [M, N, 3]."""

    def __init__(self, species: Tensor, valence: Tensor, basis: Tensor) -> None:
        self._bonds = Bonds(species, valence, basis)
        cations = (self._bonds.counted & (valence > 0)).nonzero().squeeze(1)
        anions = (self._bonds.counted & (valence < 0)).nonzero().squeeze(1)
        self._first, self._second = cations.repeat_interleave(len(anions)), anions.repeat(len(cations))
        self._length = self._bonds.length[self._first, self._second] if self._first.numel() else torch.zeros(0)
        self._atoms = int(species.numel())

    def mean_cost(self, frac_coords: Tensor) -> Tensor:
        """[M] mean of rho over the atoms."""
        if self._first.numel() == 0:
            return frac_coords.new_zeros(frac_coords.shape[0])
        strength, _ = self._bonds.strengths(self._apart(frac_coords), self._length)
        cost, _ = self._cost(self._error(strength))
        return cost.sum(1) / self._atoms

    def value_and_normal(self, frac_coords: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean cost [M], Gauss-Newton matrix [M, 3N, 3N], gradient [M, 3N] of half of it."""
        count, atoms, _ = frac_coords.shape
        if self._first.numel() == 0:
            empty = frac_coords.new_zeros(count, 3 * atoms)
            return empty.sum(1), frac_coords.new_zeros(count, 3 * atoms, 3 * atoms), empty
        strength, slope = self._bonds.strengths(self._apart(frac_coords), self._length)
        error = self._error(strength)
        cost, weight = self._cost(error)
        # derivative of each atom's error by every coordinate: a pair moves both its atoms and counts for both
        derivative = frac_coords.new_zeros(count, atoms, atoms, 3)
        derivative[:, self._first, self._second] = slope
        derivative[:, self._second, self._first] = -slope
        diagonal = torch.arange(atoms)
        derivative[:, diagonal, diagonal] = -derivative.sum(2)
        derivative = derivative.reshape(count, atoms, 3 * atoms)
        share = 1.0 / self._atoms
        weighted = derivative * (share * weight)[..., None]
        gradient = (weighted * error[..., None]).sum(1)
        return share * cost.sum(1), weighted.transpose(1, 2) @ derivative, gradient

    def _apart(self, frac_coords: Tensor) -> Tensor:
        return frac_coords[:, self._second] - frac_coords[:, self._first]

    def _error(self, strength: Tensor) -> Tensor:
        sums = strength.new_zeros(strength.shape[0], self._atoms)
        sums = sums.index_add(1, self._first, strength).index_add(1, self._second, strength)
        return sums - self._bonds.valence

    def _cost(self, error: Tensor) -> tuple[Tensor, Tensor]:
        cost, weight = self._bonds.cost(error, self._bonds.may_lack)
        return cost * self._bonds.counted, weight * self._bonds.counted


class OrbitValences:
    """The mean of :class:`ValencePenalty`, looked at from one atom of each orbit, by its free coordinates."""

    def __init__(self, target: IntensityTarget, orbits: OrbitMap) -> None:
        self._bonds = Bonds(target.species, target.valence, target.basis)
        first = orbits.first_atoms
        first = first[self._bonds.counted[first]]
        centre, other = self._bonds.bonded[first].nonzero(as_tuple=True)
        own = first[centre]
        self._centre, self._length = centre, self._bonds.length[own, other] if own.numel() else torch.zeros(0)
        self._valence, self._may_lack = self._bonds.valence[first], self._bonds.may_lack[first]
        sizes = torch.bincount(orbits.orbit)[orbits.orbit[first]].float()
        self._share = sizes / int(target.species.numel())
        self._along = orbits.linear[other] - orbits.linear[own]
        self._constant = orbits.constant[other] - orbits.constant[own]

    def value_and_normal(self, free: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean cost [M], Gauss-Newton matrix [M, P, P] and gradient [M, P] of half of it."""
        count, freedom = free.shape
        if self._centre.numel() == 0:
            return free.new_zeros(count), free.new_zeros(count, freedom, freedom), free.new_zeros(count, freedom)
        vector = torch.einsum("qip,mp->mqi", self._along, free) + self._constant
        strength, slope = self._bonds.strengths(vector, self._length)
        error = strength.new_zeros(count, len(self._valence)).index_add(1, self._centre, strength) - self._valence
        cost, weight = self._bonds.cost(error, self._may_lack)
        penalty = (self._share * cost).sum(1)
        if freedom == 0:
            return penalty, free.new_zeros(count, 0, 0), free.new_zeros(count, 0)
        by_free = torch.einsum("mqi,qip->mqp", slope, self._along)
        derivative = by_free.new_zeros(count, len(self._valence), freedom).index_add(1, self._centre, by_free)
        weighted = derivative * (self._share * weight)[..., None]
        return penalty, weighted.transpose(1, 2) @ derivative, (weighted * error[..., None]).sum(1)


def images_within_reach(basis: Tensor) -> Tensor:
    """[I, 3] translations in A whose images of a nearest neighbour may still be bonded."""
    heights = 1.0 / torch.linalg.vector_norm(torch.linalg.inv(basis.double()), dim=0)
    steps = [torch.tensor([-1.0, 0.0, 1.0]) if float(height) < 2.0 * REACH else torch.zeros(1) for height in heights]
    return torch.cartesian_prod(*steps).reshape(-1, 3) @ basis
