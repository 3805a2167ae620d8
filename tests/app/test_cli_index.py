"""``pxrdgen index``: table, JSON, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pxrdgen.errors import CellError
from pxrdgen_app.cli.index import app


def pattern_file(folder: Path, angles: list[float], heights: list[float], *, noise: float = 0.0) -> Path:
    """A pattern of Gaussian peaks (one wavelength) on a flat background of 50 counts."""
    x = np.arange(15.0, 110.0, 0.02)
    y = 50.0 + sum(
        height * np.exp(-4 * np.log(2) * ((x - angle) / 0.1) ** 2)
        for angle, height in zip(angles, heights, strict=True)
    )
    counts = np.random.default_rng(3).poisson(y) if noise else np.round(y)
    path = folder / "pattern.xy"
    path.write_text("\n".join(f"{a:.2f} {c:.0f}" for a, c in zip(x, counts, strict=True)) + "\n")
    return path


def caesium_chloride(a: float = 4.123, wavelength: float = 1.5405929) -> list[float]:
    """Angles of a primitive cubic cell, degrees."""
    squares = [n * n for n in range(6)]
    norms = sorted({h + k + m for h in squares for k in squares for m in squares} - {0})
    sines = [wavelength * norm**0.5 / (2 * a) for norm in norms]
    return [angle for sine in sines if sine < 1 and 15 < (angle := float(np.degrees(2 * np.arcsin(sine)))) < 109]


@pytest.fixture
def cubic(tmp_path: Path) -> Path:
    angles = caesium_chloride()
    return pattern_file(tmp_path, angles, [3000.0 / (1 + 0.1 * n) for n in range(len(angles))], noise=1.0)


def test_a_cubic_cell_is_printed_with_merits_and_written_as_json(cubic: Path, tmp_path: Path) -> None:
    out = tmp_path / "cells.json"
    found = CliRunner().invoke(app, [str(cubic), "--formula", "CsCl", "-w", "CuKa1", "--out", str(out)])
    assert found.exit_code == 0, found.output
    assert "cubic P" in found.output
    assert "M20" in found.output
    assert "Niggli cell of 1" in found.output
    document = json.loads(out.read_text())
    best = document["cells"][0]
    assert (best["crystal_system"], best["centring"], best["formula_units_conventional"]) == ("cubic", "P", 1)
    a, su = best["conventional"]["parameters"][0], best["conventional"]["standard_uncertainties"][0]
    assert a == pytest.approx(4.123, abs=0.001)
    assert 0 < su < 0.002
    assert best["probability"] > 0.5 > document["probability_of_none"]
    assert best["merits"]["m20"] > 20
    assert best["unindexed_two_theta"] == []


def test_too_few_peaks_are_bad_input(tmp_path: Path) -> None:
    path = pattern_file(tmp_path, [30.0, 52.0], [2000.0, 900.0], noise=1.0)
    found = CliRunner().invoke(app, [str(path), "-w", "CuKa1"])
    assert isinstance(found.exception, CellError)
    assert found.exception.exit_code == 2
    assert "got 2 peaks" in str(found.exception)
    assert "expected at least" in str(found.exception)


def test_a_hump_without_peaks_exits_with_3_and_says_so(tmp_path: Path) -> None:
    x = np.arange(10.0, 80.0, 0.02)
    counts = np.random.default_rng(5).poisson(200 + 3000 * np.exp(-0.5 * ((x - 24.0) / 6.0) ** 2))
    path = tmp_path / "glass.xy"
    path.write_text("\n".join(f"{a:.2f} {c}" for a, c in zip(x, counts, strict=True)) + "\n")
    found = CliRunner().invoke(app, [str(path), "-w", "CuKa1"])
    assert found.exit_code == 3
    assert "no cell explains" in found.output


def test_lines_of_no_lattice_exit_with_3_and_say_so(tmp_path: Path) -> None:
    angles = [17.31, 22.94, 27.07, 36.88, 41.15, 58.31, 73.02]
    path = pattern_file(tmp_path, angles, [1500.0] * 7, noise=1.0)
    found = CliRunner().invoke(app, [str(path), "-w", "CuKa1"])
    assert found.exit_code == 3
    assert "no cell explains" in found.output


def test_z_without_a_formula_is_refused(cubic: Path) -> None:
    found = CliRunner().invoke(app, [str(cubic), "--z", "2"])
    assert found.exit_code != 0
    assert "formula" in str(found.exception)


def test_an_output_that_cannot_be_written_is_refused(cubic: Path, tmp_path: Path) -> None:
    found = CliRunner().invoke(app, [str(cubic), "-w", "CuKa1", "--out", str(tmp_path / "nowhere" / "x.json")])
    assert found.exit_code != 0
    assert "cannot be written" in str(found.exception)
