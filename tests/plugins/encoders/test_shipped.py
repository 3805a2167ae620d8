"""The shipped ``peaks``: measured-like patterns find their crystal, whatever the diffractometer was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pxrdgen.errors import UnknownComponentError
from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.structure_encoder import StructureEncoder
from pxrdgen.plugins.registry import default_registry
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import LABORATORY, TUBES, Instrument
from pxrdgen.values.pattern import PowderPattern
from pxrdgen_benchmarks.metrics import retrieval_ranks, within_top
from pxrdgen_benchmarks.retrieval_vectors import View, crystal_vectors, gallery_crystals, pattern_vectors
from pxrdgen_crystallography.diffraction import simulate_profile
from pxrdgen_crystallography.preparation import prepare
from pxrdgen_learning.views.pattern_views import patterns_from_prepared
from pxrdgen_testing.samples import rutile


@pytest.fixture(scope="module")
def encoder() -> PatternEncoder:
    try:
        found = default_registry().build(ComponentKind.ENCODER, "peaks", {"weights": "peaks"})
    except UnknownComponentError:
        pytest.skip("this source tree comes without the weights of 'peaks'")
    assert isinstance(found, nn.Module)
    return found.eval()


@pytest.fixture(scope="module")
def structure_encoder() -> StructureEncoder:
    found = default_registry().build(ComponentKind.STRUCTURE_ENCODER, "cspnet", {"weights": "peaks_structure"})
    assert isinstance(found, nn.Module)
    return found.eval()


def anatase() -> Crystal:
    z = 0.2081
    metal = [[0.0, 0, 0], [0.75, 0.25, 0.5]]
    oxygen = [[z, z, 0], [1 - z, 1 - z, 0], [0.75 + z, 0.25 + z, 0.5], [0.75 - z, 0.25 - z, 0.5]]
    half = np.array([[-1.0, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2
    basis = half @ UnitCell(3.7845, 3.7845, 9.5143).basis
    return Crystal(species=np.array([22] * 2 + [8] * 4), frac_coords=np.array(metal + oxygen), basis=basis)


def vector_of(
    encoder: PatternEncoder,
    crystal: Crystal,
    *,
    tube: str = "CuKa",
    low: float = 10.0,
    high: float = 80.0,
    step: float = 0.02,
) -> torch.Tensor:
    """Of a pattern with 10^4 counts in its highest peak, whose peaks are searched as in a measured one."""
    instrument = replace(LABORATORY, radiation=TUBES[tube])
    grid = np.arange(low, high, step)
    batch = CrystalBatch.from_crystals([crystal], dtype=torch.float64)
    profile = simulate_profile(batch, instrument, torch.as_tensor(grid), reflection_range=(low - 0.3, high + 0.5))[0]
    counts = np.random.default_rng(0).poisson(1e4 * (profile / profile.max()).numpy() + 50.0).astype(np.float64)
    pattern = PowderPattern(two_theta=grid, intensity=counts, instrument=Instrument(radiation=TUBES[tube]))
    with torch.no_grad():
        return encoder.encode(patterns_from_prepared([prepare(pattern)], grid=encoder.grid)).vector[0]


@pytest.mark.parametrize(
    "scan",
    [
        {"high": 60.0},
        {"low": 15.0},
        {"tube": "MoKa", "low": 5.0, "high": 36.0, "step": 0.01},
        {"tube": "CoKa", "low": 12.0, "high": 95.0},
        {"step": 0.01},
        {"step": 0.05},
    ],
    ids=str,
)
def test_range_wavelength_and_step_barely_move_the_vector(encoder: PatternEncoder, scan: dict[str, float]) -> None:
    for crystal in (rutile(), anatase()):
        cosine = functional.cosine_similarity(vector_of(encoder, crystal), vector_of(encoder, crystal, **scan), dim=0)
        assert float(cosine) > 0.85


def test_the_polymorphs_of_titania_lie_far_apart(encoder: PatternEncoder) -> None:
    first, second = vector_of(encoder, rutile()), vector_of(encoder, anatase())
    assert float(functional.cosine_similarity(first, second, dim=0)) < 0.7


def test_patterns_find_their_crystal_among_a_thousand(
    encoder: PatternEncoder, structure_encoder: StructureEncoder, shared_data: Path
) -> None:
    crystals, known = gallery_crystals(shared_data / "crystals.parquet", split="val", size=1000)
    assert known == 1000
    gallery = crystal_vectors(structure_encoder, crystals)
    queries = pattern_vectors(encoder, crystals[:300], View.AUGMENTED)
    ranks = retrieval_ranks(queries, gallery, np.arange(300))
    assert within_top(ranks, 10).hits >= 0.95 * 300
    assert within_top(ranks, 1).hits >= 0.75 * 300
    strangers = retrieval_ranks(np.roll(queries, 1, axis=0), gallery, np.arange(300))
    assert within_top(strangers, 10).hits <= 0.1 * 300, "somebody else's pattern must not find it"
