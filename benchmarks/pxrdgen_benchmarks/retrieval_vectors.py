"""Crystals to be found among others, their vectors and those of their patterns."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.interfaces.structure_encoder import StructureEncoder
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.pattern_batch import PatternBatch, QGrid
from pxrdgen_benchmarks.perturbed import perturbed_task
from pxrdgen_crystallography.preparation.prepare import prepare
from pxrdgen_learning.training.contrastive import simulated_patterns
from pxrdgen_learning.training.simulation_options import SimulationOptions
from pxrdgen_learning.views.pattern_views import patterns_from_prepared

FloatArray = NDArray[np.float64]


class View(StrEnum):
    """What happens to a crystal's pattern before it is encoded."""

    CLEAN = "clean"
    AUGMENTED = "augmented"
    PERTURBED = "perturbed"


def gallery_crystals(path: Path, *, split: str, size: int, max_atoms: int = 20) -> tuple[list[Crystal], int]:
    """Crystals of ``split`` in a fixed random order, and how many; filled up to ``size`` from the train split.

    Encoders may have seen those of the train split; they are distractors only.
    """
    from pxrdgen_learning.data.dataset_sources import read_dataset

    dataset = read_dataset(path).dataset
    own = dataset.select(split=split, max_atoms=max_atoms)
    own = own.take(np.random.default_rng(6).permutation(len(own))[:size])
    crystals = [*own]
    if len(own) < size:
        train = dataset.select(split="train", max_atoms=max_atoms)
        crystals += train.take(np.random.default_rng(0).permutation(len(train))[: size - len(own)])
    return [crystal.sorted_by_species() for crystal in crystals], len(own)


@torch.no_grad()
def crystal_vectors(encoder: StructureEncoder, crystals: Sequence[Crystal]) -> FloatArray:
    """[M, D] what a structure encoder says, sizes apart so that nothing is padded."""
    return _by_size(crystals, lambda batch: encoder.encode(batch))


@torch.no_grad()
def pattern_vectors(encoder: PatternEncoder, crystals: Sequence[Crystal], view: View) -> FloatArray:
    """[M, D] what a pattern encoder says about the patterns of crystals; the perturbation follows from their names."""
    if view is View.PERTURBED:
        parts = [encoder.encode(_measured(crystal, encoder.grid)).vector for crystal in crystals]
        return np.asarray(torch.cat(parts).double().numpy())
    options = SimulationOptions(clean_fraction=1.0 if view is View.CLEAN else 0.0)
    rng = torch.Generator().manual_seed(_seed(crystals[0]))
    return _by_size(
        crystals, lambda batch: encoder.encode(simulated_patterns(batch, options, rng, grid=encoder.grid)).vector
    )


def _by_size(crystals: Sequence[Crystal], encode: Callable[[CrystalBatch], torch.Tensor]) -> FloatArray:
    rows_by_size: dict[int, list[int]] = {}
    for row, crystal in enumerate(crystals):
        rows_by_size.setdefault(len(crystal), []).append(row)
    vectors: list[FloatArray | None] = [None] * len(crystals)
    for rows in rows_by_size.values():
        batch = CrystalBatch.from_crystals([crystals[row] for row in rows])
        for row, vector in zip(rows, encode(batch).double().numpy(), strict=True):
            vectors[row] = vector
    return np.stack([vector for vector in vectors if vector is not None])


def _measured(crystal: Crystal, grid: QGrid | None) -> PatternBatch:
    """The benchmark's perturbed pattern, prepared as a measured one is: its peaks are found, not known."""
    return patterns_from_prepared([prepare(perturbed_task(crystal, _seed(crystal)).pattern)], grid=grid)


def _seed(crystal: Crystal) -> int:
    return int.from_bytes(hashlib.sha256(crystal.name.encode()).digest()[:4], "big")
