"""What is trained on: crystals with the rotations of their lattices, in the order of the seed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from pxrdgen.errors import DatasetError
from pxrdgen_crystallography.lattice.lattice_symmetry import proper_rotations
from pxrdgen_learning.data.dataset import CrystalDataset
from pxrdgen_learning.training.batch import epoch_order
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.simulation import observe

from .toy import CLEAN


@pytest.mark.parametrize(("cell", "order"), [([4, 4, 4], 24), ([4, 4, 5], 8), ([4, 5, 6], 4)])
def test_lattices_have_the_rotations_of_their_system(cell: list[float], order: int) -> None:
    rotations = proper_rotations(np.diag(cell).astype(float))
    assert len(rotations) == order
    assert np.array_equal(rotations[0], np.eye(3))


def test_a_hexagonal_lattice_has_twelve_rotations_that_keep_its_metric() -> None:
    basis = np.array([[3.0, 0, 0], [-1.5, 1.5 * math.sqrt(3), 0], [0, 0, 5.0]])
    rotations = proper_rotations(basis).astype(float)
    metric = basis @ basis.T
    assert len(rotations) == 12
    assert np.allclose(rotations @ metric @ rotations.transpose(0, 2, 1), metric)


def test_rotating_a_crystal_with_its_lattice_leaves_the_pattern(corpus: Corpus) -> None:
    group = corpus.groups[3]
    crystals = group.crystals(torch.tensor([0]))
    rotation = group.rotations[0, int(group.rotation_count[0]) - 1].float()
    turned = replace(crystals, frac_coords=crystals.frac_coords @ rotation)
    first, _ = observe(crystals, CLEAN, torch.Generator().manual_seed(0))
    second, _ = observe(turned, CLEAN, torch.Generator().manual_seed(0))
    assert torch.allclose(first.strength, second.strength, rtol=1e-3, atol=1e-2)


def test_atoms_are_sorted_and_cells_are_lower_triangular(corpus: Corpus) -> None:
    assert corpus.groups
    for group in corpus.groups.values():
        assert bool((group.species.diff(dim=1) >= 0).all())
        assert bool((group.basis.triu(1) == 0).all())


def test_a_corpus_without_small_cells_is_refused(dataset: CrystalDataset) -> None:
    with pytest.raises(DatasetError, match="without a crystal"):
        Corpus.from_dataset(dataset, max_volume=1.0)


def test_an_epoch_visits_each_crystal_at_most_once_and_the_seed_decides_the_order(corpus: Corpus) -> None:
    def visits(epoch: int) -> list[tuple[int, int]]:
        steps = epoch_order(corpus, atoms=6, per_step=2, seed=5, epoch=epoch)
        return [(micro.size, row) for step in steps for micro in step for row in micro.rows.tolist()]

    first = visits(0)
    assert len(set(first)) == len(first) >= 18
    assert first == visits(0)
    assert first != visits(1)


def test_down_weighted_sources_are_seen_less_often(dataset: CrystalDataset) -> None:
    half = Corpus.from_dataset(dataset, weights={"made up": 0.5})
    seen = sum(
        len(micro.rows)
        for epoch in range(40)
        for step in epoch_order(half, atoms=2, per_step=1, seed=0, epoch=epoch)
        for micro in step
    )
    assert 0.4 < seen / (40 * len(half)) < 0.6
