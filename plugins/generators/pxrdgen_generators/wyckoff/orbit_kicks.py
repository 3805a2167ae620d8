"""Disturbing a fit within its assignment: orbits jittered, placed anew, or exchanged between elements."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.structure_fit.orbit_model import OrbitMap
from pxrdgen_crystallography.wyckoff.positions import OrbitFamily
from pxrdgen_generators.wyckoff.drawing import Drawing

#: widest jitter, A.
JITTER = 0.9


def kick(
    parents: Tensor,
    count: int,
    assignment: Sequence[Sequence[int]],
    families: Sequence[OrbitFamily],
    drawing: Drawing,
    target: IntensityTarget,
    orbits: OrbitMap,
    rng: torch.Generator,
) -> Tensor:
    """``count`` children [count, P] of random ``parents`` [M, P], each disturbed in one of three ways.

    ``assignment`` has the positions of each element.
    """
    rows = (torch.rand(count, generator=rng) ** 2 * len(parents)).long()
    free = parents[rows].clone()
    kind = torch.randint(0, 3, (count,), generator=rng)
    free = torch.where((kind == 0)[:, None], _jittered(free, target, orbits, rng), free)
    ends = torch.tensor([family.freedom for family in families]).cumsum(0).tolist()
    columns = [slice(end - family.freedom, end) for end, family in zip(ends, families, strict=True)]
    movable = [number for number, family in enumerate(families) if family.freedom]
    chosen = torch.randint(len(movable), (count,), generator=rng)
    for place, orbit in enumerate(movable):
        mine = ((kind == 1) & (chosen == place)).nonzero().squeeze(1)
        if len(mine):
            free[mine] = drawing.redraw(free[mine], orbit, rng)
    pairs = _exchangeable(assignment)
    for row in (kind == 2).nonzero().squeeze(1).tolist():
        if pairs:
            first, second = pairs[int(torch.randint(len(pairs), (1,), generator=rng))]
            held = free[row, columns[first]].clone()
            free[row, columns[first]] = free[row, columns[second]]
            free[row, columns[second]] = held
        else:
            free[row] = drawing.redraw(free[row : row + 1], movable[int(chosen[row])], rng)[0]
    return free


def _exchangeable(orbits: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Pairs of orbits of different elements on the same position, by their number in the assignment."""
    flat = [(element, index) for element, chosen in enumerate(orbits) for index in chosen]
    return [
        (i, j)
        for i, (first, index) in enumerate(flat)
        for j, (second, other) in enumerate(flat[:i])
        if first != second and index == other
    ]


def _jittered(free: Tensor, target: IntensityTarget, orbits: OrbitMap, rng: torch.Generator) -> Tensor:
    """Free coordinates moved by Gaussians of up to ``JITTER`` A."""
    moves = orbits.linear.permute(0, 2, 1) @ target.basis.float()
    length = torch.linalg.vector_norm(moves, dim=-1).amax(dim=0).clamp_min(1e-3)
    size = JITTER * (0.2 + 0.8 * torch.rand(free.shape[0], 1, generator=rng))
    return free + size * torch.randn(free.shape, generator=rng) / length
