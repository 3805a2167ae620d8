"""What every denoiser does."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from pxrdgen_generators.conditions import Condition


class Denoiser(nn.Module, ABC):
    """Estimates the displacement from the data to a noisy state.

    A subclass owes: invariance to a common shift of all atoms, equivariance to permutations, outputs of mean zero.
    """

    @abstractmethod
    def encode(self, condition: Condition) -> object:
        """What depends on the condition alone, computed once for all steps; handed back to :meth:`forward`."""

    @abstractmethod
    def forward(self, state: Tensor, t: Tensor, condition: Condition, memory: object | None = None) -> Tensor:
        """Displacement [B, n, 3], Cartesian, in units of the path's scale, for ``state`` [B, n, 3] at ``t`` [B].

        ``memory`` is what :meth:`encode` returned for the condition, or is made here.
        """
