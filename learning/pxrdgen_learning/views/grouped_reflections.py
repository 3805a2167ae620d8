"""What a powder pattern says about a crystal whose cell is known: intensity per group of overlapping reflections."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class GroupedReflections:
    """Reflections of B crystals and the |F|^2 observed for each group of nearly equal d.

    Lorentz-polarisation and profile are divided out, so the numbers do not depend on the instrument; their scale
    is arbitrary.

    Args:
        hkl: [B, H, 3] half-sphere indices as floats; each stands for itself and its Friedel mate.
        measured: [B, H] bool, inside the measured range and not padding.
        group: [B, H] index of the group a reflection belongs to, by falling d; any valid index where not measured.
        strength: [B, G] sum of |F|^2 over both mates of all members, 0 where the group has no measured member.
        q_range: [B, 2] lowest and highest Q that was measured, 1/A, or ``None`` where nobody wrote it down.
    """

    hkl: Tensor
    measured: Tensor
    group: Tensor
    strength: Tensor
    q_range: Tensor | None = None

    def repeat(self, count: int) -> GroupedReflections:
        """Each crystal ``count`` times in a row."""
        return replace(
            self,
            hkl=self.hkl.repeat_interleave(count, dim=0),
            measured=self.measured.repeat_interleave(count, dim=0),
            group=self.group.repeat_interleave(count, dim=0),
            strength=self.strength.repeat_interleave(count, dim=0),
            q_range=None if self.q_range is None else self.q_range.repeat_interleave(count, dim=0),
        )
