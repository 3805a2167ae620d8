"""The lines of every training crystal, computed once: indices and intensities, no profiles."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from pxrdgen.values.composition import Composition
from pxrdgen.values.instrument import CUKA, Instrument
from pxrdgen_crystallography.diffraction import ReflectionList, simulate_reflections
from pxrdgen_crystallography.lattice.atomic_volumes import volume_model
from pxrdgen_learning.training.corpus import Corpus

#: lines kept of each crystal, lowest angles first.
LINES = 64
#: a line weaker than this share of the strongest is not kept.
FAINTEST = 2e-4
#: reflections whose angles (degrees) differ less are one line by symmetry.
_SAME = 0.01
_CHUNK = 256


@dataclass(frozen=True, kw_only=True)
class LineLists:
    """M crystals and their first lines.

    Args:
        hkl: [M, LINES, 3] int8 indices that stand for each line, 0 where padded.
        share: [M, LINES] intensity over that of the strongest line to 80 degrees, 0 where padded.
        basis: [M, 3, 3] rows a, b, c in A, lower triangular, Niggli-reduced.
        rotations: [M, 24, 3, 3] int8 rotations of each lattice onto itself, identity where unused.
        species: [M, N] atomic numbers, 0 where padded.
        volume: [M] volume expected of these atoms, A^3.
        weight: [M] chance of taking part in an epoch.
    """

    hkl: Tensor
    share: Tensor
    basis: Tensor
    rotations: Tensor
    species: Tensor
    volume: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return int(self.share.shape[0])

    @classmethod
    def from_corpus(cls, corpus: Corpus) -> LineLists:
        """Simulate the reflections of a corpus, about 2,500 crystals a second."""
        model = volume_model()
        parts: dict[str, list[Tensor]] = {field.name: [] for field in fields(cls)}
        largest = max(corpus.groups)
        for size, group in sorted(corpus.groups.items()):
            for rows in torch.split(torch.arange(len(group)), _CHUNK):
                crystals = group.crystals(rows)
                hkl, share = _first_lines(
                    simulate_reflections(crystals, Instrument(radiation=CUKA), two_theta_min=3.0, two_theta_max=80.0)
                )
                parts["hkl"].append(hkl.to(torch.int8))
                parts["share"].append(share.to(torch.float32))
                parts["species"].append(torch.nn.functional.pad(crystals.species, (0, largest - size)).to(torch.uint8))
                volumes = [model.mean(Composition.from_species(row)) for row in crystals.species.numpy()]
                parts["volume"].append(torch.tensor(volumes, dtype=torch.float32))
            parts["basis"].append(group.basis)
            parts["rotations"].append(group.rotations)
            parts["weight"].append(group.weight)
        return cls(**{name: torch.cat(values) for name, values in parts.items()})


def _first_lines(reflections: ReflectionList) -> tuple[Tensor, Tensor]:
    """Indices [B, LINES, 3] and shares [B, LINES] of the visible lines of lowest angle."""
    angle = torch.where(reflections.mask, reflections.two_theta, torch.inf)
    order = torch.argsort(angle, dim=1, stable=True)
    angle = angle.gather(1, order)
    intensity = torch.where(reflections.mask, reflections.intensity, 0.0).gather(1, order)
    starts = torch.ones_like(angle, dtype=torch.bool)
    starts[:, 1:] = angle[:, 1:] - angle[:, :-1] > _SAME
    line = torch.cumsum(starts, dim=1) - 1
    total = torch.zeros_like(intensity).scatter_add_(1, line, intensity)
    index = torch.arange(angle.shape[1]).expand_as(line)
    first = torch.full_like(line, angle.shape[1]).scatter_reduce_(1, line, index, "amin").clamp(max=angle.shape[1] - 1)
    share = total / total.amax(dim=1, keepdim=True).clamp(min=1e-12)
    visible = share > FAINTEST
    keep = torch.argsort((~visible).to(torch.int8), dim=1, stable=True)[:, :LINES]
    kept_share = torch.where(visible, share, 0.0).gather(1, keep)
    rows = order.gather(1, first.gather(1, keep))
    hkl = reflections.hkl.gather(1, rows[..., None].expand(-1, -1, 3))
    hkl = torch.where(kept_share[..., None] > 0, hkl, 0.0)
    missing = LINES - hkl.shape[1]
    if missing > 0:
        hkl = torch.nn.functional.pad(hkl, (0, 0, 0, missing))
        kept_share = torch.nn.functional.pad(kept_share, (0, missing))
    return hkl, kept_share
