"""CIFs come out in the user's setting and mean the crystal they were written from."""

from __future__ import annotations

import math

import gemmi
import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import ATOMIC_NUMBERS
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.problem import StructureProblem
from pxrdgen.values.space_group import SpaceGroup
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.symmetry.conventional import to_conventional
from pxrdgen_crystallography.symmetry.uncertainty import conventional_cell_su
from pxrdgen_files.cif_check import expansion_error
from pxrdgen_files.cif_write import cif_text, with_su
from pxrdgen_solver.question.problem import build_problem

Sites = list[tuple[str, tuple[float, float, float]]]

GENERAL: Sites = [("La", (0.112, 0.187, 0.343)), ("O", (0.051, 0.418, 0.189))]
TRICLINIC = UnitCell(7.1, 8.3, 9.7, 81.0, 98.0, 103.0)
MONOCLINIC_B = UnitCell(7.1, 8.3, 9.7, 90.0, 103.0, 90.0)
MONOCLINIC_C = UnitCell(7.1, 8.3, 9.7, 90.0, 90.0, 103.0)
ORTHORHOMBIC = UnitCell(8.1, 9.3, 11.7)
TETRAGONAL = UnitCell(9.1, 9.1, 12.7)
HEXAGONAL = UnitCell(9.1, 9.1, 12.7, 90.0, 90.0, 120.0)
RHOMBOHEDRAL = UnitCell(8.1, 8.1, 8.1, 71.0, 71.0, 71.0)
CUBIC = UnitCell(11.3, 11.3, 11.3)

#: Symbol as a user types it, cell, asymmetric unit: all crystal systems, lattice letters and the awkward settings.
SETTINGS: list[tuple[str, UnitCell, Sites]] = [
    ("P 1", TRICLINIC, GENERAL),
    ("P -1", TRICLINIC, GENERAL),
    ("P 1 21 1", MONOCLINIC_B, GENERAL),
    ("C 1 2 1", MONOCLINIC_B, GENERAL),
    ("P 1 c 1", MONOCLINIC_B, GENERAL),
    ("P 1 21/c 1", MONOCLINIC_B, GENERAL),
    ("P 1 21/n 1", MONOCLINIC_B, GENERAL),
    ("P 1 21/a 1", MONOCLINIC_B, GENERAL),
    ("P 1 1 21/b", MONOCLINIC_C, GENERAL),
    ("C 1 2/c 1", MONOCLINIC_B, GENERAL),
    ("I 1 2/a 1", MONOCLINIC_B, GENERAL),
    ("P 21 21 21", ORTHORHOMBIC, GENERAL),
    ("P c a 21", ORTHORHOMBIC, GENERAL),
    ("P n m a", ORTHORHOMBIC, GENERAL),
    ("P b n m", ORTHORHOMBIC, GENERAL),
    ("P m c n", ORTHORHOMBIC, GENERAL),
    ("C m c m", ORTHORHOMBIC, GENERAL),
    ("A m a 2", ORTHORHOMBIC, GENERAL),
    ("F d d 2", ORTHORHOMBIC, GENERAL),
    ("I b a m", ORTHORHOMBIC, GENERAL),
    ("P 42/m n m", TETRAGONAL, GENERAL),
    ("I 41/a m d:2", TETRAGONAL, [("Ti", (0.0, 0.75, 0.125)), ("O", (0.0, 0.25, 0.081))]),
    ("I 41/a m d:1", TETRAGONAL, [("Ti", (0.0, 0.0, 0.0)), ("O", (0.0, 0.0, 0.208))]),
    ("P 31 2 1", HEXAGONAL, GENERAL),
    ("P 32 2 1", HEXAGONAL, GENERAL),
    ("R -3 c:H", HEXAGONAL, [("Al", (0.0, 0.0, 0.352)), ("O", (0.306, 0.0, 0.25))]),
    ("R -3 c:R", RHOMBOHEDRAL, [("Al", (0.352, 0.352, 0.352)), ("O", (0.55, -0.05, 0.25))]),
    ("R 3 m:H", HEXAGONAL, [("Pb", (0.0, 0.0, 0.1)), ("O", (0.15, -0.15, 0.27))]),
    ("P 63/m m c", HEXAGONAL, [("Mg", (0.0, 0.0, 0.0)), ("S", (0.17, 0.34, 0.25))]),
    ("P 63 m c", HEXAGONAL, [("Zn", (1 / 3, 2 / 3, 0.0)), ("S", (1 / 3, 2 / 3, 0.379))]),
    ("P a -3", CUBIC, [("Fe", (0.0, 0.0, 0.0)), ("S", (0.385, 0.385, 0.385))]),
    ("F d -3 m:2", CUBIC, [("Mg", (0.125, 0.125, 0.125)), ("Al", (0.5, 0.5, 0.5)), ("O", (0.261, 0.261, 0.261))]),
    ("F d -3 m:1", CUBIC, [("Si", (0.0, 0.0, 0.0))]),
    ("I a -3 d", CUBIC, [("Fe", (0.0, 0.0, 0.0)), ("Ca", (0.125, 0.0, 0.25))]),
]


