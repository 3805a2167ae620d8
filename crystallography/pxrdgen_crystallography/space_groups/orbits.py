"""How many atoms each kind of position of a space group holds, and whether a composition can be dealt out to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import SymmetryError
from pxrdgen.values.elements import SYMBOLS
from pxrdgen.values.space_group import SpaceGroup
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.wyckoff.table import tabulated_positions

#: lattice points in the conventional cell of each letter.
LATTICE_POINTS = {"P": 1, "A": 2, "B": 2, "C": 2, "I": 2, "F": 4, "R": 3}


@dataclass(frozen=True, kw_only=True)
class OrbitSizes:
    """Sizes of the orbits of a space group in its primitive cell.

    Args:
        fixed: (size, how many different positions) of positions without a free coordinate, rising.
        free: sizes of positions with free coordinates, rising; these can be used any number of times.
    """

    fixed: tuple[tuple[int, int], ...]
    free: tuple[int, ...]

    @property
    def all_sizes(self) -> tuple[int, ...]:
        """Each size once, rising."""
        return tuple(sorted({size for size, _ in self.fixed} | set(self.free)))

    def can_hold(self, counts: Sequence[int]) -> bool:
        """Whether ``counts`` atoms of each element can be dealt out to orbits, fixed positions taken once at most."""
        free = _sums(self.free, max(counts, default=0))
        states = {(0,) * len(self.fixed)}
        for count in sorted(counts, reverse=True):
            states = {taken for state in states for taken in self._dealt(state, count, free)}
            if not states:
                return False
        return True

    def _dealt(self, taken: tuple[int, ...], count: int, free: frozenset[int]) -> set[tuple[int, ...]]:
        """What may be taken after one element: every way to use fixed positions whose rest free ones can hold."""
        partial: dict[tuple[int, ...], int] = {(): count}
        for (size, available), used in zip(self.fixed, taken, strict=True):
            partial = {
                (*key, used + more): left - more * size
                for key, left in partial.items()
                for more in range(min(available - used, left // size) + 1)
            }
        return {key for key, left in partial.items() if left in free}


def holds_contents(group: SpaceGroup, species: NDArray[np.int64]) -> bool:
    """Whether the positions of a group can hold the atoms of a primitive cell [N]."""
    return orbit_sizes(group.number).can_hold(np.unique(species, return_counts=True)[1].tolist())


def check_contents(group: SpaceGroup, species: NDArray[np.int64]) -> None:
    """Refuse atoms of a primitive cell [N] that the positions of a group cannot hold.

    Raises:
        SymmetryError: says which multiplicities exist in the conventional cell.
    """
    if holds_contents(group, species):
        return
    sizes = orbit_sizes(group.number)
    numbers, counts = np.unique(species, return_counts=True)
    points = int((group.rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2)).sum())
    wanted = ", ".join(f"{points * count} {SYMBOLS[number]}" for number, count in zip(numbers, counts, strict=True))
    once = ", ".join(f"{points * size} ({positions} of these)" for size, positions in sizes.fixed)
    free = ", ".join(str(points * size) for size in sizes.free)
    raise SymmetryError(
        f"got {wanted} in the conventional cell of {group}, expected numbers its positions can hold: multiplicities "
        f"{free} any number of times" + (f", and once each {once}" if once else "") + "; check Z and the space group"
    )


@lru_cache(maxsize=230)
def orbit_sizes(number: int) -> OrbitSizes:
    """Of a space group 1-230."""
    positions = tabulated_positions()[number]
    points = LATTICE_POINTS[parse_space_group(number).centring]
    fixed = Counter(entry.multiplicity // points for entry in positions if entry.directions.shape[1] == 0)
    free = {entry.multiplicity // points for entry in positions if entry.directions.shape[1] > 0}
    return OrbitSizes(fixed=tuple(sorted(fixed.items())), free=tuple(sorted(free)))


def _sums(parts: Sequence[int], limit: int) -> frozenset[int]:
    """Every number up to ``limit`` that is a sum of parts."""
    reached = {0}
    for total in range(1, limit + 1):
        if any(total - part in reached for part in parts):
            reached.add(total)
    return frozenset(reached)
