"""Where the loop gets its micro-batches unless a component makes its own: crystals with simulated patterns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from pxrdgen_learning.training.batch import Rows, TrainingBatch, epoch_order, make_batch
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.options import TrainingOptions


@dataclass(frozen=True)
class CrystalFeed:
    """Crystals of equal size with the pattern of each simulated on the fly."""

    corpus: Corpus

    def order(self, options: TrainingOptions, epoch: int) -> Iterator[tuple[Rows, ...]]:
        """See :class:`~pxrdgen.interfaces.Feed`."""
        return epoch_order(
            self.corpus,
            atoms=options.atoms,
            max_crystals=options.max_crystals,
            per_step=options.per_step,
            seed=options.seed,
            epoch=epoch,
        )

    def batch(self, rows: Rows, options: TrainingOptions, rng: torch.Generator) -> TrainingBatch:
        """See :class:`~pxrdgen.interfaces.Feed`."""
        return make_batch(self.corpus, rows, options.simulation, rng)
