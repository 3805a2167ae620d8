"""Networks inside learned generators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


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


class Denoiser(ABC):
    """Estimates how a state has to be moved to become the data; a ``torch.nn.Module`` as well.

    A subclass owes: invariance to a common shift of all atoms, equivariance to permutations, answers for the atoms of
    mean zero. What a ``condition`` says comes with the generator; that of ``flow`` and ``diffusion`` is
    ``pxrdgen_generators.conditions.Condition``. A denoiser listens to ``condition.vector`` [B, width], where an
    encoder has spoken.
    """

    @property
    @abstractmethod
    def width(self) -> int:
        """Length of its features, and of the vector it listens to."""

    @abstractmethod
    def encode(self, condition: Any) -> object:
        """What depends on the condition alone, computed once for all steps; handed back to :meth:`forward`.

        Where a cell is being generated (``condition.cell``), the cell and its coordinates do not count as known; nor
        does ``condition.vector``, ever.
        """

    @abstractmethod
    def forward(self, state: Tensor, t: Tensor, condition: Any, memory: object | None = None) -> Estimate:
        """The estimate for ``state`` [B, n, 3] at ``t`` [B].

        ``t``, ``condition`` and ``memory`` may be one for all B: samples for the same crystal share them.
        ``memory`` is what :meth:`encode` returned for the condition, or is made here.
        """
