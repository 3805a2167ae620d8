"""Lines counted into narrow bins of 1/d: what a network reads at a glance that it would otherwise have to learn."""

from __future__ import annotations

import torch
from torch import Tensor

#: 1/d at the end of the last bin, 1/A; d = 1.2 A.
LARGEST = 1.0 / 1.2
#: a line is shared out over bins this far from its own, as a Gaussian with a standard deviation of one bin.
_REACH = 2


@torch.no_grad()
def line_histogram(inverse_d: Tensor, weight: Tensor, bins: int) -> Tensor:
    """[B, bins] of lines at ``inverse_d`` [B, L] (1/A), each adding a peak of height ``weight`` [B, L]."""
    place = inverse_d * (bins / LARGEST) - 0.5
    nearest = torch.round(place).long()
    histogram = weight.new_zeros(len(weight), bins)
    for offset in range(-_REACH, _REACH + 1):
        index = nearest + offset
        share = weight * torch.exp(-0.5 * (index - place) ** 2)
        share = torch.where((index >= 0) & (index < bins), share, 0.0)
        histogram.scatter_add_(1, index.clamp(0, bins - 1), share)
    return histogram


@torch.no_grad()
def measured_bins(q_range: Tensor, bins: int) -> Tensor:
    """[B, bins] 1 where a bin lies inside the measured range ``q_range`` [B, 2] (1/A), else 0."""
    centres = (torch.arange(bins, dtype=q_range.dtype, device=q_range.device) + 0.5) * (LARGEST / bins)
    q = 2.0 * torch.pi * centres
    return ((q >= q_range[:, :1]) & (q <= q_range[:, 1:])).to(q_range.dtype)
