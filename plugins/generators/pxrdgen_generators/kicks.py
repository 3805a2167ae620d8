"""Disturbing a structure just enough to leave its basin: moves, swaps and shifts of whole elements."""

from __future__ import annotations

import torch
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget

#: widest jitter, A, at strength 1.
JITTER = 1.4


def kick(frac_coords: Tensor, target: IntensityTarget, strength: float, rng: torch.Generator) -> Tensor:
    """One child of each parent [M, N, 3]: one of four disturbances, drawn at random for each.

    jitter of all atoms; some atoms put anywhere; pairs of unlike atoms swapped; one element shifted by quarters of the
    cell. ``strength`` 0-1 scales how far and how many.
    """
    count = frac_coords.shape[0]
    kind = torch.randint(0, 4, (count,), generator=rng)
    if target.elements.numel() == 1:
        kind = torch.where(kind == 2, torch.ones_like(kind), kind)
    jittered = _jittered(frac_coords, target.basis, strength, rng)
    moved = _moved(frac_coords, strength, rng)
    swapped = _swapped(frac_coords, target.element_of, rng)
    shifted = _shifted(frac_coords, target.element_of, rng)
    stacked = torch.stack([jittered, moved, swapped, shifted])
    return stacked[kind, torch.arange(count)] % 1.0


def _jittered(coords: Tensor, basis: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    size = JITTER * strength * (0.25 + 0.75 * torch.rand(coords.shape[0], 1, 1, generator=rng))
    inverse: Tensor = torch.linalg.inv(basis)
    return coords + (size * torch.randn(coords.shape, generator=rng)) @ inverse


def _moved(coords: Tensor, strength: float, rng: torch.Generator) -> Tensor:
    """A few atoms anywhere: at least one, up to a share ``strength`` of them."""
    count, atoms, _ = coords.shape
    share = torch.rand(count, 1, generator=rng) * strength
    rank = torch.rand(count, atoms, generator=rng).argsort(dim=1).argsort(dim=1)
    chosen = rank <= (share * (atoms - 1)).floor()
    return torch.where(chosen[..., None], torch.rand(coords.shape, generator=rng), coords)


def _swapped(coords: Tensor, element_of: Tensor, rng: torch.Generator) -> Tensor:
    """Two atoms of different elements change places; twice for half of the parents."""
    count, atoms, _ = coords.shape
    result = coords.clone()
    rows = torch.arange(count)
    for repeat in range(2):
        first = torch.randint(atoms, (count,), generator=rng)
        unlike = element_of[None, :] != element_of[first][:, None]
        if not bool(unlike.any(dim=1).all()):
            return result
        second = torch.multinomial(unlike.float(), 1, generator=rng).squeeze(1)
        if repeat:
            second = torch.where(torch.rand(count, generator=rng) < 0.5, second, first)
        held = result[rows, first].clone()
        result[rows, first] = result[rows, second]
        result[rows, second] = held
    return result


def _shifted(coords: Tensor, element_of: Tensor, rng: torch.Generator) -> Tensor:
    """All atoms of one element shifted by quarters of the cell."""
    count = coords.shape[0]
    chosen = torch.randint(int(element_of.max()) + 1, (count, 1), generator=rng)
    shift = torch.randint(0, 4, (count, 1, 3), generator=rng) / 4.0
    return torch.where((element_of[None, :] == chosen)[..., None], coords + shift, coords)
