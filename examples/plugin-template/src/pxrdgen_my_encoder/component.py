"""The encoder: each peak through a small network, weighted by its strength, summed."""

from __future__ import annotations

import math

import torch
from pxrdgen.interfaces import PatternEncoder
from pxrdgen.values import PatternBatch, PatternFeatures
from torch import Tensor, nn

from pxrdgen_my_encoder.options import MyEncoderOptions


class MyEncoder(nn.Module, PatternEncoder):
    """A deep set of peaks (Zaheer et al. 2017, arXiv:1703.06114)."""

    def __init__(self, options: MyEncoderOptions) -> None:
        super().__init__()
        self._options = options
        hidden = 2 * options.width
        self.peak = nn.Sequential(nn.Linear(2 * options.octaves + 1, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.out = nn.Sequential(nn.SiLU(), nn.Linear(hidden, options.width))

    @property
    def width(self) -> int:
        """D, the length of the vector."""
        return self._options.width

    def encode(self, patterns: PatternBatch) -> PatternFeatures:
        """[B, D] from the peaks alone; padding adds nothing."""
        strength = patterns.peaks[..., 1].clamp(min=0.0).sqrt() * patterns.peak_mask
        each = self.peak(self._features(patterns.peaks[..., 0], strength))
        total = (each * strength[..., None]).sum(1) / strength.sum(1, keepdim=True).clamp(min=1e-6)
        return PatternFeatures(vector=self.out(total))

    def _features(self, inverse_d_squared: Tensor, strength: Tensor) -> Tensor:
        """[B, P, F] sines and cosines of 1/d^2 on scales from 2 A^-2 down, and the root of the intensity."""
        octaves = 2.0 ** torch.arange(self._options.octaves, device=strength.device) * math.pi
        angle = inverse_d_squared[..., None] * octaves
        return torch.cat([angle.sin(), angle.cos(), strength[..., None]], dim=-1)
