"""Random arrangements of an assignment: orbit after orbit, heavy elements first, each where it crowds nobody."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.structure_fit.contact_prior import usual_contacts
from pxrdgen_crystallography.structure_fit.orbit_model import OrbitMap

#: places tried for each orbit of each arrangement.
TRIALS = 12
#: atoms may come this much closer than the usual shortest contact of their elements.
CLOSEST = 0.85


class Drawing:
    """Draws free coordinates for one assignment.

    Args:
        target: cell and atoms.
        orbits: coordinates from free coordinates.
        freedoms: free coordinates of each orbit, in the order of their columns.
    """

    def __init__(self, target: IntensityTarget, orbits: OrbitMap, freedoms: tuple[int, ...]) -> None:
        self._orbits, self._freedoms = orbits, freedoms
        self._element_of, self._basis = target.element_of, target.basis.float()
        usual = torch.as_tensor(usual_contacts(target.elements.numpy()), dtype=torch.float32)
        self._closest = CLOSEST * usual
        steps = torch.tensor(list(product((-1.0, 0.0, 1.0), repeat=3)))
        self._images = steps @ self._basis
        heavy = [int(target.elements[e]) for e in target.element_of]
        first = [int((orbits.orbit == number).nonzero()[0, 0]) for number in range(len(freedoms))]
        # fixed orbits first, since they have no choice; then the heavy ones, which the pattern sees
        self._order = sorted(range(len(freedoms)), key=lambda o: (freedoms[o] > 0, -heavy[first[o]]))
        ends = torch.tensor(freedoms).cumsum(0).tolist()
        self._columns = [slice(end - size, end) for end, size in zip(ends, freedoms, strict=True)]

    def draw(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Free coordinates [count, P], and how badly the atoms of each overlap [count], 0 for not at all."""
        return self.complete(torch.zeros(count, self._orbits.freedom), self._order, rng)

    def redraw(self, free: Tensor, orbit: int, rng: torch.Generator) -> Tensor:
        """Arrangements [M, P] with one orbit placed anew among the others."""
        order = [*(number for number in self._order if number != orbit), orbit]
        return self.complete(free, order, rng, keep=len(order) - 1)[0]

    def complete(self, free: Tensor, order: list[int], rng: torch.Generator, keep: int = 0) -> tuple[Tensor, Tensor]:
        """Place the orbits in ``order``, the first ``keep`` of them where ``free`` has them already."""
        count = free.shape[0]
        free = free.clone()
        crowding = torch.zeros(count)
        placed: list[Tensor] = []
        rows = torch.arange(count)
        for rank, orbit in enumerate(order):
            atoms = (self._orbits.orbit == orbit).nonzero().squeeze(1)
            columns = self._columns[orbit]
            trials = 1 if rank < keep or self._freedoms[orbit] == 0 else TRIALS
            tried = free[:, None, columns].expand(count, trials, -1)
            if trials > 1:
                tried = torch.rand(count, trials, self._freedoms[orbit], generator=rng)
            places = torch.einsum("nif,mtf->mtni", self._orbits.linear[atoms][:, :, columns], tried)
            places = places + self._orbits.constant[atoms]
            overlap = self._overlap(places, atoms, placed)
            best = overlap.argmin(dim=1)
            free[:, columns] = tried[rows, best]
            crowding += overlap[rows, best]
            placed.append(places[rows, best])
            self._placed_atoms = atoms if rank == 0 else torch.cat([self._placed_atoms, atoms])
        return free, crowding

    def _overlap(self, places: Tensor, atoms: Tensor, placed: list[Tensor]) -> Tensor:
        """[M, T] sum over the contacts of an orbit's first atom of (1 - d / closest)^2, where they are too close."""
        first = places[:, :, :1]
        element = self._element_of[atoms[0]]
        others, closest = places[:, :, 1:], self._closest[element, element].expand(len(atoms) - 1)
        total = self._sum(first - others, closest)
        if placed:
            before = torch.cat(placed, dim=1)
            closest = self._closest[element, self._element_of[self._placed_atoms]]
            total = total + len(atoms) * self._sum(first - before[:, None], closest)
        return total

    def _sum(self, apart: Tensor, closest: Tensor) -> Tensor:
        if apart.shape[2] == 0:
            return apart.new_zeros(apart.shape[:2])
        vector = (apart - torch.round(apart)) @ self._basis
        squared = (vector**2).sum(-1, keepdim=True) + 2.0 * vector @ self._images.T + (self._images**2).sum(-1)
        distance = squared.amin(dim=-1).clamp_min(0.0).sqrt()
        return ((1.0 - distance / closest).clamp_min(0.0) ** 2).sum(-1)
