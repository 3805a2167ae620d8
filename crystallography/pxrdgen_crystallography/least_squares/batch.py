"""Damped least squares for many independent fits at once.

Each fit has its own damping, lowered after a step that helps and raised after one that is taken back; fits that no
longer gain rest, and the batch shrinks to those that do. Misfits and normal equations are evaluated together at every
step, for some fits keep theirs while others do not; ``single``, where derivatives are dear, tries steps first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

START_DAMPING, LEAST_DAMPING, MOST_DAMPING = 0.1, 1e-7, 1e4
#: factors on the damping after a step that is kept and one that is taken back; above the third, a candidate may rest.
LOWER, HIGHER, RESTING_DAMPING = 0.5, 3.0, 10.0
#: a candidate rests when this many steps in a row gained less than this fraction (steps taken back count only late).
IDLE_STEPS, LEAST_GAIN = 4, 2e-3


class Parameters(Protocol):
    """What is fitted: M sets of numbers."""

    def select(self, rows: Tensor) -> Self:
        """The sets ``rows``."""

    def where(self, better: Tensor, other: Self) -> Self:
        """These where ``better`` [M] holds, else the others."""

    def scattered(self, rows: Tensor, part: Self) -> Self:
        """These with the sets ``rows`` replaced by ``part``."""


P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Objective and normal equations of m parameter sets.

    Args:
        misfit: [m] reported beside the score.
        score: [m] what is minimised.
        matrix: [m, p, p] J^T J, double precision.
        gradient: [m, p] J^T r.
    """

    misfit: Tensor
    score: Tensor
    matrix: Tensor
    gradient: Tensor


class Objective(Protocol[P]):
    """A least-squares problem over parameter sets ``P``; ``rows`` say which of the starting sets are meant."""

    def evaluate(self, parameters: P, rows: Tensor) -> Evaluation:
        """Value and normal equations."""

    def stepped(self, parameters: P, matrix: Tensor, gradient: Tensor, damping: Tensor, rows: Tensor) -> P:
        """The sets after one damped step."""


def minimise(objective: Objective[P], start: P, count: int, iterations: int) -> tuple[P, Tensor, Tensor]:
    """The best of the ``count`` sets found in ``iterations`` steps, their misfit [M] and score [M]."""
    best = start
    score = torch.full((count,), float("inf"))
    misfit = score.clone()
    damping = torch.full_like(score, START_DAMPING)
    idle = torch.zeros_like(score, dtype=torch.long)
    active = torch.arange(count)
    trial = start
    matrix: Tensor | None = None
    gradient: Tensor | None = None
    for iteration in range(iterations + 1):
        fresh = objective.evaluate(trial, active)
        new, old = fresh.score, score[active]
        better = new < old
        gained = (old - new) > LEAST_GAIN * old
        # a step taken back says the damping was too low, not that the candidate is at rest
        slow = torch.where(better, ~gained, damping[active] > RESTING_DAMPING)
        idle[active] = torch.where(gained | torch.isinf(old), torch.zeros_like(idle[active]), idle[active] + slow)
        score[active] = torch.where(better, new, old)
        misfit[active] = torch.where(better, fresh.misfit, misfit[active])
        damping[active] = torch.where(better, damping[active] * LOWER, damping[active] * HIGHER).clamp(
            LEAST_DAMPING, MOST_DAMPING
        )
        best = best.scattered(active, trial.where(better, best.select(active)))
        matrix = fresh.matrix if matrix is None else torch.where(better[:, None, None], fresh.matrix, matrix)
        gradient = fresh.gradient if gradient is None else torch.where(better[:, None], fresh.gradient, gradient)
        keep = (idle[active] < IDLE_STEPS).nonzero().squeeze(1)
        if keep.numel() == 0 or iteration == iterations:
            break
        if keep.numel() < active.numel():
            active, matrix, gradient = active[keep], matrix[keep], gradient[keep]
        trial = objective.stepped(best.select(active), matrix, gradient, damping[active], active)
    return best, misfit, score


def damped_step(matrix: Tensor, gradient: Tensor, damping: Tensor) -> Tensor:
    """[m, p] solution of (A + damping D) step = -gradient, single precision; 0 where the matrix cannot be factored."""
    matrix = matrix.clone()
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    # origin shifts leave the intensities alone, so the matrix is singular without an absolute term
    scale = diagonal.mean(dim=-1, keepdim=True)
    diagonal += damping.double()[:, None] * (diagonal + 0.1 * scale) + 1e-7 * scale + 1e-12
    factor, _ = torch.linalg.cholesky_ex(matrix)
    step = torch.cholesky_solve(-gradient[..., None], factor).squeeze(-1).float()
    return torch.nan_to_num(step, nan=0.0, posinf=0.0, neginf=0.0)
