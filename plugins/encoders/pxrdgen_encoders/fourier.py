"""Fourier features of positions in reciprocal space."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: octaves of 1/d^2 (1/A^2): the longest wave spans 4, the shortest 0.008.
SQUARE_OCTAVES = 10
#: octaves of 1/d (1/A).
INVERSE_OCTAVES = 8
#: numbers that describe a position.
POSITION_FEATURES = 2 * SQUARE_OCTAVES + 2 * INVERSE_OCTAVES + 2


def position_features(inverse_d_squared: Tensor) -> Tensor:
    """[..., POSITION_FEATURES] of 1/d^2 (1/A^2): sines and cosines of it and of 1/d by octaves, and both."""
    inverse_d = inverse_d_squared.clamp(min=0.0).sqrt()
    by_square = inverse_d_squared[..., None] * _octaves(SQUARE_OCTAVES, inverse_d)
    by_inverse = inverse_d[..., None] * _octaves(INVERSE_OCTAVES, inverse_d)
    waves = torch.cat([by_square, by_inverse], dim=-1)
    return torch.cat([waves.sin(), waves.cos(), inverse_d_squared[..., None], inverse_d[..., None]], dim=-1)


def _octaves(count: int, like: Tensor) -> Tensor:
    return 2.0 ** torch.arange(count, dtype=like.dtype, device=like.device) * (math.pi / 2.0)
