"""CIF in and out: real crystals, every way of giving symmetry, and files that must be refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pxrdgen.errors import CellError, InputError, StructureError
from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.symmetry.primitive import primitive
from pxrdgen_crystallography.symmetry.pymatgen_structure import crystal_from_pymatgen, crystal_to_pymatgen
from pxrdgen_files.cif import read_cif, read_cif_text, write_cif_p1

SALT = """data_salt
_cell_length_a 5.6402(2)
_cell_length_b 5.6402(2)
_cell_length_c 5.6402(2)
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
_atom_site_U_iso_or_equiv
Na1 Na+ 0 0 0 1 0.012
Cl1 Cl- 0.5 0.5 0.5 1 0.010
"""

SPINEL_HEAD = """data_spinel
_cell_length_a 8.0806
_cell_length_b 8.0806
_cell_length_c 8.0806
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
"""
ATOM_LOOP = "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
SPINEL_FIRST = (
    SPINEL_HEAD
    + "_symmetry_space_group_name_H-M 'F d -3 m'\n"
    + ATOM_LOOP
    + ("MG1 0 0 0\nAL1 0.625 0.625 0.625\nO1 0.3873 0.3873 0.3873\n")
)
SPINEL_SECOND = (
    SPINEL_HEAD
    + "_symmetry_space_group_name_H-M 'F d -3 m'\n"
    + ATOM_LOOP
    + ("MG1 0.125 0.125 0.125\nAL1 0.5 0.5 0.5\nO1 0.2623 0.2623 0.2623\n")
)


def replaced(old: str, new: str) -> str:
    assert old in SALT
    return SALT.replace(old, new)


def shortest_distance(crystal: Crystal) -> float:
    distances = crystal_to_pymatgen(crystal).distance_matrix
    return float(distances[~np.eye(len(crystal), dtype=bool)].min())


def test_rock_salt_has_four_of_each_in_its_cell() -> None:
    salt = read_cif_text(SALT, name="salt")
    assert salt.formula == "Na4 Cl4"
    assert salt.cell.a == pytest.approx(5.6402)
    assert shortest_distance(salt) == pytest.approx(5.6402 / 2, abs=1e-6)
    assert salt.u_iso is not None
    assert salt.u_iso.tolist() == [0.012] * 4 + [0.010] * 4


def test_the_primitive_cell_of_rock_salt_holds_one_formula_unit() -> None:
    small = primitive(read_cif_text(SALT))
    assert small.species.tolist() == [11, 17]
    assert small.volume == pytest.approx(5.6402**3 / 4)
    assert small.cell.parameters[3:] == pytest.approx((60.0, 60.0, 60.0))
    assert small.u_iso is not None
    assert small.u_iso.tolist() == [0.012, 0.010]


@pytest.mark.parametrize(
    "symmetry",
    [
        "_symmetry_space_group_name_H-M Fm-3m",
        "_space_group_name_H-M_alt 'F m -3 m'",
        "_space_group_IT_number 225",
        "_symmetry_space_group_name_Hall '-F 4 2 3'",
    ],
)
def test_symmetry_may_be_given_in_many_ways(symmetry: str) -> None:
    assert read_cif_text(replaced("_symmetry_space_group_name_H-M 'F m -3 m'", symmetry)).formula == "Na4 Cl4"


def test_listed_operations_win_over_the_symbol() -> None:
    text = replaced("loop_", "loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,z'\n'x+1/2,y+1/2,z'\nloop_")
    assert read_cif_text(text).formula == "Na2 Cl2"


@pytest.mark.parametrize("text", [SPINEL_FIRST, SPINEL_SECOND])
def test_an_open_origin_choice_is_the_one_that_keeps_atoms_apart(text: str) -> None:
    spinel = read_cif_text(text)
    assert spinel.formula == "O32 Mg8 Al16"
    assert shortest_distance(spinel) == pytest.approx(1.92, abs=0.02)


def test_both_origins_of_spinel_are_one_crystal() -> None:
    from pymatgen.analysis.structure_matcher import StructureMatcher

    first, second = (crystal_to_pymatgen(primitive(read_cif_text(text))) for text in (SPINEL_FIRST, SPINEL_SECOND))
    assert len(first) == 14
    assert StructureMatcher().fit(first, second)


def test_a_rounded_special_position_is_one_atom() -> None:
    text = (
        SPINEL_HEAD.replace("8.0806", "4.9") + "_space_group_IT_number 194\n" + ATOM_LOOP + "Mg1 0.3333 0.6667 0.25\n"
    )
    magnesium = read_cif_text(text.replace("gamma 90", "gamma 120"))
    assert len(magnesium) == 2
    assert magnesium.frac_coords[0] == pytest.approx([1 / 3, 2 / 3, 0.25], abs=1e-4)


def test_anisotropic_displacements_become_their_equivalent() -> None:
    loop = "loop_\n_atom_site_aniso_label\n" + "".join(
        f"_atom_site_aniso_U_{axes}\n" for axes in ("11", "22", "33", "23", "13", "12")
    )
    text = replaced(" 1 0.012", " 1 ?") + loop + "Na1 0.01 0.02 0.03 0 0 0\n"
    salt = read_cif_text(text)
    assert salt.u_iso is not None
    assert salt.u_iso[0] == pytest.approx(0.02)


def test_a_displacement_of_zero_is_kept_and_one_left_out_is_the_mean_of_the_others() -> None:
    salt = read_cif_text(replaced(" 1 0.012", " 1 0.0"))
    assert salt.u_iso is not None
    assert salt.u_iso.tolist() == [0.0] * 4 + [0.010] * 4
    salt = read_cif_text(replaced(" 1 0.012", " 1 ?"))
    assert salt.u_iso is not None
    assert salt.u_iso.tolist() == pytest.approx([0.010] * 8)


def test_b_is_eight_pi_squared_u() -> None:
    loop = "loop_\n_atom_site_aniso_label\n" + "".join(
        f"_atom_site_aniso_B_{axes}\n" for axes in ("11", "22", "33", "23", "13", "12")
    )
    factor = 8 * np.pi**2
    isotropic = read_cif_text(replaced("U_iso_or_equiv", "B_iso_or_equiv").replace("0.012", f"{factor * 0.012:.6f}"))
    assert isotropic.u_iso is not None
    assert isotropic.u_iso[0] == pytest.approx(0.012, abs=1e-6)
    row = " ".join(f"{factor * value:.6f}" for value in (0.01, 0.02, 0.03, 0, 0, 0))
    salt = read_cif_text(replaced(" 1 0.012", " 1 ?") + loop + f"Na1 {row}\n")
    assert salt.u_iso is not None
    assert salt.u_iso[0] == pytest.approx(0.02, abs=1e-6)


def test_a_written_cif_reads_back_as_the_same_crystal(rng: np.random.Generator) -> None:
    crystal = Crystal(
        species=np.array([22, 8, 8]),
        frac_coords=rng.random((3, 3)),
        basis=np.diag([4.0, 5.0, 6.0]) + 0.3 * rng.random((3, 3)),
        u_iso=np.array([0.004, 0.01, 0.02]),
        name="a b'c",
    )
    back = read_cif_text(write_cif_p1(crystal))
    assert back.cell.parameters == pytest.approx(crystal.cell.parameters, abs=1e-5)
    assert np.allclose(back.frac_coords, crystal.frac_coords, atol=1e-6)
    assert np.allclose(back.u_iso, crystal.u_iso, atol=1e-5)


def test_a_left_handed_basis_is_written_without_mirroring_the_crystal(rng: np.random.Generator) -> None:
    crystal = Crystal(species=np.array([22, 8, 8]), frac_coords=rng.random((3, 3)), basis=-np.diag([4.0, 5.0, 6.0]))
    back = read_cif_text(write_cif_p1(crystal))
    assert np.allclose(back.frac_coords @ back.basis, (-crystal.frac_coords % 1.0) @ -crystal.basis, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (replaced("0 0 0 1 0.012", "0 0 0 0.5 0.012"), StructureError, "ordered crystals only"),
        (replaced("Na1 Na+", "Qx1 Qx"), StructureError, "no element"),
        (replaced("_cell_length_b 5.6402(2)\n", ""), StructureError, "without _cell_length_b"),
        (replaced("_cell_length_b 5.6402(2)", "_cell_length_b -3"), CellError, "expected 0.5 to 500"),
        (replaced("_cell_angle_gamma 90", "_cell_angle_gamma 179.9"), CellError, "175"),
        (replaced("F m -3 m", "Q m -3 m"), StructureError, "not known"),
        (replaced("Cl1 Cl- 0.5 0.5 0.5", "Cl1 Cl- 0.01 0 0"), StructureError, "on top of each other"),
        (replaced("Cl1 Cl- 0.5 0.5 0.5", "Cl1 Cl- ? ? ?"), StructureError, "without coordinates"),
        (SALT.split("loop_", maxsplit=1)[0], StructureError, "no atoms"),
        (SALT.replace("loop_", "loop_ loop_ 'unfinished"), StructureError, "not a valid CIF"),
        ("", StructureError, "empty"),
        ("\0\1\2", StructureError, "binary"),
        (replaced("loop_", "loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,nonsense'\nloop_"), StructureError, "operations"),
        (
            replaced("loop_", "loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,x'\nloop_"),
            StructureError,
            "bad generators|form no group",
        ),
        (SALT + "".join(f"O{n} O2- 0.{n:05d} 0.1 0.2 1 0.01\n" for n in range(3000)), StructureError, "at most 2000"),
        (replaced("5.6402(2)", "90") + "O1 O2- 0.1 0.2 0.3 1 0.01\n" * 12, StructureError, "at most 2000|top of each"),
        ("#" * (5 * 2**20 + 1), StructureError, "at most 5 MiB"),
    ],
)
def test_unusable_files_are_named_for_what_they_are(text: str, error: type[InputError], message: str) -> None:
    with pytest.raises(error, match=message):
        read_cif_text(text)


def test_missing_folder_and_oversized_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match="cannot be read"):
        read_cif(tmp_path / "none.cif")
    with pytest.raises(StructureError, match="cannot be read"):
        read_cif(tmp_path)
    large = tmp_path / "large.cif"
    large.write_text("#" * (5 * 2**20 + 1))
    with pytest.raises(StructureError, match="MiB"):
        read_cif(large)


def test_latin_1_comments_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "salt.cif"
    path.write_bytes(b"# d\xfcnn \xc5\n" + SALT.encode())
    assert read_cif(path).name == "salt"


def test_pymatgen_and_back_is_the_same_crystal() -> None:
    salt = read_cif_text(SALT)
    back = crystal_from_pymatgen(crystal_to_pymatgen(salt), name="salt")
    assert np.array_equal(back.species, salt.species)
    assert np.allclose(back.frac_coords, salt.frac_coords)
    structure = crystal_to_pymatgen(salt)
    structure.replace(0, {"Na": 0.5, "K": 0.5})
    with pytest.raises(StructureError, match="ordered crystals only"):
        crystal_from_pymatgen(structure)


def test_reference_structures_have_the_atoms_pymatgen_finds(shared_data: Path) -> None:
    pytest.importorskip("pymatgen.core")
    from pymatgen.io.cif import CifParser

    files = [*sorted((shared_data / "examples").glob("*.cif")), *sorted((shared_data / "real").glob("*.cif"))[::4]]
    assert len(files) > 15
    for path in files:
        structure = CifParser(path).parse_structures(primitive=False)[0]
        crystal = read_cif(path)
        assert len(crystal) == len(structure), path.name
        assert len(primitive(crystal)) == len(structure.get_primitive_structure()), path.name
