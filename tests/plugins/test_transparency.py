"""A correction that the options ask for by name: how far below the surface the sample scatters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import LABORATORY
from pxrdgen.values.refinement import Measurement, RefinementResult, RefinementStart
from pxrdgen_crystallography.diffraction.simulate import simulate_profile
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry
from pxrdgen_refiners.least_squares import LeastSquares
from pxrdgen_refiners.options import LeastSquaresOptions
from pxrdgen_testing.samples import rutile

SHIFT = -0.14
RUTILE = rutile()


def measured() -> Measurement:
    """Counts of the diffraction engine's profile, each peak moved: what is seen at 2theta belongs to a higher angle."""
    grid = np.arange(15.0, 110.0, 0.02)
    true = grid - SHIFT * np.sin(np.radians(grid))
    true = grid - SHIFT * np.sin(np.radians(true))
    batch = CrystalBatch.from_crystals([RUTILE], dtype=torch.float64)
    peaks = simulate_profile(batch, LABORATORY, torch.as_tensor(true))[0].numpy()
    observed = np.random.default_rng(3).poisson(2e4 * peaks / peaks.max() + 60.0).astype(np.float64)
    return Measurement(
        two_theta=grid,
        intensity=observed,
        sigma=np.sqrt(np.maximum(observed, 1.0)),
        background=np.full(grid.size, 60.0),
        instrument=replace(LABORATORY, zero=0.01),
    )


def refined(**options: object) -> RefinementResult:
    symmetry = find_symmetry(RUTILE, 0.01)
    start = RefinementStart(crystal=symmetry.crystal, symmetry=symmetry)
    return LeastSquares(LeastSquaresOptions.model_validate(options)).refine(measured(), [start])[0]


def test_transparency_is_found_again_and_the_cell_with_it() -> None:
    plain, result = refined(), refined(also=["transparency"])
    (line,) = (entry for entry in result.quantities if entry.name == "transparency")
    assert line.su is not None
    assert line.told
    assert line.value == pytest.approx(SHIFT, abs=min(4.0 * line.su, 0.02))
    assert result.gof < 1.1 < plain.gof
    assert np.allclose(result.crystal.cell.parameters, RUTILE.cell.parameters, rtol=5e-5)
    assert not np.allclose(plain.crystal.cell.parameters, RUTILE.cell.parameters, rtol=2e-4)
    assert result.num_parameters == plain.num_parameters + 1
    assert "transparency" not in plain.parameters


def test_a_correction_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValidationError, match="did you mean 'transparency'"):
        LeastSquaresOptions.model_validate({"also": ["transparent"]})
