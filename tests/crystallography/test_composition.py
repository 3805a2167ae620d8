"""Formulas as chemists type them, and how many formula units a cell holds."""

from __future__ import annotations

from math import gcd

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pxrdgen.errors import FormulaError
from pxrdgen.values.composition import Composition
from pxrdgen.values.elements import ATOMIC_NUMBERS, SYMBOLS
from pxrdgen_crystallography.formula.parse import parse_formula
from pxrdgen_crystallography.lattice.atomic_volumes import estimate_volume, plausible_z


def counts(formula: str) -> dict[str, int]:
    return {SYMBOLS[z]: n for z, n in parse_formula(formula)[0].counts}


HYDRATE = {"Cu": 1, "S": 1, "O": 9, "H": 10}


@pytest.mark.parametrize(
    "text",
    [
        "CuSO4.5H2O",
        "CuSO4·5H2O",
        "CuSO4•5H2O",
        "CuSO4*5H2O",
        "CuSO₄·5H₂O",
        "Cu SO4 . 5 H2O",
        "CuSO4(H2O)5",
        "CuSO4 x 5 H2O",
        "CuSO4 x 5H2O",
        "CuSO4x5H2O",
        "CuSO4 · 5 H2O",
    ],
)
def test_every_spelling_of_blue_vitriol_is_the_pentahydrate(text: str) -> None:
    assert counts(text) == HYDRATE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PbSO4", {"Pb": 1, "S": 1, "O": 4}),
        ("Ca5(PO4)3F", {"Ca": 5, "P": 3, "O": 12, "F": 1}),
        ("[Co(NH3)6]Cl3", {"Co": 1, "N": 6, "H": 18, "Cl": 3}),
        ("K4[Fe(CN)6]·3H2O", {"K": 4, "Fe": 1, "C": 6, "N": 6, "H": 6, "O": 3}),
        ("{Na2}O", {"Na": 2, "O": 1}),
        ("3CaO·Al2O3", {"Ca": 3, "Al": 2, "O": 6}),
        ("Al2O3.2SiO2.2H2O", {"Al": 2, "Si": 2, "H": 4, "O": 9}),
        ("$Na_{2}SO_{4}$", {"Na": 2, "S": 1, "O": 4}),
        ("Na<sub>2</sub>O", {"Na": 2, "O": 1}),
        ("Pb1 S1 O4", {"Pb": 1, "S": 1, "O": 4}),
    ],
)
def test_brackets_dots_and_typography_are_understood(text: str, expected: dict[str, int]) -> None:
    assert counts(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fe3+", {"Fe": 1}),
        ("Fe³⁺", {"Fe": 1}),
        ("SO4^2-", {"S": 1, "O": 4}),
        ("SO42-", {"S": 1, "O": 4}),
        ("SO4 2-", {"S": 1, "O": 4}),
        ("(NH4)+", {"N": 1, "H": 4}),
        ("NH4+", {"N": 1, "H": 4}),
        ("[Co(NH3)6]3+", {"Co": 1, "N": 6, "H": 18}),
        ("Fe^2+^Fe^3+^_2_O_4_", {"Fe": 3, "O": 4}),
        ("Fe(III)Cl3", {"Fe": 1, "Cl": 3}),
    ],
)
def test_charges_are_left_out_with_a_note(text: str, expected: dict[str, int]) -> None:
    assert counts(text) == expected
    assert "charges are left out" in parse_formula(text)[1][0]


def test_heavy_water_is_water_to_x_rays() -> None:
    composition, notes = parse_formula("D2O")
    assert composition == parse_formula("H2O")[0]
    assert "read as H" in notes[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fe0.5Ni0.5", {"Fe": 1, "Ni": 1}),
        ("Li0.33La0.67TiO3", {"Li": 1, "La": 2, "Ti": 3, "O": 9}),
        ("CaSO4.0.5H2O", {"Ca": 2, "S": 2, "H": 2, "O": 9}),
        ("CaSO4·1/2H2O", {"Ca": 2, "S": 2, "H": 2, "O": 9}),
        ("YBa2Cu3O6.5", {"Y": 2, "Ba": 4, "Cu": 6, "O": 13}),
    ],
)
def test_simple_fractions_are_scaled_to_an_ordered_crystal(text: str, expected: dict[str, int]) -> None:
    assert counts(text) == expected
    assert any("fractions are scaled" in note for note in parse_formula(text)[1])


