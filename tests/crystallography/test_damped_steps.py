"""Damped least squares on problems whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pxrdgen_crystallography.least_squares.single import (
    DampingRule,
    Linearised,
    minimise,
    solve_positive,
    stops_below,
)

FloatArray = NDArray[np.float64]
RULE = DampingRule(lower=0.3, higher=8.0, tries=6)


def rosenbrock(point: FloatArray) -> Linearised[FloatArray]:
    """Residuals 10 (y - x^2) and 1 - x; the minimum is at (1, 1)."""

    def residual(at: FloatArray) -> FloatArray:
        return np.array([10.0 * (at[1] - at[0] ** 2), 1.0 - at[0]])

    jacobian = np.array([[20.0 * point[0], -10.0], [1.0, 0.0]])  # of minus the residuals
    normal = jacobian.T @ jacobian
    return Linearised(
        matrix=normal,
        gradient=jacobian.T @ residual(point),
        damped=np.diag(normal),
        moved=lambda step: point + step,
        misfit=lambda at: float(residual(at) @ residual(at)),
    )


def test_a_curved_valley_is_followed_to_its_end() -> None:
    found = minimise(rosenbrock, np.array([-1.2, 1.0]), cycles=60, damping=RULE, stops=stops_below(1e-12))
    assert found == pytest.approx([1.0, 1.0], abs=1e-6)


def test_no_step_that_raises_the_misfit_is_kept_and_the_rule_of_stopping_hears_of_it() -> None:
    heard: list[tuple[float, float]] = []

    def uphill(point: FloatArray) -> Linearised[FloatArray]:
        return Linearised(
            matrix=np.eye(1),
            gradient=np.ones(1),
            damped=np.ones(1),
            moved=lambda step: point + step,
            misfit=lambda at: float(np.abs(at).sum()) if at.sum() >= 0.0 else np.nan,
        )

    def stops(before: float, after: float, gradient: FloatArray, step: FloatArray) -> bool:
        heard.append((before, after))
        assert gradient == pytest.approx([1.0])
        assert 0.0 < step[0] < 1e-1  # the last of six tries, each damped eight times more
        return True

    rule = DampingRule(first=1.0, lower=0.1, higher=8.0, tries=6)
    found = minimise(uphill, np.zeros(1), cycles=5, damping=rule, stops=stops)
    assert found.tolist() == [0.0]
    assert heard == [(0.0, np.inf)]


def test_a_problem_that_is_not_finite_is_left_where_it_is() -> None:
    def broken(point: FloatArray) -> Linearised[FloatArray]:
        nothing = np.full((1, 1), np.nan)
        return Linearised(
            matrix=nothing, gradient=nothing[0], damped=nothing[0], moved=lambda step: point + step, misfit=np.sum
        )

    assert minimise(broken, np.ones(1), cycles=3, damping=RULE, stops=stops_below(0.0)).tolist() == [1.0]


def test_positive_systems_of_many_orders_of_magnitude_are_solved_and_singular_ones_survived() -> None:
    scales = np.array([1e-9, 1.0, 1e9])
    matrix = np.outer(scales, scales) * (np.eye(3) + 0.4)
    wanted = np.array([3.0, -2.0, 1.0]) / scales
    assert solve_positive(matrix, matrix @ wanted) == pytest.approx(wanted, rel=1e-9)
    singular = np.ones((2, 2))
    assert singular @ solve_positive(singular, np.ones(2)) == pytest.approx([1.0, 1.0])