def crystal_of(symbol: str, cell: UnitCell, sites: Sites) -> Crystal:
    """All atoms of the cell in that setting."""
    operations = gemmi.find_spacegroup_by_name(symbol).operations()
    species: list[int] = []
    coords: list[np.ndarray] = []
    for element, place in sites:
        kept: list[np.ndarray] = []
        for operation in operations:
            image = np.array(operation.apply_to_xyz(list(place)))
            if all(np.abs((image - other) - np.rint(image - other)).max() > 1e-6 for other in kept):
                kept.append(image)
        species += [ATOMIC_NUMBERS[element]] * len(kept)
        coords += kept
    return Crystal(species=np.array(species), frac_coords=np.array(coords), basis=cell.basis)


def densified(crystal: Crystal) -> Crystal:
    """The same shape with 18 A^3 for each atom, so that the cell can hold the formula."""
    scale = (18.0 * len(crystal) / crystal.volume) ** (1 / 3)
    return Crystal(species=crystal.species, frac_coords=crystal.frac_coords, basis=crystal.basis * scale)


def to_structure(crystal: Crystal) -> Structure:
    """For pymatgen."""
    return Structure(Lattice(crystal.basis), crystal.species.tolist(), crystal.frac_coords)


def in_primitive_cell(crystal: Crystal, to_user: np.ndarray, basis: np.ndarray) -> Crystal:
    """The crystal of the user's cell in the primitive one: x = x_user @ to_user, one atom for each lattice point."""
    coords = crystal.frac_coords @ to_user % 1.0
    kept: list[int] = []
    for atom in range(len(crystal)):
        delta = coords[kept] - coords[atom]
        same = (np.abs(delta - np.rint(delta)).max(axis=1) < 1e-6) & (crystal.species[kept] == crystal.species[atom])
        if not same.any():
            kept.append(atom)
    return Crystal(species=crystal.species[kept], frac_coords=coords[kept], basis=basis).sorted_by_species()


STRICT = StructureMatcher(ltol=0.005, stol=0.01, angle_tol=0.2, primitive_cell=False, scale=False)
ORIGIN = np.array([0.17, 0.29, 0.83])
PATTERN = PowderPattern(two_theta=np.linspace(10, 80, 50), intensity=np.ones(50))


def stated(crystal: Crystal, group: SpaceGroup | None, cell: UnitCell | None = None) -> StructureProblem:
    """The problem whose user's cell holds the crystal."""
    composition, z = Composition.from_species(crystal.species).reduced()
    centring = None if group is not None else "P"
    return build_problem(PATTERN, composition, cell=cell or crystal.cell, z=z, centring=centring, space_group=group)


def is_same(a: Structure, b: Structure) -> bool:
    return len(a) == len(b) and bool(STRICT.fit(a, b))


@pytest.mark.parametrize(("symbol", "cell", "sites"), SETTINGS, ids=[setting[0] for setting in SETTINGS])
def test_a_solved_crystal_returns_to_the_setting_it_was_asked_in(symbol: str, cell: UnitCell, sites: Sites) -> None:
    given = densified(crystal_of(symbol, cell, sites))
    cell = given.cell
    group = parse_space_group(symbol)
    problem = stated(given, group)
    solved = in_primitive_cell(given, problem.to_user, problem.basis)
    assert sorted(solved.species.tolist()) == problem.species.tolist()
    moved = Crystal(species=solved.species, frac_coords=solved.frac_coords + ORIGIN, basis=solved.basis)

    found = to_conventional(moved, problem=problem)
    assert found.notes == ()
    assert found.space_group.hm_symbol == group.hm_symbol
    assert found.crystal.cell.parameters == pytest.approx(cell.parameters, abs=1e-6)

    text = cif_text(found.crystal, found.space_group)
    assert expansion_error(text, found.crystal) < 1e-4
    read = Structure.from_str(text, fmt="cif")
    assert is_same(read, to_structure(given))
    assert read.volume == pytest.approx(given.volume, rel=1e-4)
    small = gemmi.make_small_structure_from_block(gemmi.cif.read_string(text).sole_block())
    assert small.spacegroup.xhm() == group.hm_symbol
    assert len(small.get_all_unit_cell_sites()) == len(given)
    density = float(gemmi.cif.read_string(text).sole_block().find_value("_exptl_crystal_density_diffrn"))
    assert density == pytest.approx(float(read.density), rel=2e-3)


