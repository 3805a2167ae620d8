"""A dozen pairs and ten triples of atoms to train on."""

from __future__ import annotations

import numpy as np
import pytest

from pxrdgen.values.crystal import Crystal
from pxrdgen_learning.data.dataset import CrystalDataset
from pxrdgen_learning.training.corpus import Corpus


def _crystal(species: list[int], coords: list[list[float]], cell: list[float], name: str) -> Crystal:
    return Crystal(species=np.array(species), frac_coords=np.array(coords), basis=np.diag(cell), name=name)


@pytest.fixture(scope="module")
def dataset() -> CrystalDataset:
    rng = np.random.default_rng(3)
    crystals = [
        _crystal([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], [3.0 + 0.1 * i] * 3, f"pair-{i}") for i in range(12)
    ] + [_crystal([22, 8, 8], rng.random((3, 3)).tolist(), [3.8, 4.1, 4.4 + 0.1 * i], f"triple-{i}") for i in range(10)]
    return CrystalDataset.from_crystals(crystals, source="made up", split="train")


@pytest.fixture(scope="module")
def corpus(dataset: CrystalDataset) -> Corpus:
    return Corpus.from_dataset(dataset)
