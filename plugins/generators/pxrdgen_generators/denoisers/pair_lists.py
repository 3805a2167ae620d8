"""The pairs of n atoms counted once, and where to find each when both directions are wanted."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class PairList:
    """The P = n (n + 1) / 2 pairs with i <= j.

    Args:
        first, second: [P] i and j.
        place: [n n] where the pair of i and j stands, whichever is larger.
        sign: [n n] -1 where i > j, else 1: what an odd function of the vector from i to j is multiplied by.
        either: [n n] as ``place``, but P further where i > j: for values of both directions, one after the other.
    """

    first: Tensor
    second: Tensor
    place: Tensor
    sign: Tensor
    either: Tensor


@functools.lru_cache(maxsize=128)
def half_of_pairs(size: int, device: torch.device) -> PairList:
    """The list for ``size`` atoms, on a device."""
    first, second = torch.triu_indices(size, size, device=device)
    count = len(first)
    place = torch.empty(size, size, dtype=torch.long, device=device)
    place[first, second] = place[second, first] = torch.arange(count, device=device)
    upper = torch.ones(size, size, dtype=torch.bool, device=device).triu()
    return PairList(
        first=first,
        second=second,
        place=place.flatten(),
        sign=torch.where(upper, 1.0, -1.0).flatten(),
        either=torch.where(upper, place, place + count).flatten(),
    )
