"""A solved structure in the cell, setting and origin a crystallographer expects to read it in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import SymmetryError
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.space_group import SpaceGroup
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_crystallography.lattice.centring import primitive_vectors
from pxrdgen_crystallography.space_group_symbols import parse_space_group, settings_of
from pxrdgen_crystallography.symmetry.origin import find_origin
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry, invert

if TYPE_CHECKING:
    from pxrdgen.values.problem import StructureProblem

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Mirror images among space groups; powder data cannot tell which of a pair is present.
_PAIRS = (
    (76, 78),
    (91, 95),
    (92, 96),
    (144, 145),
    (151, 153),
    (152, 154),
    (169, 170),
    (171, 172),
    (178, 179),
    (180, 181),
)
ENANTIOMORPHS: dict[int, int] = {a: b for pair in (*_PAIRS, (212, 213)) for a, b in (pair, pair[::-1])}


@dataclass(frozen=True, kw_only=True)
class Conventional:
    """All atoms of a conventional cell, with the group's setting that the cell and the origin belong to.

    Args:
        crystal: [M] atoms, exactly invariant under ``space_group``.
        space_group: with its setting.
        sources: [M] the atom of the input crystal each atom comes from.
        to_setting: [3, 3]; basis (rows) = to_setting @ basis of the input crystal.
        notes: sentences on why this setting and not the one asked for.
    """

    crystal: Crystal
    space_group: SpaceGroup
    sources: IntArray
    to_setting: FloatArray
    notes: tuple[str, ...] = ()

    def coordinate_su(self, coordinate_su: FloatArray) -> FloatArray:
        """[M, 3] uncertainties of the conventional coordinates from the input's [N, 3], taken as independent."""
        variances = np.asarray(coordinate_su, dtype=np.float64) ** 2 @ np.linalg.inv(self.to_setting) ** 2
        return np.asarray(np.sqrt(variances)[self.sources])


def to_conventional(
    crystal: Crystal,
    *,
    symmetry: SymmetrisedCrystal | None = None,
    tolerance: float = 0.01,
    problem: StructureProblem | None = None,
) -> Conventional:
    """The structure in the user's cell and setting where that is one of its settings, else in the reference setting.

    Tried in turn: the user's cell with the user's space group; the user's cell with another tabulated setting of the
    group that was found; the reference setting; P 1. Every description is checked to be invariant under the operations
    it claims before it is returned. A left-handed screw of an enantiomorphic pair is inverted when the user named the
    other one.

    Args:
        crystal: as refined, in the problem's primitive cell when ``problem`` is given.
        symmetry: of the crystal, from :func:`find_symmetry`; found with ``tolerance`` (A) when left out.
        tolerance: see ``symmetry``.
        problem: names the user's cell and setting; leave it out when the cell was not typed by anybody.
    """
    try:
        sym = symmetry if symmetry is not None else find_symmetry(crystal, tolerance)
        smaller, reduction, members = _primitive(sym)
    except SymmetryError as error:
        return _without_symmetry(crystal, f"all atoms are listed in P 1: {error}")
    notes: list[str] = []
    if smaller is not sym:
        notes.append(
            f"within {sym.tolerance:g} A the structure repeats in a smaller cell than the one it was solved in"
        )
        sym = smaller
    wanted = problem.space_group if problem is not None else None
    if wanted is not None and ENANTIOMORPHS.get(sym.number) == wanted.number:
        sym = invert(sym, wanted.number)
        notes.append(f"the mirror image was chosen to agree with {wanted.hm_symbol}; the pattern is the same for both")
    for to_setting, group, remarks in _descriptions(sym, reduction, problem):
        found = _describe(sym, to_setting, group)
        if found is not None:
            return replace(
                found,
                sources=members[found.sources],
                to_setting=found.to_setting @ reduction,
                notes=(*notes, *remarks),
            )
    return _without_symmetry(
        crystal, f"no tabulated setting of {sym.space_group.hm_symbol} could be confirmed; all atoms are listed in P 1"
    )


def _without_symmetry(crystal: Crystal, note: str) -> Conventional:
    return Conventional(
        crystal=crystal,
        space_group=parse_space_group(1),
        sources=np.arange(len(crystal)),
        to_setting=np.eye(3),
        notes=(note,),
    )


def _descriptions(
    sym: SymmetrisedCrystal, reduction: FloatArray, problem: StructureProblem | None
) -> Iterator[tuple[IntArray, SpaceGroup, tuple[str, ...]]]:
    """(cell as whole-number rows of the primitive basis, setting, remarks), best first."""
    remarks: tuple[str, ...] = ()
    if problem is not None:
        to_user = problem.to_user @ np.linalg.inv(reduction)
        wanted = problem.space_group
        if wanted is not None and wanted.number != sym.number:
            remarks = (f"the structure has the symmetry {sym.space_group.hm_symbol}, not the given {wanted.hm_symbol}",)
        if np.abs(to_user - np.rint(to_user)).max() < 1e-6 and _same_cell(sym.crystal, problem, reduction):
            cell = np.rint(to_user).astype(np.int64)
            if wanted is not None and wanted.number == sym.number:
                yield cell, wanted, ()
            for setting in settings_of(sym.number):
                other = wanted is not None and wanted.number == sym.number
                found = f"in the given cell the structure is {setting.hm_symbol}"
                yield cell, setting, (f"{found}, not {wanted.hm_symbol}",) if other and wanted is not None else remarks
        remarks = (
            *remarks,
            f"the given cell is not a conventional cell of {sym.space_group.hm_symbol}; the reference setting is used",
        )
    standard = np.rint(sym.to_standard).astype(np.int64)
    yield standard, sym.space_group, remarks


