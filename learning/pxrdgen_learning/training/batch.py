"""What one micro-batch of training is made of, and the order in which an epoch visits the crystals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.simulation import observe
from pxrdgen_learning.training.simulation_options import SimulationOptions
from pxrdgen_learning.views.grouped_reflections import GroupedReflections


@dataclass(frozen=True, kw_only=True)
class TrainingBatch:
    """B crystals of equal size with a simulated observation of each.

    Args:
        crystals: the truth, without padding.
        observed: what a pattern would say.
        basis: [B, 3, 3] the cells as given to a solver, slightly off.
        rotations: [B, R, 3, 3] rotations of each lattice onto itself.
        rotation_count: [B] how many of them are in use.
    """

    crystals: CrystalBatch
    observed: GroupedReflections
    basis: Tensor
    rotations: Tensor
    rotation_count: Tensor

    def __len__(self) -> int:
        return len(self.crystals)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Which crystals of which size group make up a micro-batch."""

    size: int
    rows: Tensor


def epoch_order(
    corpus: Corpus, *, atoms: int, per_step: int, seed: int, epoch: int, max_crystals: int = 128
) -> Iterator[tuple[Rows, ...]]:
    """Steps of one epoch, each ``per_step`` micro-batches of about ``atoms`` atoms and at most ``max_crystals``.

    They are the same for the same seed.
    """
    rng = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    micro: list[Rows] = []
    for size, group in sorted(corpus.groups.items()):
        taking_part = torch.nonzero(torch.rand(len(group), generator=rng) < group.weight).squeeze(1)
        shuffled = taking_part[torch.randperm(len(taking_part), generator=rng)]
        width = min(max_crystals, max(1, atoms // size))
        micro += [Rows(size=size, rows=rows) for rows in torch.split(shuffled, width)]
    shuffle = torch.randperm(len(micro), generator=rng).tolist()
    for start in range(0, len(shuffle) - per_step + 1, per_step):
        yield tuple(micro[index] for index in shuffle[start : start + per_step])


def make_batch(corpus: Corpus, rows: Rows, options: SimulationOptions, rng: torch.Generator) -> TrainingBatch:
    """Gather the crystals and simulate their patterns, on the device of ``rng``."""
    group = corpus.groups[rows.size]
    crystals = group.crystals(rows.rows).to(device=rng.device)
    observed, basis = observe(crystals, options, rng)
    return TrainingBatch(
        crystals=crystals,
        observed=observed,
        basis=basis,
        rotations=group.rotations[rows.rows].to(rng.device),
        rotation_count=group.rotation_count[rows.rows].to(rng.device),
    )
