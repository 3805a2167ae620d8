"""``pxrdgen inspect``: what it tells of a pattern, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pxrdgen_app.cli import app


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
