"""An exponential moving average of the weights: what is evaluated and shipped."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pxrdgen_learning.weights.restore import lasting_tensors


class WeightAverage:
    """avg += (1 - d) (weights - avg), with d = min(decay, (1 + step) / (10 + step)) so that a start is forgotten.

    Buffers that the network keeps are taken as they are.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self._values = {name: value.detach().clone() for name, value in lasting_tensors(network).items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after ``step``."""
        decay = min(self._decay, (1 + step) / (10 + step))
        names, values = zip(*network.named_parameters(), strict=True)
        torch._foreach_lerp_([self._values[name] for name in names], list(values), 1.0 - decay)
        for name, buffer in network.named_buffers():
            if name in self._values:
                self._values[name].copy_(buffer)

    def values(self) -> dict[str, Tensor]:
        """The averages by parameter name."""
        return dict(self._values)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Replace the averages."""
        for name, value in self._values.items():
            value.copy_(values[name])
