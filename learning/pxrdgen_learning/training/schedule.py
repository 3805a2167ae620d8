"""Warm-up, a constant stretch that can be ended at any step, a cooldown to zero.

A cosine needs to know the end beforehand; this schedule (warm-up, stable, decay: Hu et al. 2024, arXiv:2404.06395)
can be left wherever time runs out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Learning rate by step.

    Args:
        peak: rate of the constant stretch.
        warmup: steps to reach it.
        cooldown_start: step at which the cooldown begins; ``None`` while it has not been decided.
        cooldown_steps: its length; the rate is 0 at its end.
    """

    peak: float
    warmup: int
    cooldown_start: int | None = None
    cooldown_steps: int = 0

    def __call__(self, step: int) -> float:
        """peak min(1, (step + 1) / warmup), then peak (1 + cos pi u) / 2 with u the fraction of the cooldown done."""
        rate = self.peak * min(1.0, (step + 1) / self.warmup)
        if self.cooldown_start is None or step < self.cooldown_start:
            return rate
        done = min(1.0, (step - self.cooldown_start) / max(1, self.cooldown_steps))
        return rate * 0.5 * (1.0 + math.cos(math.pi * done))

    @property
    def end(self) -> int | None:
        """The step at which training is over; ``None`` without a cooldown."""
        return None if self.cooldown_start is None else self.cooldown_start + self.cooldown_steps
