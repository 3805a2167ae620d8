"""A crystal as somebody typed it, in the primitive cell that refinement works in, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import CellError, StructureError, SymmetryError
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.problem import StructureProblem
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_crystallography.lattice.centring import CENTRINGS, primitive_vectors
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry
from pxrdgen_solver.question.problem import build_problem

FloatArray = NDArray[np.float64]

#: distances (A) within which symmetry is looked for, tried in turn.
TOLERANCES = (0.01, 0.003, 0.03)
#: atoms this near (A) to each other's image repeat by a lattice translation.
SAME_PLACE = 0.02


@dataclass(frozen=True, kw_only=True)
class CrystalFrame:
    """A crystal ready to be refined.

    Args:
        problem: its cell as typed and the primitive Niggli cell, composition and Z.
        crystal: in that primitive cell, atoms by atomic number.
        symmetry: its group, which refinement keeps; ``None`` for P1.
        notes: sentences for the report.
    """

    problem: StructureProblem
    crystal: Crystal
    symmetry: SymmetrisedCrystal | None
    notes: tuple[str, ...] = ()


def frame_of(pattern: PowderPattern, crystal: Crystal) -> CrystalFrame:
    """The crystal in the primitive cell of its own setting, with the symmetry that its atoms have.

    Raises:
        CellError: the cell cannot hold its atoms.
        StructureError: atoms do not repeat as the lattice says.
    """
    centring = _centring_of(crystal)
    composition, z = Composition.from_species(crystal.species).reduced()
    problem = build_problem(pattern, composition, cell=crystal.cell, z=z, centring=centring)
    primitive = _in_primitive(crystal, problem)
    notes = list(problem.notes)
    symmetry = None
    try:
        symmetry = _symmetry_of(primitive)
        primitive = symmetry.crystal
        problem = problem.with_basis(primitive.basis)
    except SymmetryError as error:
        notes.append(f"no symmetry is kept, all atoms move on their own: {error}")
    return CrystalFrame(problem=problem, crystal=primitive, symmetry=symmetry, notes=tuple(notes))


def texture_axis_in(problem: StructureProblem, axis: tuple[int, int, int]) -> tuple[int, int, int]:
    """Miller indices of the cell as typed in the primitive cell, smallest whole numbers.

    Indices transform as basis vectors do: h_typed = to_user h_primitive.

    Raises:
        CellError: (0 0 0).
    """
    if not any(axis):
        raise CellError("got the texture axis 0 0 0, expected Miller indices such as 0 0 1")
    determinant = round(float(np.linalg.det(problem.to_user)))
    whole = np.rint(np.linalg.inv(problem.to_user) @ np.array(axis) * determinant).astype(np.int64)
    whole //= max(int(np.gcd.reduce(whole)), 1)
    return (int(whole[0]), int(whole[1]), int(whole[2]))


def _centring_of(crystal: Crystal) -> str:
    """The lattice letter with most lattice points whose translations carry every atom onto one of its kind."""
    best, points = "P", 1
    for letter in CENTRINGS:
        try:
            rows = primitive_vectors(letter, crystal.cell)
        except CellError:
            continue
        count = round(1.0 / abs(float(np.linalg.det(rows))))
        if count > points and all(_repeats(crystal, row) for row in rows):
            best, points = letter, count
    return best


def _repeats(crystal: Crystal, shift: FloatArray) -> bool:
    delta = (crystal.frac_coords + shift)[:, None, :] - crystal.frac_coords[None, :, :]
    distance = np.linalg.norm((delta - np.rint(delta)) @ crystal.basis, axis=2)
    distance[crystal.species[:, None] != crystal.species[None, :]] = np.inf
    return bool(distance.min(axis=1).max() < SAME_PLACE)


def _in_primitive(crystal: Crystal, problem: StructureProblem) -> Crystal:
    """Coordinates x_typed @ to_user, one atom for each set that lattice translations join."""
    coords = crystal.frac_coords @ problem.to_user
    delta = coords[:, None, :] - coords[None, :, :]
    delta -= np.rint(delta)
    same = np.linalg.norm(delta @ problem.basis, axis=2) < 2.0 * SAME_PLACE
    same &= crystal.species[:, None] == crystal.species[None, :]
    first = same.argmax(axis=1)
    kept = np.unique(first)
    if kept.size * problem.lattice_points != len(crystal):
        raise StructureError(
            f"got {crystal.name or crystal.formula}, whose {len(crystal)} atoms are not {problem.lattice_points} times "
            f"{kept.size}; are atoms missing, or on top of each other?"
        )
    means = [coords[row] - delta[row, same[row]].mean(axis=0) for row in kept]
    u_iso = None if crystal.u_iso is None else np.array([crystal.u_iso[same[row]].mean() for row in kept])
    small = Crystal(
        species=crystal.species[kept], frac_coords=np.array(means), basis=problem.basis, u_iso=u_iso, name=crystal.name
    )
    return small.sorted_by_species()


def _symmetry_of(crystal: Crystal) -> SymmetrisedCrystal:
    for tolerance in TOLERANCES[:-1]:
        try:
            return find_symmetry(crystal, tolerance)
        except SymmetryError:
            continue
    return find_symmetry(crystal, TOLERANCES[-1])
