"""What Fox is told and how its answer is read; Fox itself is run only where it is installed."""

from __future__ import annotations

import os
import shutil
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.cases import Column, simulated_cases
from pxrdgen_benchmarks.fox_input import FoxProblem, fox_input
from pxrdgen_benchmarks.fox_run import fox_program, places_in, run_fox, structures
from pxrdgen_benchmarks.metrics import STRICT, match_rms
from pxrdgen_benchmarks.perturbed import Texture, perturbed_task
from pxrdgen_benchmarks.subsets import Entry
from pxrdgen_benchmarks.tasks import beside_fox
from pxrdgen_benchmarks.tasks.beside_fox import BesideFox, FoxSpec, Program, known_of
from pxrdgen_crystallography.decomposition.decompose import decompose
from pxrdgen_crystallography.preparation import prepare
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_testing import samples


@pytest.fixture(scope="module")
def rutile() -> Crystal:
    return samples.rutile()


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


def test_fox_is_told_the_texture_and_leaves_it_alone(told: FoxProblem) -> None:
    assert ET.fromstring(fox_input(told, 1000)).find(".//TextureMarchDollase") is None  # noqa: S314
    textured = replace(told, texture=Texture(axis=(1.0, 0.0, 1.0), ratio=0.8))
    phase = ET.fromstring(fox_input(textured, 1000)).find(  # noqa: S314
        "PowderPattern/PowderPatternCrystal/TextureMarchDollase/TexturePhaseMarchDollase"
    )
    assert phase is not None
    assert {par.get("Name"): float(par.text or "nan") for par in phase} == {
        "Fraction": 1.0, "MarchCoeff": 0.8, "H": 1.0, "K": 0.0, "L": 1.0,
    }  # fmt: skip
    assert {par.get("Refined") for par in phase} == {"0"}


def test_a_plane_keeps_its_spacing_in_the_conventional_cell(rutile: Crystal) -> None:
    """A face-centred cell of a rock salt: the texture's plane is the same plane there."""
    salt = Crystal(
        species=np.array([11, 17]),
        frac_coords=np.array([[0.0] * 3, [0.5] * 3]),
        basis=2.82 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]),
        name="salt",
    )
    for crystal in (salt, rutile):
        (case,) = simulated_cases([Entry(index=4, crystal=crystal, space_group=0, bucket="all")], [Column.PERTURBED])
        known, made = known_of(case), perturbed_task(crystal, 4).texture
        assert known.texture is not None
        assert made is not None
        assert known.texture.ratio == made.ratio
        assert known.question.cell is not None
        told_cell = case.question().cell
        assert told_cell is not None
        lengths = [
            np.linalg.norm(np.linalg.inv(basis) @ np.array(axis))
            for basis, axis in ((told_cell.basis, made.axis), (known.question.cell.basis, known.texture.axis))
        ]
        assert lengths[0] == pytest.approx(lengths[1], rel=1e-6)


def test_without_the_program_fox_is_skipped_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside_fox, "fox_program", lambda: None)
    assert "objcryst-fox" in BesideFox().absent(FoxSpec(program=Program.FOX))
    assert BesideFox().absent(FoxSpec(program=Program.PXRDGEN)) == ""
