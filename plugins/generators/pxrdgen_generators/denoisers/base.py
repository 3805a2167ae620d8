"""What every denoiser does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from pxrdgen_generators.conditions import Condition


class Estimate(NamedTuple):
    """What a denoiser says about B states.

    Args:
        atoms: [B, n, 3] in the units of the path, of mean zero over the atoms.
        features: [B, width] of the whole crystal.
        cell: [B, C] velocity of a cell that is being generated, if one is.
    """

    atoms: Tensor
    features: Tensor
    cell: Tensor | None = None


class Denoiser(nn.Module, ABC):
    """Estimates how a state has to be moved to become the data.

    A subclass owes: invariance to a common shift of all atoms, equivariance to permutations, answers for the atoms of
    mean zero. It listens to ``condition.vector`` [B, width], where an encoder has spoken.
    """

    @property
    @abstractmethod
    def width(self) -> int:
        """Length of its features, and of the vector it listens to."""

    @abstractmethod
    def encode(self, condition: Condition) -> object:
        """What depends on the condition alone, computed once for all steps; handed back to :meth:`forward`.

        Where a cell is being generated (``condition.cell``), the cell and its coordinates do not count as known; nor
        does ``condition.vector``, ever.
        """

    @abstractmethod
    def forward(self, state: Tensor, t: Tensor, condition: Condition, memory: object | None = None) -> Estimate:
        """The estimate for ``state`` [B, n, 3] at ``t`` [B].

        ``t``, ``condition`` and ``memory`` may be one for all B: samples for the same crystal share them.
        ``memory`` is what :meth:`encode` returned for the condition, or is made here.
        """
