"""Damped Gauss-Newton steps on one problem: the problem, the rule of the damping and the rule of stopping apart.

A step solves (A + damping diag(D)) step = g and is kept when it does not raise the misfit; the damping falls after a
step that is kept and rises after one that is taken back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

FloatArray = NDArray[np.float64]
P = TypeVar("P")

#: told the misfit before and after (infinite where no step was kept), the gradient and the last step tried.
StoppingRule = Callable[[float, float, FloatArray, FloatArray], bool]


@dataclass(frozen=True, kw_only=True)
class Linearised(Generic[P]):
    """A problem about one point ``P``, which holds the parameters and whatever is expensive about them.

    Args:
        matrix: [p, p] A = J^T W J and what restrains the parameters.
        gradient: [p] g = J^T W r, downhill.
        damped: [p] D, what the damping multiplies.
        moved: the point after a step [p], bounds kept.
        misfit: of any point, weighted as here.
    """

    matrix: FloatArray
    gradient: FloatArray
    damped: FloatArray
    moved: Callable[[FloatArray], P]
    misfit: Callable[[P], float]


@dataclass(frozen=True, kw_only=True)
class DampingRule:
    """How the damping answers to success: where it starts, its floor, its factors and the steps tried from one point.

    ``lower`` is its factor after a step kept, ``higher`` after one taken back.
    """

    first: float = 1e-3
    least: float = 0.0
    lower: float
    higher: float
    tries: int


def minimise(
    problem: Callable[[P], Linearised[P]], start: P, *, cycles: int, damping: DampingRule, stops: StoppingRule
) -> P:
    """The best point after at most ``cycles`` linearisations, each followed by one step that is kept."""
    point, factor = start, damping.first
    for _ in range(cycles):
        here = problem(point)
        if not (np.isfinite(here.matrix).all() and np.isfinite(here.gradient).all()):
            break
        before, after = here.misfit(point), math.inf
        for _ in range(damping.tries):
            step = solve_positive(here.matrix + np.diag(factor * here.damped), here.gradient)
            trial = here.moved(step)
            misfit = here.misfit(trial)
            if misfit <= before:
                point, after, factor = trial, misfit, max(factor * damping.lower, damping.least)
                break
            factor *= damping.higher
        if stops(before, after, here.gradient, step):
            break
    return point


def stops_below(share: float, fall: float = 0.0) -> StoppingRule:
    """Stop at a step that gains less than this share of the misfit, and ``fall`` more."""
    return lambda before, after, *_: before - after < fall + share * before


def solve_positive(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Solution of a positive system after scaling its diagonal to 1, which spans many orders of magnitude."""
    scale = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    scaled = matrix * scale[:, None] * scale
    try:
        return np.asarray(scale * cho_solve(cho_factor(scaled, check_finite=False), scale * right, check_finite=False))
    except LinAlgError:
        return np.asarray(scale * np.linalg.lstsq(scaled, scale * right, rcond=1e-12)[0])
