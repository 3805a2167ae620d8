"""A refinement as a problem of damped least squares: restraints, pinned parameters, and when it has converged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen_crystallography.least_squares import single
from pxrdgen_crystallography.least_squares.single import DampingRule, Linearised
from pxrdgen_refiners.profile_model import Objective
from pxrdgen_refiners.quantity import Quantity
from pxrdgen_refiners.state import Freedom, State

FloatArray = NDArray[np.float64]

DAMPING = DampingRule(least=1e-9, lower=0.2, higher=6.0, tries=6)
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
    unit = max(objective.chi_squared(state), 1e-300) / points

    def point_of(state: State) -> _Point:
        chi_squared = objective.chi_squared(state)
        residual, _ = freedom.restraints(state, active)
        return _Point(state, chi_squared, chi_squared + unit * float(residual @ residual))

    def linearised(point: _Point) -> Linearised[_Point]:
        state = point.state
        matrix, gradient = objective.normal(state, active)
        residual, slope = freedom.restraints(state, active)
        matrix = matrix + unit * slope.T @ slope
        gradient = gradient - unit * slope.T @ residual
        rest = freedom.pinned(state, active, gradient)
        if rest.any():
            gradient = np.where(rest, 0.0, gradient)
            matrix = np.where(rest[:, None] | rest[None, :], np.diag(np.diag(matrix)), matrix)
        return Linearised(
            matrix=matrix,
            gradient=gradient,
            damped=_floor(freedom, state, active, matrix),
            moved=lambda step: point_of(freedom.moved(state, active, step)),
            misfit=lambda point: point.total,
        )

    stops = _Stops(unit, tolerance, least_gain)
    best = single.minimise(linearised, point_of(state), cycles=cycles, damping=DAMPING, stops=stops)
    return Minimum(state=best.state, chi_squared=best.chi_squared, converged=stops.converged)


@dataclass(frozen=True)
class _Point:
    state: State
    chi_squared: float
    total: float  # restraints included


class _Stops:
    """Ends where steps gain little; remembers whether the last shifts were small."""

    def __init__(self, unit: float, tolerance: float, least_gain: float) -> None:
        self._unit, self._tolerance, self._least_gain = unit, tolerance, least_gain
        self.converged = False

    def __call__(self, before: float, after: float, gradient: FloatArray, step: FloatArray) -> bool:
        gain = (before - after) / max(before, 1e-300)
        # what a full step would gain, in units of the noise, tells how far there is to go
        ahead = float(gradient @ step) / self._unit
        self.converged = ahead < self._tolerance**2 * len(step) or (gain < 0.0 and ahead < 1.0)
        if gain < self._least_gain:
            self.converged = self.converged or gain >= 0.0
            return True
        return self.converged and gain < 1e-4


def _floor(freedom: Freedom, state: State, active: Sequence[Quantity], matrix: FloatArray) -> FloatArray:
    diagonal = np.diag(matrix).copy()
    for place in freedom.layout(active, state).values():
        if place.stop > place.start:
            diagonal[place] += FLOOR * diagonal[place].mean()
    return diagonal + 1e-300
