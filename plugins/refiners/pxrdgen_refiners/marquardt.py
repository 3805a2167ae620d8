"""Damped Gauss-Newton steps that never raise the misfit (Levenberg 1944, Marquardt 1963, doi:10.1137/0111030)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen_refiners.profile_model import Objective
from pxrdgen_refiners.quantity import Quantity
from pxrdgen_refiners.state import Freedom, State

FloatArray = NDArray[np.float64]

FIRST_DAMPING, LEAST_DAMPING = 1e-3, 1e-9
TRIES = 6
#: numbers of a quantity that change nothing are damped as if they changed this share of its mean.
FLOOR = 1e-3
LEAST_GAIN = 1e-7


@dataclass(frozen=True, kw_only=True)
class Minimum:
    """Where the steps ended.

    Args:
        state: best state seen.
        chi_squared: of the data alone.
        converged: whether the last shifts were small against their uncertainties.
    """

    state: State
    chi_squared: float
    converged: bool


def minimise(
    objective: Objective,
    freedom: Freedom,
    state: State,
    active: Sequence[Quantity],
    *,
    cycles: int,
    points: int,
    tolerance: float = 0.1,
    least_gain: float = LEAST_GAIN,
) -> Minimum:
    """At most ``cycles`` accepted steps of the ``active`` parameters.

    Restraints count in units of chi^2 / ``points`` at the start, so that they weigh the same in good and in bad fits.
    """
    chi_squared = objective.chi_squared(state)
    unit = max(chi_squared, 1e-300) / points
    total = chi_squared + unit * _restraint(freedom, state, active)
    damping, converged = FIRST_DAMPING, False
    for _ in range(cycles):
        matrix, gradient = objective.normal(state, active)
        residual, slope = freedom.restraints(state, active)
        matrix = matrix + unit * slope.T @ slope
        gradient = gradient - unit * slope.T @ residual
        if not (np.isfinite(matrix).all() and np.isfinite(gradient).all()):
            break
        rest = freedom.pinned(state, active, gradient)
        if rest.any():
            gradient = np.where(rest, 0.0, gradient)
            matrix = np.where(rest[:, None] | rest[None, :], np.diag(np.diag(matrix)), matrix)
        floor = _floor(freedom, state, active, matrix)
        gain = -1.0
        for _ in range(TRIES):
            step = _solved(matrix + damping * np.diag(floor), gradient)
            trial = freedom.moved(state, active, step)
            trial_chi_squared = objective.chi_squared(trial)
            trial_total = trial_chi_squared + unit * _restraint(freedom, trial, active)
            if np.isfinite(trial_total) and trial_total <= total:
                gain = (total - trial_total) / max(total, 1e-300)
                state, chi_squared, total = trial, trial_chi_squared, trial_total
                damping = max(damping * 0.2, LEAST_DAMPING)
                break
            damping *= 6.0
        # what a full step would gain, in units of the noise, tells how far there is to go
        ahead = float(gradient @ step) / unit
        converged = ahead < tolerance**2 * len(step) or (gain < 0.0 and ahead < 1.0)
        if gain < least_gain:
            converged = converged or gain >= 0.0
            break
        if converged and gain < 1e-4:
            break
    return Minimum(state=state, chi_squared=chi_squared, converged=converged)


def _restraint(freedom: Freedom, state: State, active: Sequence[Quantity]) -> float:
    residual, _ = freedom.restraints(state, active)
    return float(residual @ residual)


def _floor(freedom: Freedom, state: State, active: Sequence[Quantity], matrix: FloatArray) -> FloatArray:
    diagonal = np.diag(matrix).copy()
    for place in freedom.layout(active, state).values():
        if place.stop > place.start:
            diagonal[place] += FLOOR * diagonal[place].mean()
    return diagonal + 1e-300


def _solved(matrix: FloatArray, gradient: FloatArray) -> FloatArray:
    """Solution of a positive system after scaling its diagonal to 1, which spans many orders of magnitude."""
    scale = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    scaled = matrix * scale[:, None] * scale
    try:
        return np.asarray(scale * np.linalg.solve(scaled, gradient * scale))
    except np.linalg.LinAlgError:
        return np.asarray(scale * np.linalg.lstsq(scaled, gradient * scale, rcond=1e-12)[0])
