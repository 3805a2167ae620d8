"""What Fox is told and how its answer is read; Fox itself is run only where it is installed."""

from __future__ import annotations

import json
import os
import shutil
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.space_group import parse_space_group
from pxrdgen_benchmarks.fox import FoxRow, fox_table
from pxrdgen_benchmarks.fox_input import FoxProblem, fox_input
from pxrdgen_benchmarks.fox_run import fox_program, places_in, run_fox, structures
from pxrdgen_benchmarks.metrics import STRICT, match_rms
from pxrdgen_benchmarks.perturbed import perturbed_task
from pxrdgen_crystallography.decomposition.decompose import decompose
from pxrdgen_crystallography.preparation import prepare


@pytest.fixture(scope="module")
def rutile() -> Crystal:
    x, h = 0.3053, 0.5
    coords = [[0, 0, 0], [h, h, h], [x, x, 0], [-x, -x, 0], [h + x, h - x, h], [h - x, h + x, h]]
    return Crystal(
        species=np.array([22, 22, 8, 8, 8, 8]),
        frac_coords=np.array(coords) % 1.0,
        basis=UnitCell(4.5937, 4.5937, 2.9587).basis,
    ).sorted_by_species()


@pytest.fixture(scope="module")
def told(rutile: Crystal) -> FoxProblem:
    task = perturbed_task(rutile, 5)
    prepared = prepare(task.pattern)
    pattern = prepared.pattern
    fit = decompose(
        pattern.two_theta,
        pattern.intensity,
        pattern.uncertainty,
        prepared.background,
        prepared.instrument,
        task.cell.basis,
    )
    return FoxProblem(
        prepared=prepared,
        decomposition=fit,
        cell=UnitCell.from_basis(fit.basis),
        space_group=parse_space_group("P42/mnm"),
        sites=(8, 22),
    )


def test_the_input_names_group_atoms_and_every_point(told: FoxProblem) -> None:
    root = ET.fromstring(fox_input(told, 1000))  # noqa: S314
    crystal = root.find("Crystal")
    assert crystal is not None
    assert crystal.get("SpaceGroup") == "P 42/m n m"
    assert [atom.get("ScattPow") for atom in crystal.findall("Atom")] == ["O", "Ti"]
    points = root.findtext("PowderPattern/XIobsSigmaWeightList")
    assert points is not None
    assert len(points.split()) == 4 * len(told.prepared.pattern)


def test_an_atom_near_a_special_position_is_merged_with_its_images(told: FoxProblem, rutile: Crystal) -> None:
    # titanium 0.1 A off the inversion centre, oxygen 0.05 A off the mirror
    places = np.array([[0.3053, 0.3053, 0.017], [0.02, 0.01, 0.0]])
    found = structures(told, places, {8: 4, 22: 2})
    assert found
    assert Counter(found[0].species.tolist()) == {8: 4, 22: 2}
    assert match_rms(found[0], rutile, STRICT) is not None


def test_places_that_give_other_numbers_of_atoms_are_no_answer(told: FoxProblem) -> None:
    assert structures(told, np.array([[0.3, 0.1, 0.2], [0.2, 0.4, 0.3]]), {8: 4, 22: 2}) == ()


def test_a_file_cut_short_is_no_answer(told: FoxProblem, tmp_path: Path) -> None:
    whole = fox_input(told, 1000)
    path = tmp_path / "run0.xml"
    path.write_text(whole, encoding="utf-8")
    places = places_in(path)
    assert places is not None
    assert places.shape == (2, 3)
    path.write_text(whole[: len(whole) // 2], encoding="utf-8")
    assert places_in(path) is None


@pytest.mark.skipif(
    fox_program() is None or ("DISPLAY" not in os.environ and shutil.which("xvfb-run") is None),
    reason="needs the program Fox and a display (Debian: objcryst-fox, xvfb)",
)
def test_fox_solves_rutile_in_seconds(told: FoxProblem, rutile: Crystal) -> None:
    outcome = run_fox(told, {8: 4, 22: 2}, 3.0)
    assert outcome.runs >= 1
    assert any(match_rms(crystal, rutile, STRICT) is not None for crystal in outcome.crystals)


def test_tables_count_hits_by_column() -> None:
    solved = FoxRow(
        id="x", column="clean", program="fox", space_group="P n m a", num_atoms=9, sites=3, strict=True, published=True,
        cpu_s=30.0,
    )  # fmt: skip
    assert fox_table([solved]).rows[0][:2] == ("fox", "clean")


def test_the_card_counts_what_each_program_solved(tmp_path: Path) -> None:
    from pxrdgen_benchmarks.cards import read_cards
    from pxrdgen_benchmarks.fox import card

    row = {"id": "a", "column": "perturbed", "space_group": "P m", "num_atoms": 13, "sites": 5, "cpu_s": 9.0}
    rows = [
        {**row, "program": "fox", "strict": False, "published": True},
        {**row, "program": "pxrdgen", "strict": True, "published": True},
    ]
    results = tmp_path / "rows.jsonl"
    results.write_text("\n".join(json.dumps(each) for each in rows), encoding="utf-8")
    card([results], tmp_path / "cards" / "fox.yml")
    (written,) = read_cards(tmp_path / "cards")
    assert {(number.variant, number.name): number.value for number in written.numbers} == {
        ("fox", "strict, %"): 0.0,
        ("fox", "published, %"): 100.0,
        ("pxrdgen", "strict, %"): 100.0,
        ("pxrdgen", "published, %"): 100.0,
    }
    assert [number.name for number in written.headline_numbers()] == ["strict, %", "strict, %"]
