"""A Lorentzian width that does not depend on the angle, put into a pattern by folding and found again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import LABORATORY
from pxrdgen.values.refinement import Measurement, RefinementResult, RefinementStart
from pxrdgen_crystallography.diffraction.simulate import simulate_profile
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry
from pxrdgen_refiners.least_squares import LeastSquares
from pxrdgen_refiners.options import LeastSquaresOptions

FLUORITE = Crystal(
    species=np.array([20, 9, 9]),
    frac_coords=np.array([[0, 0, 0], [0.25, 0.25, 0.25], [0.75, 0.75, 0.75]]),
    basis=5.463 / 2.0 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]),
)


def measured(z: float, seed: int = 2) -> Measurement:
    """Counts of the diffraction engine's profile folded with a Lorentzian of full width ``z`` centidegrees."""
    step = 0.01
    grid = np.arange(15.0, 140.0, step)
    batch = CrystalBatch.from_crystals([FLUORITE], dtype=torch.float64)
    peaks = simulate_profile(batch, LABORATORY, torch.as_tensor(grid))[0].numpy()
    if z:
        distance = step * np.arange(-1500, 1501)
        kernel = 1.0 / (1.0 + (2.0 * distance / (0.01 * z)) ** 2)
        peaks = np.convolve(peaks, kernel / kernel.sum(), mode="same")
    observed = np.random.default_rng(seed).poisson(1e5 * peaks / peaks.max() + 60.0).astype(np.float64)
    return Measurement(
        two_theta=grid,
        intensity=observed,
        sigma=np.sqrt(np.maximum(observed, 1.0)),
        background=np.full(grid.size, 60.0),
        instrument=LABORATORY,
    )


def refined(measurement: Measurement, *also: str) -> RefinementResult:
    symmetry = find_symmetry(FLUORITE, 0.01)
    start = RefinementStart(crystal=symmetry.crystal, symmetry=symmetry)
    options = LeastSquaresOptions(refine_texture=False, refine_asymmetry=False, also=also)
    return LeastSquares(options).refine(measurement, [start])[0]


def test_a_constant_width_is_found_again_and_told_from_size() -> None:
    measurement = measured(10.0)
    plain, result = refined(measurement), refined(measurement, "z")
    assert result.parameters["z"] == pytest.approx(10.0, abs=1.0)
    assert abs(result.parameters["x"] - LABORATORY.x) < 1.0 < abs(plain.parameters["x"] - LABORATORY.x)
    assert result.gof < plain.gof - 0.02


def test_where_there_is_none_it_stays_small_and_never_negative() -> None:
    result = refined(measured(0.0), "z")
    assert 0.0 <= result.parameters["z"] < 0.5
    assert result.gof < 1.05
