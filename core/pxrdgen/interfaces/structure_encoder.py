"""Encoders of crystals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from pxrdgen.values.crystal_batch import CrystalBatch


class StructureEncoder(ABC):
    """Turns crystals into vectors, for comparison with patterns. One that learns is a ``torch.nn.Module`` as well.

    Translations of all atoms, their order and their wrapping into the cell must not matter.
    """

    @property
    @abstractmethod
    def width(self) -> int:
        """D, the length of the vector."""

    @abstractmethod
    def encode(self, crystals: CrystalBatch) -> Tensor:
        """[B, D] a vector of each crystal, not normalised; crystals may be padded."""
