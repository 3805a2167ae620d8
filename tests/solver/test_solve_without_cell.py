"""``pxrdgen.solve`` when nobody knows the cell."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

import pxrdgen
from pxrdgen.errors import CellError
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import LABORATORY
from pxrdgen_app.references.citations import citations
from pxrdgen_crystallography.diffraction import simulate_profile
from pxrdgen_crystallography.symmetry.pymatgen_structure import crystal_from_pymatgen

FLUORITE = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.463), ["Ca", "F"], [[0, 0, 0], [0.25, 0.25, 0.25]])
SPEC = pxrdgen.PipelineSpec(
    generators=(pxrdgen.ComponentSpec(plugin="direct_space"),),
    cells=2,
    candidates=8,
    refine_best=2,
    rounds=2,
    searches=1,
    stop_when_solved=False,
)


@pytest.fixture(scope="module")
def pattern() -> pxrdgen.PowderPattern:
    grid = np.arange(15.0, 100.0, 0.03)
    batch = CrystalBatch.from_crystals([crystal_from_pymatgen(FLUORITE)], dtype=torch.float64)
    with torch.no_grad():
        profile = simulate_profile(batch, LABORATORY, torch.from_numpy(grid))[0].numpy()
    counts = np.random.default_rng(3).poisson(50.0 + 2e4 * profile / profile.max())
    return pxrdgen.PowderPattern(two_theta=grid, intensity=counts.astype(float), instrument=LABORATORY)


def test_fluorite_is_solved_from_pattern_and_formula_alone(pattern: pxrdgen.PowderPattern) -> None:
    solution = pxrdgen.solve(pattern, "CaF2", spec=SPEC)
    best = solution.best
    assert best is not None
    assert best.space_group_number == 225
    assert best.conventional.cell.a == pytest.approx(5.463, abs=0.002)
    assert any("the cell was found from the pattern: cubic F" in note for note in solution.notes)
    assert {work.key for work in citations(solution.provenance["citations"])} >= {"pxrdgen", "fox", "moyo"}


def test_a_centring_without_a_cell_is_refused(pattern: pxrdgen.PowderPattern) -> None:
    with pytest.raises(CellError, match="centring 'F' without a cell"):
        pxrdgen.solve(pattern, "CaF2", centring="F", spec=SPEC)
