"""A crystal that is exactly invariant under a space group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.space_group import SpaceGroup

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SymmetrisedCrystal:
    """A crystal that is exactly invariant under a space group, in the cell and atom order it came in.

    Args:
        crystal: coordinates averaged over the group, metric tensor averaged over the rotations.
        space_group: in the reference setting (origin 2, hexagonal axes).
        rotations: [G, 3, 3] whole numbers acting on column coordinates of ``crystal``'s own cell.
        translations: [G, 3] in [0, 1); an operation is x' = R x + t.
        permutation: [G, N]; operation g carries atom i onto atom permutation[g, i].
        orbits: [N] index of the first atom of each atom's orbit.
        wyckoff_letters: [N] in the reference setting.
        to_standard: [3, 3]; basis of the reference setting (rows) = to_standard @ crystal.basis.
        max_displacement: largest shift of an atom from the input, in A.
        tolerance: of the search, in A.
    """

    crystal: Crystal
    space_group: SpaceGroup
    rotations: IntArray
    translations: FloatArray
    permutation: IntArray
    orbits: IntArray
    wyckoff_letters: tuple[str, ...]
    to_standard: FloatArray
    max_displacement: float
    tolerance: float

    @property
    def order(self) -> int:
        """Operations in the cell; the order of the point group when the cell is primitive."""
        return len(self.rotations)

    @property
    def number(self) -> int:
        """Of the space group, 1 to 230."""
        return self.space_group.number
