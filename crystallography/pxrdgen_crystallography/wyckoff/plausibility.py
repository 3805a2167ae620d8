"""How plausible an assignment is before any fit: how often crystals use its positions, and whether atoms fit there.

P(assignment | group) mixes two estimates from the training split: the product of the frequencies of the positions, and,
where crystals with the same numbers of atoms are known in the group, the frequency of the whole sequence of letters.
Assignments that an operation of the lattice makes equal count as one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations as orders

import numpy as np
from numpy.typing import NDArray

from pxrdgen_crystallography.structure_fit.contact_prior import usual_contacts
from pxrdgen_crystallography.wyckoff.assignments import Position, assignments
from pxrdgen_crystallography.wyckoff.distances import widest_spacing
from pxrdgen_crystallography.wyckoff.normaliser import canonical, permutations
from pxrdgen_crystallography.wyckoff.positions import CellGroup
from pxrdgen_crystallography.wyckoff.table import letter_sequences

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Orbits = tuple[tuple[int, ...], ...]

#: orbits that a position counts beyond those seen.
_UNSEEN = 0.5
#: crystals that the product of frequencies counts as, against whole sequences.
_SEQUENCE_DOUBT = 3.0
#: atoms of one element may come this much closer than their usual shortest contact.
_CLOSEST = 0.8


@dataclass(frozen=True, kw_only=True)
class PlausibleAssignment:
    """Positions of each element (indices into the group's families), and log P(these | group, numbers of atoms)."""

    orbits: Orbits
    log_probability: float


class AssignmentPrior:
    """The assignments of one composition in one group.

    Args:
        group: in the primitive cell.
        elements: [E] atomic numbers.
        counts: [E] atoms of each in the primitive cell.
        basis: [3, 3] rows of the primitive cell, A.
        lattice_rotations: [L, 3, 3] the lattice's point group, on column coordinates.
    """

    def __init__(
        self,
        group: CellGroup,
        elements: Sequence[int],
        counts: Sequence[int],
        basis: FloatArray,
        lattice_rotations: IntArray,
    ) -> None:
        self._group, self._counts = group, tuple(counts)
        self._elements, self._basis, self._lattice = tuple(elements), basis, lattice_rotations
        self._positions = [Position(multiplicity=f.multiplicity, freedom=f.freedom) for f in group.families]

    @property
    def known_crystals(self) -> float:
        """Crystals of the training split with as many atoms of each kind in this group."""
        return sum(self._sequences.values())

    def possible(self) -> bool:
        """Whether the group has any place for the composition."""
        return next(assignments(self._positions, self._counts, self._log_weights), None) is not None

    def __iter__(self) -> Iterator[PlausibleAssignment]:
        """All assignments, one of each class of equal ones: known sequences merged into the rest by probability."""
        known = sorted(self._sequences.items(), key=lambda item: -item[1])
        share = self.known_crystals / (self.known_crystals + _SEQUENCE_DOUBT)
        total = max(self.known_crystals, 1e-9)
        waiting = [
            PlausibleAssignment(
                orbits=orbits,
                log_probability=math.log(share * crystals / total + (1.0 - share) * math.exp(self._by_sites(orbits))),
            )
            for orbits, crystals in known
        ]
        waiting.sort(key=lambda entry: entry.log_probability)
        seen = set(self._sequences)
        rest = math.log(1.0 - share)
        for entry in assignments(self._positions, self._counts, self._log_weights):
            name = canonical(entry.orbits, self._equivalences)
            if name in seen:
                continue
            seen.add(name)
            log_probability = rest + self._by_sites(name)
            while waiting and waiting[-1].log_probability >= log_probability:
                yield waiting.pop()
            yield PlausibleAssignment(orbits=name, log_probability=log_probability)
        yield from reversed(waiting)

    def _by_sites(self, name: Orbits) -> float:
        """Log probability of a class from the frequencies of its positions alone."""
        weight = sum(self._log_weights[e][index] for e, chosen in enumerate(name) for index in chosen)
        alike = {tuple(tuple(sorted(p[index] for index in chosen)) for chosen in name) for p in self._equivalences}
        return weight + math.log(len(alike)) - self._log_norm

    @cached_property
    def _equivalences(self) -> list[tuple[int, ...]]:
        return permutations(self._group, self._lattice)

    @cached_property
    def _frequencies(self) -> FloatArray:
        """Shares of the positions; equal ones share alike."""
        counts = np.array([family.frequency for family in self._group.families], dtype=np.float64) + _UNSEEN
        alike = np.array(self._equivalences)
        return np.asarray(counts[alike].mean(axis=0) / counts.sum())

    @cached_property
    def _log_weights(self) -> list[list[float]]:
        usual = np.diag(usual_contacts(np.array(self._elements, dtype=np.int64)))
        spacing = [widest_spacing(family, self._basis) for family in self._group.families]
        share = np.log(self._frequencies)
        return [
            [float(share[i]) if spacing[i] >= _CLOSEST * distance else -math.inf for i in range(len(spacing))]
            for distance in usual
        ]

    @cached_property
    def _log_norm(self) -> float:
        """log of the summed weights of all multisets, elements taken as independent."""
        total = 0.0
        for count, weights in zip(self._counts, self._log_weights, strict=True):
            sums = np.zeros(count + 1)
            sums[0] = 1.0
            for position, weight in zip(self._positions, weights, strict=True):
                step, value = position.multiplicity, math.exp(weight)
                atoms = range(step, count + 1)
                for n in reversed(atoms) if position.freedom == 0 else atoms:
                    sums[n] += value * sums[n - step]
            total += math.log(max(float(sums[count]), 1e-300))
        return total

    @cached_property
    def _sequences(self) -> dict[Orbits, float]:
        """Crystals of each class of assignments that sequences of letters stand for."""
        index_of = {family.letter: index for index, family in enumerate(self._group.families)}
        size = [family.multiplicity for family in self._group.families]
        found: dict[Orbits, float] = {}
        wanted = sorted(self._counts)
        for letters, crystals in letter_sequences().get(self._group.space_group.number, ()):
            if len(letters) != len(wanted):
                continue
            orbits = [tuple(index_of[letter] for letter in word) for word in letters]
            atoms = [sum(size[index] for index in chosen) for chosen in orbits]
            if sorted(atoms) != wanted:
                continue
            named = {
                canonical(order, self._equivalences)
                for order in set(orders(orbits))
                if [sum(size[index] for index in chosen) for chosen in order] == list(self._counts)
            }
            allowed = [name for name in named if self._fits(name)]
            for name in allowed:
                found[name] = found.get(name, 0.0) + crystals / len(allowed)
        return found

    def _fits(self, name: Orbits) -> bool:
        return all(self._log_weights[e][index] > -math.inf for e, chosen in enumerate(name) for index in chosen)
