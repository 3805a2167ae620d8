"""Preparation of measured patterns, against their reference structures and through the command line."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pxrdgen.values.pattern import PowderPattern
from pxrdgen_app.cli import app
from pxrdgen_crystallography.preparation import prepare

EXAMPLES = ("brucite", "pbso4", "fluorapatite")
#: Chosen for what is hard in them: a hump, few counts, fluorescence, broad lines, heavy overlap, many counts.
REAL = ("YF3_62", "Ag5SbS4_36", "Fe2O3_206", "MoO3_62", "CuAsPbO5_19", "MnCO3_167", "Al2PO8_33")


def measured(path: Path) -> PowderPattern:
    two_theta, intensity = np.loadtxt(path, usecols=(0, 1), unpack=True)
    return PowderPattern(two_theta=two_theta, intensity=intensity)


@pytest.mark.parametrize("name", EXAMPLES)
def test_strong_lines_of_the_reference_structure_have_a_peak(shared_data: Path, name: str) -> None:
    from pxrdgen.values.crystal_batch import CrystalBatch
    from pxrdgen_crystallography.diffraction import simulate_reflections
    from pxrdgen_files.cif import read_cif

    pattern = measured(shared_data / "examples" / f"{name}_cu.xy")
    prepared = prepare(pattern)
    low, high = float(prepared.pattern.two_theta[0]), float(prepared.pattern.two_theta[-1])
    batch = CrystalBatch.from_crystals([read_cif(shared_data / "examples" / f"{name}.cif")])
    lines = simulate_reflections(batch, prepared.instrument, two_theta_min=low, two_theta_max=high)
    angle, intensity = lines.two_theta[0].numpy(), lines.intensity[0].numpy()
    strong = angle[intensity > 0.05 * intensity.max()]
    distance = np.abs(prepared.peaks.two_theta[:, None] - strong[None]).min(axis=0)
    assert np.mean(distance < 0.1) >= 0.9


@pytest.mark.parametrize("name", REAL)
def test_measured_patterns_are_explained_to_their_noise(shared_data: Path, name: str) -> None:
    pattern = measured(shared_data / "real" / f"{name}.xy")
    started = time.process_time()
    prepared = prepare(pattern)
    assert time.process_time() - started < 20.0  # half a second on a free core; busy threads count what they wait
    pull = (prepared.pattern.intensity - prepared.calculated) / prepared.pattern.sigma
    assert len(prepared.peaks) >= 5
    assert float(np.mean(pull**2)) < 1.7
    assert np.all(prepared.background > 0)
    assert np.all(np.diff(prepared.peaks.two_theta) > 0)


def test_inspect_tells_range_wavelength_and_peaks_and_writes_a_plot(tmp_path: Path) -> None:
    x = np.arange(10.0, 60.0, 0.02)
    y = 100.0 + 4000.0 * sum(np.exp(-0.5 * ((x - centre) / 0.05) ** 2) for centre in (20.0, 31.0, 44.5))
    file = tmp_path / "mine.xy"
    np.savetxt(file, np.c_[x, np.random.default_rng(0).poisson(y)], fmt=["%.3f", "%d"])
    out = tmp_path / "looked_at"
    result = CliRunner().invoke(
        app, ["inspect", str(file), "--wavelength", "CuKa1", "--range", "15:50", "-o", str(out)]
    )
    assert result.exit_code == 0, result.output
    first = result.output.splitlines()[0]
    assert "mine.xy" in first
    assert "10 to 59.98 degrees" in first
    assert "1.54059 A (CuKa1), as given" in first
    table = (out / "peaks.csv").read_text(encoding="utf-8").splitlines()
    angles = [float(line.split(",")[0]) for line in table[1:]]
    assert angles == pytest.approx([20.0, 31.0, 44.5], abs=0.01)
    assert (out / "pattern.png").stat().st_size > 10_000


def test_inspect_refuses_a_range_outside_the_pattern(tmp_path: Path) -> None:
    file = tmp_path / "mine.xy"
    x = np.arange(10.0, 60.0, 0.02)
    np.savetxt(file, np.c_[x, np.random.default_rng(0).poisson(100.0, x.shape)], fmt=["%.3f", "%d"])
    result = CliRunner().invoke(app, ["inspect", str(file), "--range", "100:120"])
    assert result.exit_code != 0
    assert "choose a range inside it" in str(result.exception)
