"""What the network is told: the first peaks of a pattern, and the contents of the cell as far as they are known."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

#: numbers that describe a peak; see :meth:`Condition.peak_features`.
PEAK_FEATURES = 41


@dataclass(frozen=True, kw_only=True)
class Condition:
    """B patterns.

    Args:
        q: [B, K] 1/d^2 of the peaks in 1/A^2, rising; 1 where padded.
        share: [B, K] intensity over the strongest of all peaks, 0 where padded.
        mask: [B, K] bool.
        species: [B, N] atomic numbers in the primitive cell (or of one formula unit, where Z is not known), 0 padded.
        volume: [B] volume expected of those atoms, A^3.
        formula_known, z_known: [B] bool; without the formula, species and volume are not looked at.
    """

    q: Tensor
    share: Tensor
    mask: Tensor
    species: Tensor
    volume: Tensor
    formula_known: Tensor
    z_known: Tensor

    def __len__(self) -> int:
        return int(self.q.shape[0])

    def with_dropout(self, contents: float, z: float, rng: torch.Generator) -> Condition:
        """Formula and Z withheld from some at random, so that one network learns to do without."""
        known = self.formula_known & (torch.rand(len(self), generator=rng) >= contents)
        return replace(self, formula_known=known, z_known=known & (torch.rand(len(self), generator=rng) >= z))

    def knowing(self, *, formula: bool, z: bool) -> Condition:
        """The same patterns with or without formula and Z."""
        known = torch.full((len(self),), formula)
        return replace(self, formula_known=known, z_known=known & z)

    def peak_features(self) -> Tensor:
        """[B, K, 41] Fourier features of 1/d^2 and 1/d, ln d, intensity on two scales, place in the list."""
        inverse_d = self.q.sqrt()
        by_square = self.q[..., None] * (math.pi * 2.0 ** torch.arange(10, dtype=self.q.dtype))
        by_inverse = inverse_d[..., None] * (0.5 * math.pi * 2.0 ** torch.arange(8, dtype=self.q.dtype))
        place = torch.arange(self.q.shape[1], dtype=self.q.dtype).expand_as(self.q)
        scalars = torch.stack(
            [
                inverse_d,
                -inverse_d.log(),
                self.share.sqrt(),
                torch.log(self.share + 1e-4) / 3.0,
                torch.log1p(place) / 2.0,
            ],
            dim=-1,
        )
        return torch.cat([by_square.sin(), by_square.cos(), by_inverse.sin(), by_inverse.cos(), scalars], dim=-1)

    def contents_scalars(self) -> Tensor:
        """[B, 5] ln V and ln N where Z is known, ln of the volume per atom with the formula, and what is known."""
        atoms = (self.species > 0).sum(1).clamp(min=1).to(self.volume.dtype)
        formula, z = self.formula_known.to(self.volume.dtype), self.z_known.to(self.volume.dtype)
        return torch.stack(
            [
                (self.volume.log() - 5.0) * z,
                (atoms.log() - 2.0) * z,
                ((self.volume / atoms).log() - 2.7) * formula,
                formula,
                z,
            ],
            dim=-1,
        )
