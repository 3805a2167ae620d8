"""Symmetry of a solved structure: find it, impose it exactly, and offer a ladder from loose to strict tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import SymmetryError
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.space_group import distinct_operations
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.symmetry.group_search import FoundGroup, group_operations, search_group

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Distance tolerances of the ladder in A: eight steps, each 1.85 times the last.
LADDER: tuple[float, ...] = tuple(float(round(t, 4)) for t in np.geomspace(0.01, 0.75, 8))


def find_symmetry(crystal: Crystal, tolerance: float = 0.01) -> SymmetrisedCrystal:
    """The space group within a distance tolerance (A), and the crystal made exactly symmetric.

    Operations come from the group's table, carried into the input cell with the origin the search found, so the group
    closes exactly. An atom's new place is the mean over g of g applied to the atom that g carries onto it; the origin
    is then shifted so that the mean displacement vanishes.

    Raises:
        SymmetryError: no group is found, or its operations do not map the atoms or the lattice onto themselves.
    """
    if not (np.isfinite(tolerance) and tolerance > 0):
        raise SymmetryError(f"got a tolerance of {tolerance} A, expected a positive number")
    found = search_group(crystal, tolerance)
    rotations, translations = _operations_in_input(found)
    basis = _symmetric_basis(crystal.basis, rotations)
    permutation, shifts = _match_atoms(crystal, basis, rotations, translations, 4.0 * tolerance)
    displacement = shifts - shifts.mean(axis=0)
    translations = translations - shifts.mean(axis=0) + rotations @ shifts.mean(axis=0)
    placed = Crystal(
        species=crystal.species,
        frac_coords=crystal.frac_coords + displacement,
        basis=basis,
        u_iso=None if crystal.u_iso is None else _orbit_means(crystal.u_iso, permutation),
        name=crystal.name,
    )
    return SymmetrisedCrystal(
        crystal=placed,
        space_group=parse_space_group(found.number),
        rotations=rotations,
        translations=_wrap(translations),
        permutation=permutation,
        orbits=permutation.min(axis=0),
        wyckoff_letters=found.wyckoff_letters,
        to_standard=found.linear.T,
        max_displacement=float(np.linalg.norm(displacement @ basis, axis=1).max()),
        tolerance=tolerance,
    )


def symmetry_ladder(crystal: Crystal, tolerances: Sequence[float] = LADDER) -> list[SymmetrisedCrystal]:
    """Distinct groups over a range of tolerances, lowest to highest symmetry; tolerances without an answer are skipped.

    Of several tolerances that give the same group and order, the one that moves atoms least is kept.
    """
    rungs: dict[tuple[int, int], SymmetrisedCrystal] = {}
    for tolerance in tolerances:
        try:
            rung = find_symmetry(crystal, tolerance)
        except SymmetryError:
            continue
        known = rungs.get((rung.number, rung.order))
        if known is None or rung.max_displacement < known.max_displacement:
            rungs[rung.number, rung.order] = rung
    return sorted(rungs.values(), key=lambda rung: (rung.order, rung.max_displacement))


def invariance_error(sym: SymmetrisedCrystal) -> float:
    """Largest distance (A) between an atom's image and the atom it should fall on, over all operations."""
    coords = sym.crystal.frac_coords
    images = np.einsum("gij,nj->gni", sym.rotations, coords) + sym.translations[:, None, :]
    delta = images - coords[sym.permutation]
    delta -= np.rint(delta)
    return float(np.linalg.norm(delta @ sym.crystal.basis, axis=2).max())


def invert(sym: SymmetrisedCrystal, number: int) -> SymmetrisedCrystal:
    """The mirror image -x of a structure; powder data cannot tell it apart. ``number`` is the group of the image."""
    return replace(
        sym,
        crystal=replace(sym.crystal, frac_coords=-sym.crystal.frac_coords),
        space_group=parse_space_group(number),
        translations=_wrap(-sym.translations),
    )


def _operations_in_input(found: FoundGroup) -> tuple[IntArray, FloatArray]:
    """Table operations in the input cell: R = P W P^-1, t = P w + p - R p, times the lattice's translations."""
    table_rotations, table_translations = group_operations(found.hall_number)
    inverse = np.linalg.inv(found.linear)
    rotations = found.linear @ table_rotations @ inverse
    whole = np.rint(rotations).astype(np.int64)
    if np.abs(rotations - whole).max() > 1e-3:
        raise SymmetryError(
            f"space group {found.number} belongs to a smaller cell; the given cell does not share its symmetry"
        )
    translations = table_translations @ found.linear.T + found.origin - whole @ found.origin
    steps = range(-2, 3)
    lattice = np.array(list(product(steps, steps, steps)), dtype=np.float64) @ found.linear.T
    _, lattice = distinct_operations(np.tile(np.eye(3, dtype=np.int64), (len(lattice), 1, 1)), lattice)
    all_translations = (translations[:, None, :] + lattice[None, :, :]).reshape(-1, 3)
    return distinct_operations(np.repeat(whole, len(lattice), axis=0), all_translations)


def _symmetric_basis(basis: FloatArray, rotations: IntArray) -> FloatArray:
    """The basis nearest to the input whose metric is the mean of R^T G R: B' = B F with F = (B^-1 G' B^-T)^(1/2)."""
    metric = np.einsum("gji,jk,gkl->il", rotations, basis @ basis.T, rotations) / len(rotations)
    inverse = np.linalg.inv(basis)
    values, vectors = np.linalg.eigh(inverse @ metric @ inverse.T)
    return np.asarray(basis @ (vectors * np.sqrt(values)) @ vectors.T)


def _match_atoms(
    crystal: Crystal, basis: FloatArray, rotations: IntArray, translations: FloatArray, limit: float
) -> tuple[IntArray, FloatArray]:
    """Which atom each operation carries each atom to, and the shift [N, 3] of each to the mean of the images on it."""
    coords, species = crystal.frac_coords, crystal.species
    permutation = np.empty((len(rotations), len(coords)), dtype=np.int64)
    shifts = np.zeros_like(coords)
    unlike = np.where(species[:, None] == species[None, :], 0.0, np.inf)
    everyone = np.arange(len(coords))
    for number, (rotation, translation) in enumerate(zip(rotations, translations, strict=True)):
        delta = (coords @ rotation.T + translation)[:, None, :] - coords[None, :, :]
        delta -= np.rint(delta)
        distance = np.linalg.norm(delta @ basis, axis=2) + unlike
        partner = distance.argmin(axis=1)
        farthest = distance[everyone, partner].max()
        if len(np.unique(partner)) != len(coords) or farthest > max(limit, 1e-3):
            raise SymmetryError(f"an operation misses an atom by {farthest:.3g} A; try a smaller tolerance")
        permutation[number] = partner
        shifts[partner] += delta[everyone, partner]
    return permutation, shifts / len(rotations)


def _orbit_means(values: FloatArray, permutation: IntArray) -> FloatArray:
    return np.asarray(values[permutation].mean(axis=0))


def _wrap(translations: FloatArray) -> FloatArray:
    wrapped = translations - np.floor(translations)
    wrapped[wrapped >= 1.0 - 1e-12] = 0.0
    return wrapped
