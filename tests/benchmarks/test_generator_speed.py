"""Candidates a second, with networks that are tiny."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pxrdgen.errors import OptionError
from pxrdgen_benchmarks.generator_speed import cell_of, main, measure, spec_of, speed_table, untrained

TINY = {"width": 8, "layers": 2, "heads": 2, "peak_width": 8, "pair_hidden": 8, "pair_width": 4}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yml"
    options = {"denoiser": {"plugin": "attention", "options": TINY}}
    path.write_text(yaml.safe_dump({"plugin": "flow", "options": options}))
    return path


def test_batches_are_timed_and_shared_out(tiny: Path, tmp_path: Path) -> None:
    generator, sample = untrained(spec_of(str(tiny)), tmp_path, steps=2), cell_of(4)
    rows = [measure(generator, "tiny", sample, threads=threads, candidates=3, repeats=1, steps=2) for threads in (1, 2)]
    assert [(row.atoms, row.candidates, row.steps) for row in rows] == [(4, 3, 2)] * 2
    assert all(row.per_second > 0 and row.cpu_seconds > 0 for row in rows)
    table = speed_table(rows, repeats=1)
    assert table.header == ("generator/denoiser", "threads", "4 atoms")
    assert [line[:2] for line in table.rows] == [("tiny", "1"), ("tiny", "2")]


def test_the_command_prints_a_table_and_writes_what_it_measured(tiny: Path, tmp_path: Path) -> None:
    import typer

    app = typer.Typer()
    app.command()(main)
    out = tmp_path / "speed.json"
    arguments = ["--spec", str(tiny), "--atoms", "4", "--threads", "1", "--steps", "2", "--candidates", "2"]
    result = CliRunner().invoke(app, [*arguments, "--repeats", "1", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "| generator/denoiser | threads | 4 atoms |" in result.output
    (row,) = json.loads(out.read_text())["rows"]
    assert row["atoms"] == 4
    assert row["per_second"] == pytest.approx(row["candidates"] / row["seconds"])
    assert CliRunner().invoke(app, ["--atoms", "5"]).exit_code == 2


def test_specs_are_pairs_or_files(tmp_path: Path) -> None:
    assert spec_of("diffusion/cspnet").options == {"denoiser": {"plugin": "cspnet"}}
    with pytest.raises(OptionError, match="GENERATOR/DENOISER"):
        spec_of("flow")
    with pytest.raises(OptionError, match="cannot be read"):
        spec_of(str(tmp_path / "missing.yml"))
