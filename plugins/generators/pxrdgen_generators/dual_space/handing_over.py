"""Arrangements of the heavier atoms as candidates of the whole composition."""

from __future__ import annotations

import torch
from torch import Tensor

from pxrdgen.values.candidates import CandidateBatch
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_generators.dual_space.arrangement import Arrangement

#: A; hydrogen is put at random at least this far from everything, in at most so many trials.
ROOM, TRIALS = 0.8, 60


def candidates_of(
    found: list[Arrangement], whole: IntensityTarget, heavy: IntensityTarget, rng: torch.Generator
) -> CandidateBatch:
    """Candidates with the freedom that the group leaves the heavy atoms; hydrogen moves freely from random places."""
    atoms = int(whole.species.numel())
    light = atoms - int(heavy.species.numel())
    coords, freedom, constraint = [], [], []
    for entry in found:
        placed = _with_hydrogen(entry.orbits.constant, light, whole.basis.float(), rng)
        columns = torch.zeros(3 * atoms, 3 * light + entry.orbits.freedom)
        columns[: 3 * light, : 3 * light] = torch.eye(3 * light)
        if entry.orbits.freedom:
            columns[3 * light :, 3 * light :] = torch.linalg.qr(entry.orbits.linear.flatten(0, 1)).Q
        coords.append(placed)
        freedom.append(columns.shape[1])
        constraint.append(columns)
    textured = any(entry.texture is not None for entry in found)
    even = torch.ones(int(whole.hkl.shape[0]))
    textures = [even if entry.texture is None else entry.texture.float() for entry in found]
    return CandidateBatch(
        frac_coords=torch.stack(coords) if coords else torch.zeros(0, atoms, 3),
        freedom=torch.tensor(freedom, dtype=torch.long),
        constraint=tuple(constraint),
        texture=torch.stack(textures) if textured else None,
    )


def _with_hydrogen(heavy: Tensor, light: int, basis: Tensor, rng: torch.Generator) -> Tensor:
    """[N, 3] coordinates, hydrogen first as atoms are ordered."""
    placed = heavy
    for _ in range(light):
        for _ in range(TRIALS):
            position = torch.rand(3, generator=rng)
            apart = placed - position
            distance = torch.linalg.vector_norm((apart - torch.round(apart)) @ basis, dim=-1)
            if float(distance.min()) > ROOM:
                break
        placed = torch.cat([position[None], placed])
    return placed
