"""The structure problem: a pattern, whole atoms, and one primitive cell, whatever setting the user typed it in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import CellError, FormulaError, SymmetryError
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.composition import Composition
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.problem import StructureProblem
from pxrdgen.values.space_group import SpaceGroup
from pxrdgen_crystallography.lattice.atomic_volumes import estimate_volume, plausible_z
from pxrdgen_crystallography.lattice.centring import CENTRINGS, is_rhombohedral, primitive_vectors
from pxrdgen_crystallography.lattice.metric import check_metric, symmetric_cell
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.space_groups.orbits import check_contents, holds_contents

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Volume of the cell over the expected one of its contents: refused outside the first pair, noted outside the second.
_POSSIBLE_RATIOS = (0.4, 5.0)
_USUAL_RATIOS = (0.65, 1.6)


def build_problem(
    pattern: PowderPattern,
    composition: Composition,
    *,
    cell: UnitCell,
    z: int | None = None,
    centring: str | None = None,
    space_group: SpaceGroup | None = None,
) -> StructureProblem:
    """State the problem from what was typed; without ``z``, with the likeliest number of formula units.

    Args:
        pattern: to be explained.
        composition: one formula unit.
        cell: as an indexing program prints it, in any setting.
        z: formula units in that cell.
        centring: P A B C I F R (R: hexagonal axes, obverse; or rhombohedral axes); default: the space group's, else P.
        space_group: with its setting.

    Raises:
        CellError: the cell cannot hold the formula, or does not fit an R lattice.
        FormulaError: ``z`` is not a whole number of formula units for each lattice point, or fits no volume.
        SymmetryError: the space group fits neither cell nor centring, or its positions cannot hold the atoms.
    """
    if z is None:
        return problems_for_z(pattern, composition, cell=cell, centring=centring, space_group=space_group)[0]
    frame = _Frame.from_typed(cell, centring, space_group)
    if z < 1:
        raise FormulaError(f"got Z = {z}, expected at least 1 formula unit in the cell")
    if z % frame.lattice_points == 0:
        return _problem(pattern, composition, frame, z // frame.lattice_points, ())
    reduced, factor = composition.reduced()
    if (z * factor) % frame.lattice_points:
        step = frame.lattice_points // math.gcd(frame.lattice_points, factor)
        multiples = ", ".join(str(step * n) for n in range(1, 5))
        raise FormulaError(
            f"got Z = {z} with a {frame.centring} lattice, which repeats everything {frame.lattice_points} times in "
            f"the cell; expected Z to be one of {multiples}, ...; Z counts formula units of {composition} "
            "in the cell as typed"
        )
    note = f"Z = {z} of {composition.formula} was counted as {z * factor} of {reduced.formula} to suit the lattice"
    return _problem(pattern, reduced, frame, z * factor // frame.lattice_points, (note,))


def problems_for_z(
    pattern: PowderPattern,
    composition: Composition,
    *,
    cell: UnitCell,
    centring: str | None = None,
    space_group: SpaceGroup | None = None,
    at_least: float = 0.02,
) -> list[StructureProblem]:
    """The alternatives when nobody knows Z: one problem for each plausible number of formula units, likeliest first.

    Args:
        at_least: alternatives less probable than this are left out; the likeliest never is.

    Raises:
        As :func:`build_problem`.
    """
    frame = _Frame.from_typed(cell, centring, space_group)
    volume = frame.user_cell.volume / frame.lattice_points
    reduced, factor = composition.reduced()
    if factor > 1 and volume < 0.75 * estimate_volume(composition)[0]:
        composition = reduced
    ranked = plausible_z(composition, volume)
    if frame.space_group is not None:
        # numbers of formula units that the group's positions cannot hold are out, unless nothing else is left
        group = frame.space_group
        ranked = [entry for entry in ranked if holds_contents(group, composition.species(entry[0]))] or ranked
    kept = [entry for number, entry in enumerate(ranked) if number == 0 or entry[1] >= at_least]
    shown = ", ".join(f"{z * frame.lattice_points} ({100 * probability:.0f} %)" for z, probability in kept)
    note = f"Z was not given; from the volume, formula units of {composition.formula} in the cell as typed: {shown}"
    return [_problem(pattern, composition, frame, z, (note,)) for z, _ in kept]


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """The lattice behind what was typed."""

    basis: FloatArray
    user_cell: UnitCell
    to_user: IntArray
    centring: str
    space_group: SpaceGroup | None
    notes: tuple[str, ...]

    @property
    def lattice_points(self) -> int:
        return int(np.rint(np.linalg.det(self.to_user)))

    @classmethod
    def from_typed(cls, cell: UnitCell, centring: str | None, space_group: SpaceGroup | None) -> _Frame:
        notes: list[str] = []
        letter = _centring_letter(centring, space_group)
        if letter == "R" and is_rhombohedral(cell):
            letter = "P"
            notes.append(
                "a = b = c with equal angles: the cell of the R lattice was read as rhombohedral, already primitive"
            )
            if space_group is not None and space_group.hm_symbol.endswith(":H"):
                space_group = parse_space_group(space_group.hm_symbol.removesuffix(":H") + ":R")
        if space_group is not None:
            check_metric(cell, space_group)
            exact = symmetric_cell(cell, space_group)
            if not np.allclose(exact.parameters, cell.parameters, rtol=0.0, atol=1e-4):
                notes.append(f"the cell was made exactly {space_group.crystal_system}: {exact}")
            cell = exact
        primitive = primitive_vectors(letter, cell)
        _, reduction = UnitCell.from_basis(primitive @ cell.basis).niggli()
        to_user = np.rint(np.linalg.inv(reduction @ primitive)).astype(np.int64)
        reduced = UnitCell.from_basis(np.linalg.inv(to_user) @ cell.basis)
        if space_group is not None:
            space_group.operations_in(to_user)
        return cls(
            basis=reduced.basis,
            user_cell=cell,
            to_user=to_user,
            centring=letter,
            space_group=space_group,
            notes=tuple(notes),
        )


def _centring_letter(centring: str | None, space_group: SpaceGroup | None) -> str:
    if centring is None:
        return space_group.centring if space_group is not None else "P"
    letter = centring.strip().upper()
    if letter not in CENTRINGS:
        raise CellError(f"got the centring {centring!r}, expected one of {' '.join(CENTRINGS)}")
    if (
        space_group is not None
        and letter != space_group.centring
        and not (letter == "R" and space_group.has_rhombohedral_axes)
    ):
        raise SymmetryError(
            f"got the centring {letter} with {space_group}, whose lattice letter is {space_group.centring}; "
            "leave the centring out, or give the symbol in the setting of the cell"
        )
    return letter


def _problem(
    pattern: PowderPattern, composition: Composition, frame: _Frame, z: int, notes: tuple[str, ...]
) -> StructureProblem:
    species = composition.species(z)
    if frame.space_group is not None:
        check_contents(frame.space_group, species)
    volume = frame.user_cell.volume / frame.lattice_points
    expected = z * estimate_volume(composition)[0]
    ratio = volume / expected
    content = (
        f"{z} {composition.formula} for each lattice point, {volume:.1f} A^3 where about {expected:.1f} A^3 is usual"
    )
    if not _POSSIBLE_RATIOS[0] <= ratio <= _POSSIBLE_RATIOS[1]:
        raise CellError(
            f"got a cell that cannot hold the formula: {content}; check Z (formula units in the cell as typed), the "
            "centring, the formula, and that lengths are in A"
        )
    unusual = () if _USUAL_RATIOS[0] <= ratio <= _USUAL_RATIOS[1] else (f"unusual volume: {content}",)
    return StructureProblem(
        pattern=pattern,
        composition=composition,
        species=species,
        basis=frame.basis,
        z=z,
        user_cell=frame.user_cell,
        to_user=frame.to_user,
        space_group=frame.space_group,
        notes=(*frame.notes, *notes, *unusual),
    )
