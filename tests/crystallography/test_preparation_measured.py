"""Preparation of measured patterns, against their reference structures."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from pxrdgen.values.pattern import PowderPattern
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