def _describe(sym: SymmetrisedCrystal, to_setting: IntArray, group: SpaceGroup) -> Conventional | None:
    """All atoms in the cell and origin of one setting; ``None`` when the crystal is not symmetric in it."""
    shift = find_origin(sym, to_setting, group)
    if shift is None:
        return None
    inverse = np.linalg.inv(to_setting)
    lattice = _lattice_points(to_setting)
    coords = ((sym.crystal.frac_coords + shift) @ inverse)[:, None, :] + lattice[None, :, :]
    sources = np.repeat(np.arange(len(sym.crystal)), len(lattice))
    u_iso = sym.crystal.u_iso
    crystal = Crystal(
        species=sym.crystal.species[sources],
        frac_coords=_snapped(coords.reshape(-1, 3)),
        basis=to_setting @ sym.crystal.basis,
        u_iso=None if u_iso is None else u_iso[sources],
        name=sym.crystal.name,
    )
    if not is_invariant(crystal, group):
        return None
    return Conventional(crystal=crystal, space_group=group, sources=sources, to_setting=to_setting.astype(np.float64))


def is_invariant(crystal: Crystal, group: SpaceGroup, *, tolerance: float = 1e-3) -> bool:
    """Whether every operation keeps the metric and carries every atom onto one of its kind within ``tolerance`` A."""
    metric = crystal.basis @ crystal.basis.T
    turned = np.einsum("gji,jk,gkl->gil", group.rotations, metric, group.rotations)
    if np.abs(turned - metric).max() > 1e-6 * np.abs(metric).max():
        return False
    unlike = np.where(crystal.species[:, None] == crystal.species[None, :], 0.0, np.inf)
    for rotation, translation in zip(group.rotations, group.translations, strict=True):
        delta = (crystal.frac_coords @ rotation.T + translation)[:, None, :] - crystal.frac_coords[None, :, :]
        delta -= np.rint(delta)
        nearest_atom = (np.linalg.norm(delta @ crystal.basis, axis=2) + unlike).min(axis=1)
        if nearest_atom.max() > tolerance:
            return False
    return True


def _primitive(sym: SymmetrisedCrystal) -> tuple[SymmetrisedCrystal, FloatArray, IntArray]:
    """The same in a primitive cell, the rows that lead there, and the input atom each kept atom stands for."""
    everyone = np.arange(len(sym.crystal))
    pure = int((sym.rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2)).sum())
    if pure == 1:
        return sym, np.eye(3), everyone
    rows = primitive_vectors(sym.space_group.centring, _standard_cell(sym).cell) @ sym.to_standard
    coords = sym.crystal.frac_coords @ np.linalg.inv(rows)
    basis = rows @ sym.crystal.basis
    delta = coords[:, None, :] - coords[None, :, :]
    delta -= np.rint(delta)
    same = (np.linalg.norm(delta @ basis, axis=2) < 1e-4) & (
        sym.crystal.species[:, None] == sym.crystal.species[None, :]
    )
    members = everyone[same.argmax(axis=1) == everyone]
    if len(members) * pure != len(everyone):
        raise SymmetryError(
            f"got {len(everyone)} atoms that do not repeat in a cell {pure} times smaller; use a smaller tolerance"
        )
    u_iso = sym.crystal.u_iso
    smaller = Crystal(
        species=sym.crystal.species[members],
        frac_coords=coords[members],
        basis=basis,
        u_iso=None if u_iso is None else u_iso[members],
        name=sym.crystal.name,
    )
    return replace(find_symmetry(smaller, 1e-3), tolerance=sym.tolerance), rows, members


def _standard_cell(sym: SymmetrisedCrystal) -> Crystal:
    return replace(sym.crystal, basis=sym.to_standard @ sym.crystal.basis)


def _same_cell(crystal: Crystal, problem: StructureProblem, reduction: FloatArray) -> bool:
    """Whether the crystal is described in the problem's primitive cell, give or take a refinement."""
    ours = np.array(crystal.cell.parameters)
    theirs = np.array(
        Crystal(
            species=crystal.species, frac_coords=crystal.frac_coords, basis=reduction @ problem.basis
        ).cell.parameters
    )
    return bool(
        np.all(np.abs(ours - theirs) <= np.array([0.1, 0.1, 0.1, 0, 0, 0]) * theirs + np.array([0, 0, 0, 5, 5, 5]))
    )


def _lattice_points(to_setting: IntArray) -> FloatArray:
    """[det, 3] the primitive lattice's points inside the cell, in its coordinates."""
    reach = range(-int(np.abs(to_setting).sum()), int(np.abs(to_setting).sum()) + 1)
    points = np.array(list(product(reach, reach, reach)), dtype=np.float64) @ np.linalg.inv(to_setting)
    inside = ((points > -1e-6) & (points < 1.0 - 1e-6)).all(axis=1)
    return np.asarray(points[inside])


def _snapped(coords: FloatArray) -> FloatArray:
    """Coordinates wrapped to [0, 1), those within rounding of a multiple of 1/24 made exact."""
    fractions = np.rint(coords * 24.0) / 24.0
    exact = np.where(np.abs(coords - fractions) < 1e-9, fractions, coords)
    return np.asarray(exact % 1.0)
