"""Symmetry found in noisy structures is imposed exactly, and what it leaves free is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from pxrdgen.errors import SymmetryError
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_crystallography.symmetry import group_search
from pxrdgen_crystallography.symmetry.contacts import shortest_contacts, shortest_contacts_batch
from pxrdgen_crystallography.symmetry.freedom import free_coordinates, free_origin, free_strains, strain_matrix
from pxrdgen_crystallography.symmetry.similar import looks_identical, merge_duplicates, same_structure
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry, invariance_error, symmetry_ladder

ORIGIN = np.array([0.127, 0.456, 0.791])

#: name: group, lattice, species, sites, free coordinates (floating origin included), free strains, floating origins
PROTOTYPES = {
    "halite": ("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0, 0]], (225, 0, 1, 0)),
    "diamond": ("Fd-3m", Lattice.cubic(3.567), ["C"], [[0, 0, 0]], (227, 0, 1, 0)),
    "pyrite": ("Pa-3", Lattice.cubic(5.416), ["Fe", "S"], [[0, 0, 0], [0.385] * 3], (205, 1, 1, 0)),
    "rutile": (
        "P4_2/mnm",
        Lattice.tetragonal(4.594, 2.959),
        ["Ti", "O"],
        [[0, 0, 0], [0.305, 0.305, 0]],
        (136, 1, 2, 0),
    ),
    "quartz": (
        "P3_121",
        Lattice.hexagonal(4.913, 5.405),
        ["Si", "O"],
        [[0.470, 0, 1 / 3], [0.413, 0.267, 0.119 + 1 / 3]],
        (152, 4, 2, 0),
    ),
    "wurtzite": (
        "P6_3mc",
        Lattice.hexagonal(3.25, 5.207),
        ["Zn", "O"],
        [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.382]],
        (186, 2, 2, 1),
    ),
    "corundum": (
        "R-3c",
        Lattice.hexagonal(4.759, 12.991),
        ["Al", "O"],
        [[0, 0, 0.352], [0.306, 0, 0.25]],
        (167, 2, 2, 0),
    ),
    "anglesite": (
        "Pnma",
        Lattice.orthorhombic(8.482, 5.398, 6.959),
        ["Pb", "S", "O", "O", "O"],
        [[0.188, 0.25, 0.167], [0.063, 0.25, 0.684], [0.908, 0.25, 0.596], [0.194, 0.25, 0.543], [0.079, 0.026, 0.809]],
        (62, 11, 3, 0),
    ),
    "baddeleyite": (
        "P2_1/c",
        Lattice.monoclinic(5.150, 5.212, 5.317, 99.2),
        ["Zr", "O", "O"],
        [[0.275, 0.040, 0.208], [0.070, 0.332, 0.345], [0.450, 0.757, 0.479]],
        (14, 9, 4, 0),
    ),
}


def crystal_of(structure: Structure) -> Crystal:
    return Crystal(
        species=np.array(structure.atomic_numbers),
        frac_coords=structure.frac_coords,
        basis=np.array(structure.lattice.matrix),
    ).sorted_by_species()


def prototype(name: str) -> Crystal:
    """The Niggli-reduced primitive cell with an arbitrary origin."""
    group, lattice, species, sites, _ = PROTOTYPES[name]
    structure = Structure.from_spacegroup(group, lattice, species, sites).get_primitive_structure(tolerance=0.01)
    crystal = crystal_of(structure).niggli()
    return replace(crystal, frac_coords=crystal.frac_coords + ORIGIN)


def rattled(crystal: Crystal, size: float, rng: np.random.Generator) -> Crystal:
    """Atoms displaced by a normal deviate of ``size`` A each way, the cell strained by 0.02 %."""
    moves = rng.normal(0.0, size, crystal.frac_coords.shape) @ np.linalg.inv(crystal.basis)
    strain = np.eye(3) + rng.normal(0.0, 2e-4, (3, 3))
    return replace(crystal, frac_coords=crystal.frac_coords + moves, basis=crystal.basis @ strain)


def assert_consistent(sym: SymmetrisedCrystal) -> None:
    assert invariance_error(sym) < 1e-8
    metric = sym.crystal.basis @ sym.crystal.basis.T
    assert np.einsum("gji,jk,gkl->gil", sym.rotations, metric, sym.rotations) == pytest.approx(
        np.broadcast_to(metric, (sym.order, 3, 3)), abs=1e-9
    )
    everyone = np.arange(len(sym.crystal))
    assert (np.sort(sym.permutation, axis=1) == everyone).all()
    assert (sym.crystal.species[sym.permutation] == sym.crystal.species).all()
    assert (sym.orbits <= everyone).all()
    assert (sym.orbits[sym.orbits] == sym.orbits).all()


@pytest.mark.parametrize("name", PROTOTYPES)
def test_a_rattled_crystal_becomes_exactly_symmetric(name: str, rng: np.random.Generator) -> None:
    ideal = prototype(name)
    noisy = rattled(ideal, 0.015, rng)
    sym = find_symmetry(noisy, 0.15)
    assert sym.number == PROTOTYPES[name][4][0]
    assert_consistent(sym)
    assert 0.0 < sym.max_displacement < 0.15
    assert len(sym.wyckoff_letters) == len(ideal)
    shift = sym.crystal.frac_coords - noisy.frac_coords
    assert (shift - np.rint(shift)).mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)


@pytest.mark.parametrize("name", PROTOTYPES)
def test_the_ladder_climbs_to_the_true_group(name: str, rng: np.random.Generator) -> None:
    ladder = symmetry_ladder(rattled(prototype(name), 0.02, rng))
    orders = [rung.order for rung in ladder]
    assert orders == sorted(orders)
    assert len({(rung.number, rung.order) for rung in ladder}) == len(ladder)
    assert PROTOTYPES[name][4][0] in [rung.number for rung in ladder]
    assert ladder[0].order < ladder[-1].order
    for rung in ladder:
        assert_consistent(rung)


@pytest.mark.parametrize("name", PROTOTYPES)
def test_symmetry_leaves_the_free_parameters_of_the_textbook(name: str, rng: np.random.Generator) -> None:
    number, coordinates, strains, origins = PROTOTYPES[name][4]
    sym = find_symmetry(prototype(name), 0.01)
    fields, cell, origin = free_coordinates(sym), free_strains(sym), free_origin(sym)
    assert sym.number == number
    assert (fields.shape[1], cell.shape[1], origin.shape[1]) == (coordinates, strains, origins)
    for basis in (fields, cell, origin):
        assert basis.T @ basis == pytest.approx(np.eye(basis.shape[1]), abs=1e-10)
    moved = replace(
        sym.crystal,
        frac_coords=sym.crystal.frac_coords + 0.03 * (fields @ rng.normal(size=coordinates)).reshape(-1, 3),
        basis=sym.crystal.basis @ (np.eye(3) + strain_matrix(0.02 * cell @ rng.normal(size=strains))),
    )
    assert_consistent(replace(sym, crystal=moved))


def test_a_displacement_off_the_free_fields_breaks_the_symmetry() -> None:
    sym = find_symmetry(prototype("rutile"), 0.01)
    field = free_coordinates(sym)
    other = np.linalg.svd(field)[0][:, 1].reshape(-1, 3)
    broken = replace(sym, crystal=replace(sym.crystal, frac_coords=sym.crystal.frac_coords + 0.01 * other))
    assert invariance_error(broken) > 1e-3


def test_displacement_parameters_are_averaged_over_orbits() -> None:
    crystal = prototype("rutile")
    crystal = replace(crystal, u_iso=np.array([0.01, 0.02, 0.03, 0.04, 0.10, 0.20]))
    u_iso = find_symmetry(crystal, 0.01).crystal.u_iso
    assert u_iso == pytest.approx([0.025] * 4 + [0.15] * 2)


def test_a_smaller_cell_hidden_in_the_crystal_is_handled() -> None:
    crystal = prototype("halite")
    doubled = Structure(Lattice(crystal.basis), crystal.species.tolist(), crystal.frac_coords)
    doubled.make_supercell(2)
    sym = find_symmetry(crystal_of(doubled), 0.01)
    assert (sym.number, sym.order) == (225, 48 * 8)
    assert_consistent(sym)


@pytest.mark.parametrize("name", PROTOTYPES)
def test_spglib_steps_in_where_moyo_gives_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_: object) -> None:
        raise ValueError("no")

    first = find_symmetry(prototype(name), 0.01)
    monkeypatch.setattr(group_search, "_moyo", give_up)
    second = find_symmetry(prototype(name), 0.01)
    assert (second.number, second.order) == (first.number, first.order)
    assert_consistent(second)


def test_a_left_handed_basis_is_as_good() -> None:
    quartz = prototype("quartz")
    left = replace(quartz, basis=quartz.basis[[1, 0, 2]], frac_coords=quartz.frac_coords[:, [1, 0, 2]])
    assert np.linalg.det(left.basis) < 0
    sym = find_symmetry(left, 0.01)
    assert sym.number == 152
    assert_consistent(sym)


def test_nonsense_is_refused_and_the_ladder_skips_it() -> None:
    crystal = prototype("halite")
    for tolerance in (0.0, -1.0, float("nan")):
        with pytest.raises(SymmetryError, match="positive"):
            find_symmetry(crystal, tolerance)
    stacked = replace(crystal, species=np.array([11, 11]), frac_coords=np.zeros((2, 3)))
    assert all(invariance_error(rung) < 1e-8 for rung in symmetry_ladder(stacked))


def test_groups_agree_with_the_table_of_validation_crystals(shared_data) -> None:  # type: ignore[no-untyped-def]
    import pandas as pd

    table = pd.read_parquet(shared_data / "crystals.parquet")
    table = table[table["split"] == "val"].sample(100, random_state=0)
    agree = 0
    for row in table.itertuples():
        crystal = Crystal(
            species=np.array(row.species),
            frac_coords=np.stack(list(row.frac_coords)).reshape(-1, 3).astype(float),
            basis=np.array(row.lattice, dtype=float).reshape(3, 3),
        )
        sym = find_symmetry(crystal, 0.01)
        assert invariance_error(sym) < 1e-8
        agree += sym.number == row.space_group
    assert agree >= 97


def test_contacts_of_halite_and_of_a_skewed_cell(rng: np.random.Generator) -> None:
    halite = prototype("halite")
    assert shortest_contacts(halite) == pytest.approx(2.82 / (1.66 + 1.02), abs=1e-6)
    skewed = replace(halite, basis=np.array([[1, 0, 0], [3, 1, 0], [-2, 5, 1]]) @ halite.basis)
    skewed = replace(skewed, frac_coords=halite.frac_coords @ np.linalg.inv([[1, 0, 0], [3, 1, 0], [-2, 5, 1]]))
    assert shortest_contacts(skewed) == pytest.approx(shortest_contacts(halite))

    lattice = Lattice.from_parameters(6.1, 7.2, 8.3, 75, 85, 65)
    structure = Structure(lattice, ["O"] * 6, rng.random((6, 3)))
    expected = min(neighbour.nn_distance for near in structure.get_all_neighbors(6.0) for neighbour in near)
    assert shortest_contacts(crystal_of(structure)) == pytest.approx(expected / (2 * 0.66), rel=1e-6)


def test_a_batch_of_arrangements_equals_its_members(rng: np.random.Generator) -> None:
    crystal = prototype("anglesite")
    coords = rng.random((5, len(crystal), 3)) * 3 - 1
    together = shortest_contacts_batch(crystal.species, crystal.basis, coords)
    alone = [shortest_contacts(replace(crystal, frac_coords=one)) for one in coords]
    assert together == pytest.approx(alone)


def test_duplicates_are_merged_whatever_origin_hand_and_cell(rng: np.random.Generator) -> None:
    quartz = prototype("quartz")
    other = replace(quartz, frac_coords=rng.random((9, 3)))
    shifted = replace(quartz, frac_coords=quartz.frac_coords + ORIGIN)
    mirrored = replace(quartz, frac_coords=-quartz.frac_coords)
    larger = Structure(Lattice(quartz.basis), quartz.species.tolist(), quartz.frac_coords)
    larger.make_supercell([2, 1, 1])
    assert merge_duplicates([quartz, other, shifted, mirrored, crystal_of(larger)]) == [(0, 2, 3, 4), (1,)]
    assert looks_identical(quartz, mirrored)
    assert not looks_identical(quartz, other)


def test_same_structure_measures_the_difference(rng: np.random.Generator) -> None:
    rutile = prototype("rutile")
    near = same_structure(rutile, rattled(rutile, 0.03, rng))
    assert near is not None
    assert 0.001 < near < 0.1
    assert same_structure(rutile, prototype("quartz")) is None
    assert same_structure(rutile, rutile, patience=1e-6) is None
