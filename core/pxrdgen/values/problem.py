"""The structure problem: a pattern, whole atoms, and one primitive cell, whatever setting the user typed it in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.composition import Composition
from pxrdgen.values.group_candidate import GroupCandidate
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.space_group import SpaceGroup

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class StructureProblem:
    """Find the coordinates of these atoms in this cell from this pattern.

    Args:
        pattern: measured or simulated.
        composition: one formula unit.
        species: [N] atomic numbers of the primitive cell, rising.
        basis: [3, 3] rows a, b, c of the Niggli-reduced primitive cell in A; a along x, b in the xy plane.
        z: formula units in the primitive cell.
        user_cell: the cell as typed (made exact where the space group fixes its shape).
        to_user: [3, 3] whole numbers, determinant = lattice points of the user's cell; user basis = to_user @ basis.
        space_group: in the user's setting, when one was given.
        notes: sentences on what was assumed.
        groups: space groups worth searching with their probabilities, where they have been ranked.
    """

    pattern: PowderPattern
    composition: Composition
    species: IntArray
    basis: FloatArray
    z: int
    user_cell: UnitCell
    to_user: IntArray
    space_group: SpaceGroup | None = None
    notes: tuple[str, ...] = ()
    groups: tuple[GroupCandidate, ...] = ()

    @property
    def num_atoms(self) -> int:
        """Atoms in the primitive cell."""
        return int(self.species.size)

    @property
    def cell(self) -> UnitCell:
        """The primitive cell as six numbers."""
        return UnitCell.from_basis(self.basis)

    @property
    def volume(self) -> float:
        """Of the primitive cell, in A^3."""
        return float(abs(np.linalg.det(self.basis)))

    @property
    def lattice_points(self) -> int:
        """Primitive cells in the user's cell: 1, 2, 3 or 4."""
        return int(np.rint(np.linalg.det(self.to_user)))

    @property
    def user_z(self) -> int:
        """Formula units in the user's cell."""
        return self.z * self.lattice_points

    def with_basis(self, basis: FloatArray) -> StructureProblem:
        """The same problem in a slightly different cell [3, 3] (refined on peak positions, say)."""
        basis = np.asarray(basis, dtype=np.float64)
        return replace(self, basis=basis, user_cell=UnitCell.from_basis(self.to_user @ basis))
