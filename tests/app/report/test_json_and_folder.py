"""What is written for programs: finite JSON with every number, and the files of the folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pxrdgen.errors import OutputError
from pxrdgen_app.report.folder import write_solution
from pxrdgen_app.report.json import RESULT_VERSION, result_json, result_text

from .solutions import SALT, anglesite, empty, rock_salt, solved


def numbers(value: object) -> Iterator[float]:
    if isinstance(value, dict):
        for entry in value.values():
            yield from numbers(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from numbers(entry)
    elif isinstance(value, float):
        yield value


def test_json_is_finite_and_survives_a_round_trip() -> None:
    worst = replace(rock_salt(), score=math.nan, refinement=replace(rock_salt().refinement, r_wp=math.inf))
    solution = replace(solved(worst, anglesite()), evidence=replace(solved().evidence, gap=math.inf))
    text = result_text(solution)
    read = json.loads(text)
    assert read == result_json(solution)
    assert all(math.isfinite(number) for number in numbers(read))
    assert read["evidence"]["gap"] is None
    assert read["candidates"][0]["refinement"]["r_wp"] is None
    assert text == json.dumps(read, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def test_json_holds_every_number() -> None:
    read = result_json(solved())
    assert (read["version"], read["verdict"], read["seed"]) == (RESULT_VERSION, "solved", 7)
    assert read["spec"] == {"generator": "direct_space"}
    assert read["versions"] == {"pxrdgen": "0.1.0"}
    first, second = read["candidates"]
    assert first["refinement"]["parameters"] == {"scale": 1.234e-3, "zero": -0.0123}
    assert first["primitive"]["cell"]["alpha"] == pytest.approx(60.0)
    assert first["primitive"]["cell_su"]["a"] == 0.0003
    assert first["conventional"]["cell"]["a"] == pytest.approx(SALT)
    assert [
        (site["label"], site["multiplicity"], site["wyckoff_letter"]) for site in first["conventional"]["sites"]
    ] == [
        ("Na1", 4, "a"),
        ("Cl1", 4, "b"),
    ]
    assert len(second["conventional"]["atoms"]) == 24
    assert second["conventional"]["formula_units_z"] == 4
    assert second["warnings"] == ["O2 and O3 contribute 6 % of the intensity."]


def test_folder_holds_what_was_promised(tmp_path: Path) -> None:
    files = write_solution(solved(), tmp_path, cif_texts=("data_one\n", "data_two\n"))
    assert sorted(path.name for path in files) == [
        "candidate_01.cif", "candidate_02.cif", "report.html", "result.json", "rietveld.csv", "rietveld.png",
    ]  # fmt: skip
    assert (tmp_path / "candidate_02.cif").read_text() == "data_two\n"
    table = np.loadtxt(tmp_path / "rietveld.csv", delimiter=",", skiprows=1)
    assert table.shape == (1500, 6)
    assert table[:, 4] == pytest.approx(table[:, 1] - table[:, 2], abs=1e-4)
    assert json.loads((tmp_path / "result.json").read_text())["verdict"] == "solved"


def test_folder_without_candidates_or_plots(tmp_path: Path) -> None:
    names = [path.name for path in write_solution(empty(interrupted=True), tmp_path, cif_texts=())]
    assert sorted(names) == ["report.html", "result.json"]
    with pytest.raises(ValueError, match="0 CIF texts for 2"):
        write_solution(solved(), tmp_path, cif_texts=())
    with pytest.raises(OutputError, match="cannot be written"):
        write_solution(empty(), tmp_path / "absent", cif_texts=())


def test_file_name_that_is_no_utf8_is_written(tmp_path: Path) -> None:
    name = b"muster-\xfc.xy".decode("utf-8", "surrogateescape")
    solution = replace(solved(), notes=(name,), provenance={"file": Path(name), name: name})
    write_solution(solution, tmp_path, cif_texts=("", ""), plots=False, title=name, pattern_facts={"File": name})
    assert json.loads((tmp_path / "result.json").read_text())["notes"] == ["muster-?.xy"]
    assert "muster-.xy" in (tmp_path / "report.html").read_text()
