"""Thirty-two made-up crystals that an encoder can learn by heart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pxrdgen.values.crystal import Crystal
from pxrdgen_learning.data.dataset import CrystalDataset, pack
from pxrdgen_learning.training.corpus import Corpus


def made_up_crystals() -> list[Crystal]:
    rng = np.random.default_rng(11)
    crystals = []
    for index in range(32):
        size = 2 + index % 3
        basis = np.diag(rng.uniform(3.0, 5.5, 3)) + np.tril(rng.uniform(-0.4, 0.4, (3, 3)), -1)
        species = np.sort(rng.choice([8, 11, 14, 17, 22, 38, 56, 74], size))
        crystals.append(
            Crystal(species=species, frac_coords=rng.random((size, 3)), basis=basis, name=f"made-up-{index}")
        )
    return crystals


@pytest.fixture(scope="session")
def crystals() -> list[Crystal]:
    return made_up_crystals()


@pytest.fixture(scope="session")
def dataset(crystals: list[Crystal]) -> CrystalDataset:
    return CrystalDataset.from_crystals(crystals, source="made up", split="train")


@pytest.fixture(scope="session")
def corpus(dataset: CrystalDataset) -> Corpus:
    return Corpus.from_dataset(dataset)


@pytest.fixture(scope="session")
def packed(dataset: CrystalDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "pack.npz"
    pack(dataset, path)
    return path


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