@pytest.mark.parametrize("text", ["La1.85Sr0.15CuO4", "Fe0.95O", "(Mg,Fe)2SiO4", "Fe2O3 + H2O", "Ca□SO4"])
def test_disorder_and_mixtures_are_refused_as_such(text: str) -> None:
    with pytest.raises(FormulaError, match="ordered crystals only"):
        parse_formula(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("co", "'Co' or 'CO'"),
        ("nacl", "'NaCl'"),
        ("NACL", "'NaCl'"),
        ("pbso4", "'PbSO4'"),
        ("XxO2", "'Xe'"),
        ("", "empty"),
        ("Na(Cl", "unclosed"),
        ("NaCl)", "closes no bracket"),
        ("Na()Cl", "nothing after"),
        ("Na0Cl", "zero"),
        ("LixCoO2", "amount is a letter"),
        ("CuSO4·xH2O", "amount is a letter"),
        ("O600", "at most 500"),
        ("Na^3", "raised number"),
        ("(" * 50 + "Na" + ")" * 50, "nested"),
        ("N" * 400, "400 characters"),
        ("Na99999999999999", "small number"),
        ("Fe0,5Ni0,5", "decimal point|alternatives"),
    ],
)
def test_slips_are_answered_with_the_next_step(text: str, hint: str) -> None:
    with pytest.raises(FormulaError, match=hint):
        parse_formula(text)


def test_carbon_monoxide_in_capitals_asks_about_cobalt() -> None:
    assert counts("CO") == {"C": 1, "O": 1}
    assert "Co is one element" in parse_formula("CO")[1][0]
    assert parse_formula("K2CO3")[1] == ()
    assert parse_formula("Co")[1] == ()


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_formula_or_a_formula_error(text: str) -> None:
    try:
        composition, _ = parse_formula(text)
    except FormulaError:
        return
    assert 1 <= composition.num_atoms <= 500


symbols = st.sampled_from(sorted(set(ATOMIC_NUMBERS) - {"D", "T"}))


@given(st.dictionaries(symbols, st.integers(1, 9), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_a_printed_formula_reads_back_as_itself(amounts: dict[str, int]) -> None:
    composition = Composition(tuple(sorted((ATOMIC_NUMBERS[s], n) for s, n in amounts.items())))
    assert parse_formula(composition.formula)[0] == composition
    small, factor = composition.reduced()
    assert factor == gcd(*amounts.values())
    assert np.array_equal(small.species(factor), composition.species(1))


def test_anglesite_is_written_weighed_and_filled_in() -> None:
    composition, _ = parse_formula("O4 S Pb")
    assert (composition.formula, str(composition)) == ("PbSO4", "O4 S Pb")
    assert composition.mass == pytest.approx(303.26, abs=0.01)
    assert composition.species(2).tolist() == [8] * 8 + [16] * 2 + [82] * 2
    assert [parse_formula(text)[0].formula for text in ("H3N", "ClNa", "OC2H6", "CO3Ca")] == [
        "NH3", "NaCl", "C2H6O", "CaCO3",
    ]  # fmt: skip
    with pytest.raises(FormulaError, match="at least 1"):
        composition.species(0)


@pytest.mark.parametrize(
    ("formula", "volume", "z"),
    [
        ("NaCl", 179.4, 4),
        ("NaCl", 44.9, 1),
        ("SiO2", 113.0, 3),
        ("TiO2", 62.4, 2),
        ("PbSO4", 318.6, 4),
        ("Al2O3", 254.8, 6),
    ],
)
def test_the_true_z_of_a_known_cell_is_among_the_plausible(formula: str, volume: float, z: int) -> None:
    ranked = plausible_z(parse_formula(formula)[0], volume)
    assert z in [entry[0] for entry in ranked]
    assert sum(probability for _, probability in ranked) == pytest.approx(1.0)
    assert [p for _, p in ranked] == sorted((p for _, p in ranked), reverse=True)


def test_a_cell_too_small_for_the_formula_says_what_volume_would_do() -> None:
    composition, _ = parse_formula("PbSO4")
    mean, spread = estimate_volume(composition)
    assert mean == pytest.approx(318.6 / 4, rel=0.15)
    assert 0.05 < spread / mean < 0.2
    with pytest.raises(FormulaError, match=rf"cannot fit the volume.*about {mean:.0f} A\^3"):
        plausible_z(composition, 30.0)
    with pytest.raises(FormulaError, match="positive"):
        plausible_z(composition, float("nan"))


def test_volumes_of_held_out_crystals_are_foreseen(shared_data) -> None:
    from pxrdgen_learning.data.dataset_sources import read_dataset

    held_out = read_dataset(shared_data / "crystals.parquet").dataset.select(split="val")
    right = errors = 0
    for crystal in held_out:
        unit, z = Composition.from_species(crystal.species).reduced()
        right += plausible_z(unit, crystal.volume)[0][0] == z
        errors += (
            abs(np.log(crystal.volume / (z * estimate_volume(unit)[0])))
            < estimate_volume(unit)[1] / estimate_volume(unit)[0]
        )
    assert right / len(held_out) > 0.95
    assert 0.62 < errors / len(held_out) < 0.76
