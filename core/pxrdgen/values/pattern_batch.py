"""Patterns as a learned model sees them, and what an encoder makes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pxrdgen.errors import OptionError


@dataclass(frozen=True, kw_only=True)
class QGrid:
    """Points equally spaced in Q = 2 pi / d, 1/A.

    The default covers what Cu K-alpha sees between 5 and 80 degrees, about three points a full width.

    Raises:
        OptionError: a range that runs backwards, or fewer than 16 points.
    """

    low: float = 0.356
    high: float = 5.24
    points: int = 3750

    def __post_init__(self) -> None:
        if not 0.0 <= self.low < self.high or self.points < 16:
            raise OptionError(f"got {self}, expected 0 <= low < high and at least 16 points")

    @property
    def spacing(self) -> float:
        """Distance of two points, 1/A."""
        return (self.high - self.low) / (self.points - 1)

    def values(self, like: Tensor) -> Tensor:
        """[G] the points, of the type and on the device of ``like``."""
        return torch.linspace(self.low, self.high, self.points, dtype=like.dtype, device=like.device)


@dataclass(frozen=True, kw_only=True)
class PatternBatch:
    """B powder patterns, freed of wavelength, step and range; :mod:`pxrdgen_learning.views.pattern_views` makes them.

    Args:
        peaks: [B, P, 2] 1/d^2 (1/A^2) and integrated intensity as Cu K-alpha would show it, the strongest 1.
        peak_mask: [B, P] bool, true where there is a peak.
        q_range: [B, 2] lowest and highest Q that was measured, 1/A.
        q_grid: [G] points of the profile, 1/A; G is 0 where nobody asked for profiles.
        profile: [B, G] intensity over background as Cu K-alpha would show it, highest point 1, 0 where not measured.
        measured: [B, G] bool, inside the measured range.
    """

    peaks: Tensor
    peak_mask: Tensor
    q_range: Tensor
    q_grid: Tensor
    profile: Tensor
    measured: Tensor

    def __len__(self) -> int:
        return int(self.peaks.shape[0])

    def __getitem__(self, rows: slice | Tensor) -> PatternBatch:
        """The batch restricted to some rows."""
        return replace(
            self,
            peaks=self.peaks[rows],
            peak_mask=self.peak_mask[rows],
            q_range=self.q_range[rows],
            profile=self.profile[rows],
            measured=self.measured[rows],
        )

    def to(self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> PatternBatch:
        """The batch on another device or in another floating-point precision."""
        return PatternBatch(
            peaks=self.peaks.to(device=device, dtype=dtype),
            peak_mask=self.peak_mask.to(device=device),
            q_range=self.q_range.to(device=device, dtype=dtype),
            q_grid=self.q_grid.to(device=device, dtype=dtype),
            profile=self.profile.to(device=device, dtype=dtype),
            measured=self.measured.to(device=device),
        )


@dataclass(frozen=True, kw_only=True)
class PatternFeatures:
    """What an encoder says about B patterns.

    Args:
        vector: [B, D] one vector a pattern, not normalised.
        tokens: [B, T, E] a finer description that a generator may attend to, or ``None``.
        token_mask: [B, T] bool, true where there is a token; ``None`` without tokens.
    """

    vector: Tensor
    tokens: Tensor | None = None
    token_mask: Tensor | None = None
