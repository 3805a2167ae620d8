"""The two parts of a pseudo-Voigt, of tensors (angles in degrees 2theta)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def lorentzian(offset: Tensor, width: Tensor) -> Tensor:
    """Area-normalised Lorentzian, 1/degree: ``offset`` and full ``width`` in degrees, broadcast together."""
    scaled = offset * (2.0 / width)
    return (2.0 / (math.pi * width)) / (1.0 + scaled * scaled)


def gaussian(offset: Tensor, width: Tensor) -> Tensor:
    """Area-normalised Gaussian, 1/degree: ``offset`` and full ``width`` in degrees, broadcast together."""
    scaled = offset / width
    height = 2.0 * math.sqrt(math.log(2.0) / math.pi) / width
    return height * torch.exp((-4.0 * math.log(2.0)) * scaled * scaled)
