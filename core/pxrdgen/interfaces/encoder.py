"""Encoders of patterns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pxrdgen.values.pattern_batch import PatternBatch, PatternFeatures, QGrid


class PatternEncoder(ABC):
    """Turns powder patterns into vectors. One that learns is a ``torch.nn.Module`` as well."""

    @property
    @abstractmethod
    def width(self) -> int:
        """D, the length of the vector."""

    @property
    def grid(self) -> QGrid | None:
        """Where the encoder wants profiles; ``None`` for one that reads peaks only."""
        return None

    @abstractmethod
    def encode(self, patterns: PatternBatch) -> PatternFeatures:
        """The features of each pattern, whatever the others of the batch are."""
