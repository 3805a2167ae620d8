"""Vectors of crystals and of their patterns, in chunks that are kept, so that a killed run goes on where it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

#: crystals computed, and kept, at once.
CHUNK = 200
FloatArray = NDArray[np.float64]


class View(StrEnum):
    """What happens to a crystal's pattern before it is encoded."""

    CLEAN = "clean"
    AUGMENTED = "augmented"
    PERTURBED = "perturbed"


@dataclass(frozen=True, kw_only=True)
class VectorStore:
    """Chunks of vectors in a folder.

    Args:
        folder: of the chunks; nothing is kept without one.
        key: of everything the vectors depend on but the crystals and the view.
    """

    folder: Path | None
    key: str

    def vectors(
        self, what: str, crystals: Sequence[Crystal], compute: Callable[[Sequence[Crystal]], FloatArray]
    ) -> FloatArray:
        """[M, D] of the crystals, computed where they are not stored; ``what`` names the kind of vector."""
        starts = range(0, len(crystals), CHUNK)
        return np.concatenate([self._chunk(what, crystals[start : start + CHUNK], compute) for start in starts])

    def _chunk(
        self, what: str, crystals: Sequence[Crystal], compute: Callable[[Sequence[Crystal]], FloatArray]
    ) -> FloatArray:
        if self.folder is None:
            return compute(crystals)
        names = "\n".join([self.key, what, *(crystal.name for crystal in crystals)])
        path = self.folder / f"{what}-{hashlib.sha256(names.encode()).hexdigest()[:16]}.npy"
        if path.exists():
            stored: FloatArray = np.load(path, allow_pickle=False)
            return stored
        computed = compute(crystals)
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        with partial.open("wb") as stream:
            np.save(stream, computed, allow_pickle=False)
        partial.replace(path)
        return computed


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