def test_one_crystal_given_as_p21c_and_as_p21n() -> None:
    cell_c = MONOCLINIC_B
    given_c = crystal_of("P 1 21/c 1", cell_c, GENERAL)
    change = np.array([[-1, 0, -1], [0, 1, 0], [1, 0, 0]])
    given_n = Crystal(
        species=given_c.species, frac_coords=given_c.frac_coords @ np.linalg.inv(change), basis=change @ cell_c.basis
    )
    problem_c = stated(given_c, parse_space_group("P21/c"))
    problem_n = stated(given_n, parse_space_group("P21/n"))
    assert problem_c.basis == pytest.approx(problem_n.basis, abs=1e-8)
    solved = in_primitive_cell(given_c, problem_c.to_user, problem_c.basis)

    as_c, as_n = (to_conventional(solved, problem=problem) for problem in (problem_c, problem_n))
    assert (as_c.space_group.short_symbol, as_n.space_group.short_symbol) == ("P21/c", "P21/n")
    assert as_c.crystal.cell.parameters == pytest.approx(given_c.cell.parameters, abs=1e-6)
    assert as_n.crystal.cell.parameters == pytest.approx(given_n.cell.parameters, abs=1e-6)
    texts = [cif_text(found.crystal, found.space_group) for found in (as_c, as_n)]
    assert "'x+1/2,-y+1/2,z+1/2'" in texts[1] or "x+1/2,-y+1/2,z+1/2" in texts[1]
    first, second = (Structure.from_str(text, fmt="cif") for text in texts)
    assert is_same(first, second)
    assert is_same(second, to_structure(given_c))


def test_without_a_space_group_the_users_axes_are_kept() -> None:
    given = densified(crystal_of("P b n m", ORTHORHOMBIC, GENERAL))
    problem = stated(given, None)
    found = to_conventional(in_primitive_cell(given, problem.to_user, problem.basis), problem=problem)
    assert found.space_group.hm_symbol == "P b n m"
    assert to_conventional(given).space_group.hm_symbol == "P n m a"


def test_another_group_than_the_one_given_is_said() -> None:
    given = densified(crystal_of("P b n m", ORTHORHOMBIC, GENERAL))
    problem = stated(given, parse_space_group("P 21 21 21"))
    found = to_conventional(in_primitive_cell(given, problem.to_user, problem.basis), problem=problem)
    assert found.space_group.hm_symbol == "P b n m"
    assert "not the given P 21 21 21" in found.notes[0]
    axes = stated(given, parse_space_group("P n m a"))
    assert (
        "in the given cell the structure is P b n m, not P n m a"
        in to_conventional(in_primitive_cell(given, axes.to_user, axes.basis), problem=axes).notes
    )


def test_a_primitive_cell_of_a_face_centred_crystal_leads_to_the_cubic_cell() -> None:
    edge = 5.463 / math.sqrt(2)
    cell = UnitCell(edge, edge, edge, 60, 60, 60)
    given = Crystal(
        species=np.array([9, 9, 20]), frac_coords=np.array([[0.25] * 3, [0.75] * 3, [0.0] * 3]), basis=cell.basis
    )
    found = to_conventional(given, problem=stated(given, None))
    assert found.space_group.short_symbol == "Fm-3m"
    assert found.crystal.cell.parameters == pytest.approx((5.463, 5.463, 5.463, 90, 90, 90), abs=1e-6)
    assert "reference setting" in found.notes[0]
    assert len(found.crystal) == 12
    assert conventional_cell_su(found, [0.001, 0.001, 0.001, 0, 0, 0]) == pytest.approx(
        (0.001 * math.sqrt(2),) * 3 + (0, 0, 0), rel=1e-6
    )


