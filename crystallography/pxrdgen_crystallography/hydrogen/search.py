"""The lowest energy of all hydrogen atoms together: the best orientation at each donor in turn, then descent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from pxrdgen_crystallography.hydrogen.energy import Site, hydrogen_energy, hydrogen_slope
from pxrdgen_crystallography.hydrogen.site_symmetry import Orbit
from pxrdgen_crystallography.lattice.neighbours import Neighbours

FloatArray = NDArray[np.float64]

#: arrangements of a donor that are kept, sweeps over the donors, and starts.
_KEPT, _SWEEPS, _STARTS = 300, 12, 6
#: steps of the descent.
_STEPS = 80


@dataclass(frozen=True, kw_only=True)
class Holder:
    """An orbit of donors that takes hydrogen.

    Args:
        orbit: its atoms and operations.
        site: the first atom's surroundings.
        candidates: [K, n, 3] unit vectors closed under the site symmetry.
    """

    orbit: Orbit
    site: Site
    candidates: FloatArray


@dataclass(frozen=True, kw_only=True)
class Found:
    """Directions [n, 3] at the first atom of each holder, and the energy per cell."""

    energy: float
    directions: tuple[FloatArray, ...]


def search(holders: tuple[Holder, ...], pairs: Neighbours) -> Found:
    """``pairs`` are those of the donors within reach, by atom index, both directions."""
    problem = _Problem(holders, pairs)
    _, chosen = min((problem.settle(start) for start in range(_STARTS)), key=lambda settled: settled[0])
    return problem.descend([holder.candidates[k] for holder, k in zip(problem.holders, chosen, strict=True)])


class _Problem:
    """Everything that stays fixed while directions change."""

    def __init__(self, holders: tuple[Holder, ...], pairs: Neighbours) -> None:
        place = {int(atom): (h, m) for h, holder in enumerate(holders) for m, atom in enumerate(holder.orbit.members)}
        first = {int(holder.orbit.members[0]): h for h, holder in enumerate(holders)}
        links: list[list[tuple[int, int, FloatArray]]] = [[] for _ in holders]
        for one, other, vector in zip(pairs.first.tolist(), pairs.second.tolist(), pairs.vectors, strict=True):
            if one in first and other in place:
                links[first[one]].append((*place[other], vector))
        #: of each holder: for each holder around it, vectors [L, 3] to its atoms and their rotations [L, 3, 3].
        self.links: list[dict[int, tuple[FloatArray, FloatArray]]] = []
        for found in links:
            around = {}
            for h in sorted({link[0] for link in found}):
                rows = [link for link in found if link[0] == h]
                around[h] = (
                    np.array([row[2] for row in rows]),
                    np.array([holders[h].orbit.carriers[row[1]] for row in rows]),
                )
            self.links.append(around)
        kept = []
        self.alone: list[FloatArray] = []
        for h, holder in enumerate(holders):
            energy = holder.site.energies(holder.candidates) + self._own(h, holder)
            order = np.argsort(energy, kind="stable")[:_KEPT]
            self.alone.append(energy[order])
            kept.append(Holder(orbit=holder.orbit, site=holder.site, candidates=holder.candidates[order]))
        self.holders = tuple(kept)

    def _own(self, h: int, holder: Holder) -> FloatArray:
        """[K] half the energy with hydrogen of the other atoms of the orbit and of images."""
        if h not in self.links[h]:
            return np.zeros(len(holder.candidates))
        vectors, rotations = self.links[h][h]
        energy = np.zeros(len(holder.candidates))
        length = holder.site.length
        for vector, rotation in zip(vectors, rotations, strict=True):
            others = vector + length * holder.candidates @ rotation.T
            apart = length * holder.candidates[:, :, None, :] - others[:, None, :, :]
            energy += 0.5 * hydrogen_energy((apart**2).sum(-1)).sum(axis=(1, 2))
        return energy

    def _field(self, h: int, directions: list[FloatArray | None]) -> FloatArray:
        """[K] energy of the candidates with the hydrogen atoms of other holders."""
        holder = self.holders[h]
        around = [
            (vectors[:, None, :] + self.holders[o].site.length * np.einsum("lij,nj->lni", rotations, chosen)).reshape(
                -1, 3
            )
            for o, (vectors, rotations) in self.links[h].items()
            if o != h and (chosen := directions[o]) is not None
        ]
        if not around:
            return np.zeros(len(holder.candidates))
        others = np.concatenate(around)
        spots = holder.site.length * holder.candidates
        squared = (spots**2).sum(-1)[..., None] + (others**2).sum(-1) - 2.0 * spots @ others.T
        return np.asarray(hydrogen_energy(squared).sum(axis=(1, 2)))

    def settle(self, start: int) -> tuple[float, list[int]]:
        """(energy, candidate of each holder) after taking the best in turn; ``start`` turns the order."""
        count = len(self.holders)
        gaps = [float(alone[min(20, len(alone) - 1)] - alone[0]) for alone in self.alone]
        order = sorted(range(count), key=lambda h: -gaps[h])
        order = order[start % count :] + order[: start % count]
        if start % 2:
            order = order[::-1]
        directions: list[FloatArray | None] = [None] * count
        chosen = [-1] * count
        for _ in range(_SWEEPS):
            changed = False
            for h in order:
                best = int((self.alone[h] + self._field(h, directions)).argmin())
                changed |= best != chosen[h]
                chosen[h], directions[h] = best, self.holders[h].candidates[best]
            if not changed:
                break
        energy = 0.0
        for h in range(count):
            own = self.alone[h][chosen[h]] + 0.5 * self._field(h, directions)[chosen[h]]
            energy += len(self.holders[h].orbit.members) * float(own)
        return energy, chosen

    def energy(self, directions: list[FloatArray]) -> tuple[float, list[FloatArray]]:
        """Energy per cell, and its derivative by the unit vectors of each holder's first atom."""
        total, gradients = 0.0, [np.zeros_like(d) for d in directions]
        for h, holder in enumerate(self.holders):
            size, length = len(holder.orbit.members), holder.site.length
            total += size * float(holder.site.energies(directions[h][None])[0])
            gradients[h] += size * holder.site.gradient(directions[h])
            for o, (vectors, rotations) in self.links[h].items():
                other_length = self.holders[o].site.length
                others = vectors[:, None, :] + other_length * np.einsum("lij,nj->lni", rotations, directions[o])
                apart = length * directions[h][None, :, None, :] - others[:, None, :, :]
                squared = (apart**2).sum(-1)
                total += 0.5 * size * float(hydrogen_energy(squared).sum())
                force = 0.5 * size * hydrogen_slope(squared)[..., None] * apart
                gradients[h] += length * force.sum(axis=(0, 2))
                gradients[o] -= other_length * np.einsum("lij,lni->nj", rotations, force.sum(axis=1))
        return total, gradients

    def descend(self, directions: list[FloatArray]) -> Found:
        """The nearest minimum with the site symmetry kept."""
        sizes = np.cumsum([0] + [d.size for d in directions])
        projectors = [
            _invariance(holder.orbit.stabiliser, d) for holder, d in zip(self.holders, directions, strict=True)
        ]

        def unpack(flat: FloatArray) -> list[FloatArray]:
            parts = [
                (projector @ flat[a:b]).reshape(-1, 3)
                for projector, a, b in zip(projectors, sizes[:-1], sizes[1:], strict=True)
            ]
            return [part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts]

        def value(flat: FloatArray) -> tuple[float, FloatArray]:
            units = unpack(flat)
            energy, gradients = self.energy(units)
            slopes = []
            for projector, a, b, unit, gradient in zip(
                projectors, sizes[:-1], sizes[1:], units, gradients, strict=True
            ):
                lengths = np.linalg.norm((projector @ flat[a:b]).reshape(-1, 3), axis=1, keepdims=True)
                across = (gradient - (gradient * unit).sum(axis=1, keepdims=True) * unit) / lengths
                slopes.append(projector @ across.reshape(-1))
            return energy, np.concatenate(slopes)

        flat = np.concatenate([d.reshape(-1) for d in directions])
        answer = minimize(value, flat, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
        return Found(energy=float(answer.fun), directions=tuple(unpack(answer.x)))


def _invariance(stabiliser: FloatArray, directions: FloatArray) -> FloatArray:
    """[3n, 3n] projector on the displacements of unit vectors [n, 3] that keep the site symmetry."""
    count = len(directions)
    projector = np.zeros((count, 3, count, 3))
    columns = np.arange(count)
    for operation in stabiliser:
        partner = ((directions @ operation.T) @ directions.T).argmax(axis=1)
        projector[partner, :, columns, :] += operation
    return np.asarray(projector.reshape(3 * count, 3 * count) / len(stabiliser))
