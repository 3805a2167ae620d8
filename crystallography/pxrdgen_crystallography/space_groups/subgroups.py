"""The crystal classes a lattice can carry: subgroups of the proper rotations that map it onto itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen_crystallography.lattice.lattice_symmetry import proper_rotations

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: how far (relative) a cell may be from a symmetry that is still considered.
LOOSE = 0.006
#: below this a symmetry of the cell counts as exact, and choices it maps onto each other as the same.
TIGHT = 2e-4


@dataclass(frozen=True, kw_only=True)
class LatticeSymmetry:
    """Proper rotations of a lattice and their subgroups; a rotation W takes the basis (rows) to W @ basis.

    Args:
        rotations: [R, 3, 3] within the loose tolerance, identity first; a group.
        exact: [E] indices of rotations within the tight tolerance; a subgroup.
        subgroups: as sorted tuples of indices, one of each class of subgroups that ``exact`` maps onto each other.
    """

    rotations: IntArray
    exact: tuple[int, ...]
    subgroups: tuple[tuple[int, ...], ...]

    @property
    def exact_rotations(self) -> IntArray:
        """[E, 3, 3] those within the tight tolerance."""
        return self.rotations[list(self.exact)]


def lattice_symmetry(basis: FloatArray, *, loose: float = LOOSE, tight: float = TIGHT) -> LatticeSymmetry:
    """Symmetry of the lattice of a Niggli-reduced ``basis`` [3, 3] and every symmetry lower than that.

    A rotation within the loose tolerance counts only if it belongs to a group of such rotations: tolerances that grow
    until the rotations close are tried, largest first.
    """
    rotations = _closed(basis, loose)
    table = multiplication_table(rotations)
    strict = {rotation.tobytes() for rotation in _closed(basis, min(tight, loose))}
    exact = tuple(row for row, rotation in enumerate(rotations) if rotation.tobytes() in strict)
    inverses = np.argwhere(table == 0)[:, 1]
    found: dict[tuple[int, ...], None] = {}
    kept = []
    for subgroup in _subgroups(table):
        if subgroup in found:
            continue
        kept.append(subgroup)
        for row in exact:
            image = tuple(sorted({int(table[table[row, member], inverses[row]]) for member in subgroup}))
            found[image] = None
    return LatticeSymmetry(rotations=rotations, exact=exact, subgroups=tuple(kept))


def multiplication_table(rotations: IntArray) -> IntArray:
    """[R, R] index of W_i W_j, -1 where the product is not among the rotations."""
    index = {rotation.tobytes(): row for row, rotation in enumerate(rotations)}
    products = np.einsum("aij,bjk->abik", rotations, rotations)
    size = len(rotations)
    return np.array([[index.get(products[i, j].tobytes(), -1) for j in range(size)] for i in range(size)])


def _closed(basis: FloatArray, tolerance: float) -> IntArray:
    """Rotations within the largest tolerance, at most the given one, at which they form a group."""
    for factor in (1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.01):
        rotations = proper_rotations(basis, tolerance * factor).astype(np.int64)
        if (multiplication_table(rotations) >= 0).all():
            return rotations
    return np.eye(3, dtype=np.int64)[None]


def _subgroups(table: IntArray) -> list[tuple[int, ...]]:
    """All subgroups, largest first; two elements generate any of them (O and D6 have no others)."""
    found = {_closure(table, {i, j}) for i in range(len(table)) for j in range(i, len(table))}
    return sorted(found, key=lambda members: (-len(members), members))


def _closure(table: IntArray, generators: set[int]) -> tuple[int, ...]:
    members = {0, *generators}
    while True:
        rows = np.array(sorted(members))
        grown = members | set(table[np.ix_(rows, rows)].ravel().tolist())
        if grown == members:
            return tuple(sorted(members))
        members = grown