def test_the_mirror_image_is_taken_when_the_user_named_it() -> None:
    given = crystal_of("P 31 2 1", HEXAGONAL, GENERAL)
    problem = stated(given, parse_space_group("P 32 2 1"))
    found = to_conventional(in_primitive_cell(given, problem.to_user, problem.basis), problem=problem)
    assert found.space_group.hm_symbol == "P 32 2 1"
    assert "mirror image" in found.notes[0]
    assert expansion_error(cif_text(found.crystal, found.space_group), found.crystal) < 1e-4


def test_a_supercell_is_told_and_written_in_the_small_cell() -> None:
    halite = to_structure(crystal_of("F m -3 m", UnitCell(5.64, 5.64, 5.64), [("Na", (0, 0, 0)), ("Cl", (0.5, 0, 0))]))
    halite.make_supercell(2)
    crystal = Crystal(
        species=np.array(halite.atomic_numbers), frac_coords=halite.frac_coords, basis=np.array(halite.lattice.matrix)
    )
    found = to_conventional(crystal)
    assert len(found.crystal) == 8
    assert "smaller cell" in found.notes[0]


def test_uncertainties_and_agreement_factors_are_written() -> None:
    given = crystal_of("P 1 21/n 1", MONOCLINIC_B, GENERAL)
    crystal = Crystal(
        species=given.species, frac_coords=given.frac_coords, basis=given.basis, u_iso=np.full(len(given), 0.0123)
    )
    text = cif_text(
        crystal,
        parse_space_group("P21/n"),
        cell_su=(0.0004, 0.0004, 0.0012, 0, 0.003, 0),
        coordinate_su=np.full((len(given), 3), 0.00031),
        r_factors={"r_wp": 0.0712, "gof": 1.31},
        title="étude; data_x 'one'",
        notes=["first\n;data_evil", "second"],
    )
    document = gemmi.cif.read_string(text)
    block = document.sole_block()
    assert block.find_value("_cell_length_c") == "9.7000(12)"
    assert block.find_value("_cell_angle_alpha") == "90.0000"
    assert block.find_value("_pd_proc_ls_prof_wR_factor") == "0.07120"
    assert float(block.find_value("_refine_ls_goodness_of_fit_all")) == 1.31
    table = block.find("_atom_site_", ["label", "fract_x", "U_iso_or_equiv"])
    assert [row[0] for row in table] == ["O1", "La1"]
    assert all(row[1].endswith("(3)") and row[2] == "0.01230" for row in table)
    assert len(Structure.from_str(text, fmt="cif")) == len(given)


def test_hydrogen_that_was_not_refined_is_said_to_be_calculated() -> None:
    cell = UnitCell(a=4.0, b=5.0, c=6.0, alpha=90.0, beta=90.0, gamma=90.0)
    coords = np.array([[0.1, 0.2, 0.3], [0.3, 0.2, 0.3], [0.6, 0.7, 0.8]])
    crystal = Crystal(species=np.array([1, 8, 82]), frac_coords=coords, basis=cell.basis, u_iso=np.full(3, 0.02))
    su = np.full((3, 3), 0.001)

    def flags(coordinate_su: np.ndarray, u_su: np.ndarray) -> list[str]:
        text = cif_text(crystal, parse_space_group("P1"), coordinate_su=coordinate_su, u_iso_su=u_su)
        return [row[0] for row in gemmi.cif.read_string(text).sole_block().find(["_atom_site_calc_flag"])]

    held = np.array([[0.0], [1.0], [1.0]])
    assert flags(su * held, 0.001 * held[:, 0]) == ["calc", "d", "d"]
    assert flags(su, np.full(3, 0.001)) == []


@pytest.mark.parametrize(
    ("value", "su", "printed"),
    [
        (1.23456, 0.00012, "1.23456(12)"),
        (1.23456, 0.0193, "1.235(19)"),
        (1.23456, 0.0021, "1.235(2)"),
        (0.5, 0.0, "0.500000"),
        (0.5, math.nan, "0.500000"),
        (12.3, 0.45, "12.300(450)"),
    ],
)
def test_uncertainties_are_rounded_by_the_rule_of_19(value: float, su: float, printed: str) -> None:
    assert with_su(value, su, least=3, plain=6) == printed


def test_a_wrong_space_group_never_reaches_the_file() -> None:
    given = crystal_of("P 1 21/n 1", MONOCLINIC_B, GENERAL)
    text = cif_text(given, parse_space_group("P21/c"))
    assert "_space_group_IT_number 1" in text
    assert "written in P 1" in text
    assert is_same(Structure.from_str(text, fmt="cif"), to_structure(given))
