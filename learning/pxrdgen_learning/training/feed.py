"""Where the loop gets its micro-batches: crystals with simulated patterns by default, a component's own otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch

from pxrdgen_learning.training.batch import Rows, TrainingBatch, epoch_order, make_batch
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.options import TrainingOptions

#: whatever a model's loss takes; its length is the number of crystals.
BatchT_co = TypeVar("BatchT_co", bound=Sized, covariant=True)


class Feed(Protocol[BatchT_co]):
    """Micro-batches by epoch; order and content follow from seeds alone."""

    def order(self, options: TrainingOptions, epoch: int) -> Iterator[tuple[Rows, ...]]:
        """The steps of one epoch, the same for the same ``options.seed``."""

    def batch(self, rows: Rows, options: TrainingOptions, rng: torch.Generator) -> BatchT_co:
        """One micro-batch; all randomness comes from ``rng``."""


@dataclass(frozen=True)
class CrystalFeed:
    """Crystals of equal size with the pattern of each simulated on the fly."""

    corpus: Corpus

    def order(self, options: TrainingOptions, epoch: int) -> Iterator[tuple[Rows, ...]]:
        """See :class:`Feed`."""
        return epoch_order(
            self.corpus,
            atoms=options.atoms,
            max_crystals=options.max_crystals,
            per_step=options.per_step,
            seed=options.seed,
            epoch=epoch,
        )

    def batch(self, rows: Rows, options: TrainingOptions, rng: torch.Generator) -> TrainingBatch:
        """See :class:`Feed`."""
        return make_batch(self.corpus, rows, options.simulation, rng)
