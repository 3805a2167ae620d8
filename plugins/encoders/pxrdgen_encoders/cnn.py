"""The convolutional encoder of profiles, after PXRDGen (Li et al. 2025, doi:10.1038/s41467-025-62708-8)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.values.pattern_batch import PatternBatch, PatternFeatures, QGrid
from pxrdgen_encoders.options import CnnOptions


class CnnEncoder(nn.Module, PatternEncoder):
    """Stages of convolution, leaky ReLU, pooling by two and dropout, then one linear layer.

    Points are equally spaced in Q, where the published network has them in 2theta; a second channel says where the
    pattern was measured, unless ``show_range`` is off.
    """

    def __init__(self, options: CnnOptions) -> None:
        super().__init__()
        self._width, self._grid, self.show_range = options.width, QGrid(points=options.points), options.show_range
        stages: list[nn.Module] = []
        for entering, leaving in itertools.pairwise((1 + options.show_range, *options.channels)):
            stages += [
                nn.Conv1d(entering, leaving, 3, padding=1),
                nn.LeakyReLU(),
                nn.MaxPool1d(2),
                nn.Dropout(options.dropout),
            ]
        self.stages = nn.Sequential(*stages)
        for stage in stages:
            if isinstance(stage, nn.Conv1d):  # nine stages without a norm would shrink a sparse profile to nothing
                nn.init.kaiming_normal_(stage.weight, a=0.01)
        self.head = nn.Linear((options.points >> len(options.channels)) * options.channels[-1], options.width)

    @property
    def width(self) -> int:
        """See :class:`PatternEncoder`."""
        return self._width

    @property
    def grid(self) -> QGrid:
        """See :class:`PatternEncoder`."""
        return self._grid

    def encode(self, patterns: PatternBatch) -> PatternFeatures:
        """See :class:`PatternEncoder`."""
        vector: Tensor = self.head(self.stages(profile_channels(patterns, show_range=self.show_range)).flatten(1))
        return PatternFeatures(vector=vector)


def profile_channels(patterns: PatternBatch, *, show_range: bool) -> Tensor:
    """[B, 1 or 2, G] the profile, and where it was measured."""
    channels = [patterns.profile]
    if show_range:
        channels.append(patterns.measured.to(patterns.profile.dtype))
    return torch.stack(channels, dim=1)
