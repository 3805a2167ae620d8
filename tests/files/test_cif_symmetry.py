"""Symmetry, elements and structures of CIFs that say them carelessly: told by cell, formula, Z and contents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pxrdgen.errors import StructureError
from pxrdgen.values.crystal import Crystal
from pxrdgen_files.cif import read_cif, read_cif_text, structures_note

CALCITE = [(6.361, 6.361, 6.361, 46.1, 46.1, 46.1), "Ca 0 0 0", "C 0.25 0.25 0.25", "O 0.507 -0.007 0.25"]
MONAZITE = [
    (6.777, 6.993, 6.445, 90, 103.54, 90), "Ce1 0.2815 0.1593 0.1001", "P1 0.3048 0.1630 0.6121",
    "O1 0.2501 0.0068 0.4450", "O2 0.3814 0.3307 0.4975", "O3 0.4745 0.1054 0.8042", "O4 0.1274 0.2154 0.7104",
]  # fmt: skip
DIAMOND_2 = [(3.567,) * 3 + (90, 90, 90), "C1 0.125 0.125 0.125"]
DIAMOND_1 = [(3.567,) * 3 + (90, 90, 90), "C1 0 0 0"]
ANATASE_1 = [(3.785, 3.785, 9.514, 90, 90, 90), "Ti1 0 0 0", "O1 0 0 0.2081"]
ANATASE_2 = [(3.785, 3.785, 9.514, 90, 90, 90), "Ti1 0 0.75 0.125", "O1 0 0.25 0.0831"]


def cif(structure, *items: str, name: str = "x") -> str:
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    cell = [f"_cell_{tag} {value}" for tag, value in zip(names, structure[0], strict=True)]
    loop = ["loop_", "_atom_site_label", *(f"_atom_site_fract_{axis}" for axis in "xyz")]
    return "\n".join([f"data_{name}", *cell, *items, *loop, *structure[1:]]) + "\n"


def symbol(text: str) -> str:
    return f"_symmetry_space_group_name_H-M '{text}'"


def shortest(crystal: Crystal) -> float:
    delta = crystal.frac_coords[:, None] - crystal.frac_coords[None]
    delta = (delta - np.round(delta)) @ crystal.basis
    return float(np.sort(np.linalg.norm(delta, axis=-1), axis=None)[len(crystal)])


@pytest.mark.parametrize("words", ["R -3 c RS", "R -3 c", "R -3 c:R", "R-3c R", "R -3 c:H", "R -3 c H"])
def test_a_rhombohedral_cell_has_rhombohedral_axes_whatever_the_symbol_says(words):
    calcite = read_cif_text(cif(CALCITE, symbol(words), "_symmetry_Int_Tables_number 167"))
    assert calcite.formula == "C2 O6 Ca2"


def test_a_number_alone_is_the_setting_that_fits_the_cell():
    assert len(read_cif_text(cif(CALCITE, "_space_group_IT_number '167'"))) == 10


@pytest.mark.parametrize("words", ["P2(1)/n", "P21/n", "P 1 21/n 1", "P 21/n (14)", "P2_1/n"])
def test_a_symbol_in_brackets_is_its_own_setting_and_not_the_numbers(words):
    known = read_cif_text(cif(MONAZITE, symbol("P 1 21/n 1")))
    found = read_cif_text(cif(MONAZITE, symbol(words), "_symmetry_Int_Tables_number 14"))
    np.testing.assert_allclose(found.frac_coords, known.frac_coords)


def test_a_symbol_nobody_knows_is_refused_where_its_number_has_several_settings():
    with pytest.raises(StructureError, match="not known"):
        read_cif_text(cif(MONAZITE, symbol("P twenty-one over n"), "_symmetry_Int_Tables_number 14"))


def test_symmetry_the_cell_does_not_have_is_refused():
    with pytest.raises(StructureError, match="does not have"):
        read_cif_text(cif(MONAZITE, symbol("F m -3 m")))


@pytest.mark.parametrize(
    "items", [(), ("_cell_formula_units_Z 8", "_chemical_formula_sum C"), ("_chemical_formula_sum C8",)]
)
@pytest.mark.parametrize("structure", [DIAMOND_1, DIAMOND_2])
def test_the_origin_of_diamond_is_told_by_its_contents(structure, items):
    diamond = read_cif_text(cif(structure, symbol("F d -3 m"), *items))
    assert len(diamond) == 8
    assert shortest(diamond) == pytest.approx(1.545, abs=0.01)


@pytest.mark.parametrize("structure", [ANATASE_1, ANATASE_2])
@pytest.mark.parametrize("words", [symbol("I 41/a m d"), "_space_group_IT_number 141"])
def test_the_origin_of_anatase_is_told_by_its_contents(structure, words):
    anatase = read_cif_text(cif(structure, words))
    assert anatase.formula == "O8 Ti4"
    assert shortest(anatase) == pytest.approx(1.93, abs=0.02)


def test_a_short_monoclinic_symbol_has_the_unique_axis_of_the_cell():
    unique_c = [(5, 6, 7, 90, 90, 100), "Mg1 .1 .2 .3"]
    found = read_cif_text(cif(unique_c, symbol("P 21/b")))
    np.testing.assert_allclose(found.frac_coords, read_cif_text(cif(unique_c, symbol("P 1 1 21/b"))).frac_coords)


def test_a_stated_origin_is_kept():
    assert len(read_cif_text(cif(DIAMOND_1, symbol("F d -3 m Z")))) == 16
    assert len(read_cif_text(cif(DIAMOND_1, symbol("F d -3 m S")))) == 8


def test_operations_the_formula_contradicts_give_way_to_the_symbol():
    salt = [(5.64,) * 3 + (90, 90, 90), "Na1 0 0 0", "Cl1 0.5 0.5 0.5"]
    listed = "loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,z'"
    items = (symbol("F m -3 m"), "_chemical_formula_sum 'Na Cl'", "_cell_formula_units_Z 4", listed)
    assert read_cif_text(cif(salt, *items)).formula == "Na4 Cl4"


BRUCITE = [(3.148, 3.148, 4.779, 90, 90, 120), "Mg1 0 0 0", "O1 0.3333 0.6667 0.2203", "HO1 0.3333 0.6667 0.4130"]
HYDRATE = [(7.1, 8.6, 6.1, 112, 109, 90), "Ca 0.28 0.31 0.22", "O1 0.25 0.02 0.89", "Wat1 0.14 0.13 0.36"]


@pytest.mark.parametrize(
    ("structure", "items", "formula"),
    [
        (BRUCITE, (symbol("P -3 m 1"),), "H2 O2 Mg"),
        (HYDRATE, (symbol("P -1"),), "O4 Ca2"),
        (HYDRATE, (symbol("P -1"), "_chemical_formula_sum 'Ca O2 H2'"), "O4 Ca2"),
        (
            [BRUCITE[0], "HO1 0 0 0.5", "O1 0.3333 0.6667 0.22"],
            (symbol("P -3"), "_chemical_formula_sum 'Ho O2'"),
            "O2 Ho",
        ),
        (
            [BRUCITE[0], "CO1 0 0 0", "O1 0.3333 0.6667 0.22"],
            (symbol("P -3"), "_chemical_formula_sum 'Co O2'"),
            "O2 Co",
        ),
        ([BRUCITE[0], "CO1 0 0 0", "O1 0.3333 0.6667 0.22"], (symbol("P -3"), "_chemical_formula_sum 'C O2'"), "C O2"),
    ],
)
def test_a_label_is_an_element_of_the_formula(structure, items, formula):
    assert read_cif_text(cif(structure, *items)).formula == formula


def test_a_label_that_is_no_element_of_the_formula_is_refused():
    with pytest.raises(StructureError, match="names no element of its"):
        read_cif_text(cif(HYDRATE, symbol("P -1"), "_chemical_formula_sum 'Mg O2'"))


def test_of_several_structures_one_is_named_and_another_can_be_chosen(tmp_path: Path):
    path = tmp_path / "two.cif"
    path.write_text(
        cif(DIAMOND_1, symbol("F d -3 m"), name="diamond") + cif(ANATASE_1, symbol("I 41/a m d"), name="anatase")
    )
    assert len(read_cif(path)) == 8
    assert read_cif(path, block="anatase").formula == "O8 Ti4"
    assert (
        structures_note(path)
        == "two.cif holds 2 structures (diamond, anatase): diamond is read; --block chooses another"
    )
    assert not structures_note(path, "anatase")
    with pytest.raises(StructureError, match="expected one of diamond, anatase"):
        read_cif(path, block="rutile")
