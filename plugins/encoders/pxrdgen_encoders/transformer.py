"""The transformer encoder of profiles, after PXRDGen (Li et al. 2025, doi:10.1038/s41467-025-62708-8)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.values.pattern_batch import PatternBatch, PatternFeatures, QGrid
from pxrdgen_encoders.cnn import profile_channels
from pxrdgen_encoders.options import TransformerOptions


class TransformerEncoder(nn.Module, PatternEncoder):
    """Stretches of ten points as tokens, sinusoidal positions, post-norm layers, mean, one linear layer.

    Points are equally spaced in Q, where the published network has them in 2theta; tokens also carry where the
    pattern was measured, unless ``show_range`` is off.
    """

    positions: Tensor

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self._width, self._grid, self.show_range = options.width, QGrid(points=options.points), options.show_range
        self.patch, hidden = options.patch, options.hidden
        self.embed = nn.Linear(options.patch * (1 + options.show_range), hidden)
        layer = nn.TransformerEncoderLayer(
            hidden, options.heads, options.feed_forward, dropout=options.dropout, batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, options.layers, enable_nested_tensor=False)
        self.head = nn.Linear(hidden, options.width)
        self.register_buffer("positions", _sinusoids(options.points // options.patch, hidden), persistent=False)

    @property
    def width(self) -> int:
        """See :class:`PatternEncoder`."""
        return self._width

    @property
    def grid(self) -> QGrid:
        """See :class:`PatternEncoder`."""
        return self._grid

    def encode(self, patterns: PatternBatch) -> PatternFeatures:
        """See :class:`PatternEncoder`; the tokens are the stretches."""
        channels = profile_channels(patterns, show_range=self.show_range)
        batch, count, points = channels.shape
        stretches = channels.reshape(batch, count, points // self.patch, self.patch).transpose(1, 2).flatten(2)
        tokens = self.layers(self.embed(stretches) + self.positions)
        vector: Tensor = self.head(tokens.mean(1))
        mask = patterns.measured.reshape(batch, -1, self.patch).any(-1)
        return PatternFeatures(vector=vector, tokens=tokens, token_mask=mask)


def _sinusoids(count: int, width: int) -> Tensor:
    """[count, width] sin and cos of position / 10000^(2i / width), alternating (Vaswani et al. 2017)."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angles = torch.arange(count)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
