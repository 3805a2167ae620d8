"""A structure as GSAS-II wants it, and the way back: reference setting, origin choice 2, one atom of each orbit.

With conventional coordinates y and the start's x, x = y T - s, where T is ``to_setting``; a shift dy of a conventional
atom is a shift dy T of the atom it comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import SymmetryError
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import SYMBOLS
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.symmetry.asymmetric_unit import asymmetric_unit
from pxrdgen_crystallography.symmetry.conventional import Conventional, to_conventional

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

U_START = 0.01


@dataclass(frozen=True, kw_only=True)
class ConventionalPhase:
    """One phase of a project.

    Args:
        start: the crystal as it was handed over.
        conventional: all M atoms of the conventional cell.
        representatives: [K] atoms of the conventional cell that GSAS-II is given.
        parents: [M] which of the K each conventional atom is an image of.
        rotations: [M, 3, 3] of the operation that carries the parent onto the atom.
        members: [N] a conventional atom for each atom of the start.
    """

    start: Crystal
    conventional: Conventional
    representatives: IntArray
    parents: IntArray
    rotations: IntArray
    members: IntArray

    @property
    def centrosymmetric(self) -> bool:
        """Whether the group holds an inversion."""
        return bool((self.conventional.space_group.rotations == -np.eye(3, dtype=np.int64)).all(axis=(1, 2)).any())

    def request(self, name: str, groups: Sequence[int | None]) -> dict[str, object]:
        """The phase as JSON values; ``groups`` [K] tells which atoms share a Uiso, ``None`` for those that hold it."""
        crystal = self.conventional.crystal
        atoms = []
        for number, (atom, group) in enumerate(zip(self.representatives.tolist(), groups, strict=True)):
            element = SYMBOLS[int(crystal.species[atom])]
            u_iso = U_START if crystal.u_iso is None else float(np.nan_to_num(crystal.u_iso[atom], nan=U_START))
            atoms.append(
                {
                    "label": f"{element}{number + 1}",
                    "element": element,
                    "xyz": crystal.frac_coords[atom].tolist(),
                    "u_iso": min(max(u_iso, 1e-4), 0.1),
                    "u_group": group,
                    "weight": float(crystal.species[atom]),
                }
            )
        return {
            "name": name,
            "space_group": self.conventional.space_group.hm_symbol.split(":")[0],
            "cell": list(crystal.cell.parameters),
            "atoms": atoms,
            "expected_atoms": len(crystal),
            "centrosymmetric": self.centrosymmetric,
        }

    def crystal(self, found: Mapping[str, Any]) -> Crystal:
        """The start with the cell, coordinates and Uiso the worker found."""
        shifts = np.array(found["coordinates"]) - self.conventional.crystal.frac_coords[self.representatives]
        moved = np.einsum("nij,nj->ni", self.rotations[self.members], shifts[self.parents[self.members]])
        u_iso = np.array(found["u_iso"])[self.parents[self.members]]
        return Crystal(
            species=self.start.species,
            frac_coords=self.start.frac_coords + moved @ self.conventional.to_setting,
            basis=self.basis_of(found["cell"]),
            u_iso=u_iso,
            name=self.start.name,
        )

    def basis_of(self, cell: Sequence[float]) -> FloatArray:
        """[3, 3] the start's basis for a refined conventional cell, turned as little as six numbers allow."""
        before = self.conventional.crystal.basis
        turn = np.linalg.inv(UnitCell.from_basis(before).basis) @ before
        after = UnitCell.from_numbers(list(cell)).basis @ turn
        return np.asarray(np.linalg.inv(self.conventional.to_setting) @ after)

    def texture_axis(self, axis: Sequence[int]) -> list[int]:
        """Miller indices of the start's cell as those of the conventional one."""
        return [round(float(index)) for index in self.conventional.to_setting @ np.array(axis, dtype=float)]

    def start_axis(self, axis: Sequence[float]) -> FloatArray:
        """The other way round."""
        return np.asarray(np.linalg.solve(self.conventional.to_setting, np.array(axis, dtype=float)))


def conventional_phase(crystal: Crystal, symmetry: SymmetrisedCrystal | None) -> ConventionalPhase:
    """The phase of a structure, in P 1 and its own cell where it has no symmetry.

    Raises:
        SymmetryError: atoms cannot be matched with those of the conventional cell.
    """
    if symmetry is None or symmetry.number == 1:
        conventional = Conventional(
            crystal=crystal,
            space_group=parse_space_group(1),
            sources=np.arange(len(crystal)),
            to_setting=np.eye(3),
        )
    else:
        conventional = to_conventional(symmetry.crystal, symmetry=symmetry)
    whole, group = conventional.crystal, conventional.space_group
    representatives, _ = asymmetric_unit(whole, group)
    parents, rotations = np.full(len(whole), -1), np.zeros((len(whole), 3, 3), dtype=np.int64)
    for number, atom in enumerate(representatives.tolist()):
        for rotation, translation in zip(group.rotations, group.translations, strict=True):
            image = _nearest(whole, rotation @ whole.frac_coords[atom] + translation, int(whole.species[atom]))
            if parents[image] < 0:
                parents[image], rotations[image] = number, rotation
    if (parents < 0).any():
        raise SymmetryError(
            f"got {len(whole)} atoms, of which {int((parents < 0).sum())} belong to no orbit of {group}"
        )
    return ConventionalPhase(
        start=crystal,
        conventional=conventional,
        representatives=representatives,
        parents=parents,
        rotations=rotations,
        members=_members(crystal, conventional),
    )


def _members(crystal: Crystal, conventional: Conventional) -> IntArray:
    """[N] the conventional atom of each atom of the start; lattice points of the start may hold several of them."""
    inverse = np.linalg.inv(conventional.to_setting)
    first = conventional.crystal.frac_coords[0] @ conventional.to_setting
    shift = first - crystal.frac_coords[conventional.sources[0]]
    places = (crystal.frac_coords + shift) @ inverse
    return np.array(
        [_nearest(conventional.crystal, place, int(z)) for place, z in zip(places, crystal.species, strict=True)]
    )


def _nearest(crystal: Crystal, place: FloatArray, atomic_number: int) -> int:
    delta = crystal.frac_coords - place
    delta -= np.rint(delta)
    distance = np.linalg.norm(delta @ crystal.basis, axis=1)
    distance[crystal.species != atomic_number] = np.inf
    nearest = int(np.argmin(distance))
    if not distance[nearest] < 0.05:
        raise SymmetryError(
            f"got an atom {distance[nearest]:.3g} A from the nearest of its kind in the conventional cell, "
            "expected at most 0.05 A"
        )
    return nearest
