"""The profile with positions and widths held: a quadratic form in line intensities, phase scales and background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen_refiners.intensity_model import IntensityModel
from pxrdgen_refiners.profile_model import Objective, WholeProfile
from pxrdgen_refiners.quantity import Quantity
from pxrdgen_refiners.state import State, phase_state

FloatArray = NDArray[np.float64]

POINTS_AT_ONCE = 2048


@dataclass(frozen=True, kw_only=True)
class HeldShapes(Objective):
    """chi^2 = z^T A z - 2 b^T z + c in z = (scale I_line, scales of impurities, background).

    Exact, and without the points: a cycle costs as little as a fit to integrated intensities.
    """

    model: IntensityModel
    gram: FloatArray
    projection: FloatArray
    constant: float

    def chi_squared(self, state: State) -> float:
        """Sum of w (o - c)^2."""
        z = _vector(state, self.model.intensities(state))
        projected = self.gram[: z.size, : z.size] @ z
        return float(z @ projected - 2.0 * self.projection[: z.size] @ z + self.constant)

    def normal(self, state: State, active: Sequence[Quantity]) -> tuple[FloatArray, FloatArray]:
        """J^T W J and J^T W (o - c)."""
        design, z = self.design(state, active)
        gram = self.gram[: z.size, : z.size]
        return design.T @ gram @ design, design.T @ (self.projection[: z.size] - gram @ z)

    def promise(self, state: State, active: Sequence[Quantity], slopes: FloatArray) -> FloatArray:
        """Fall of chi^2 that one more parameter would bring in a linear step, the active ones following: [C].

        ``slopes`` [K, C] are the derivatives of the line intensities by C such parameters, tried one by one.
        """
        design, z = self.design(state, active)
        column = np.zeros((z.size, slopes.shape[1]))
        column[: len(slopes)] = state.scale * slopes
        gram = self.gram[: z.size, : z.size]
        cross = design.T @ gram @ column
        normal = design.T @ gram @ design
        scale = 1.0 / np.sqrt(np.maximum(np.diag(normal), 1e-300))
        scaled = scale[:, None] * normal * scale + 1e-6 * np.eye(len(scale))
        shared = np.linalg.solve(scaled, scale[:, None] * cross)
        residual = self.projection[: z.size] - gram @ z
        gradient = column.T @ residual - shared.T @ (scale * (design.T @ residual))
        own = np.einsum("zc,zc->c", column, gram @ column)
        curvature = own - np.einsum("pc,pc->c", scale[:, None] * cross, shared)
        return np.asarray(gradient**2 / np.maximum(curvature, 1e-6 * own + 1e-300))

    def design(self, state: State, active: Sequence[Quantity]) -> tuple[FloatArray, FloatArray]:
        """[K + S + T, P] derivatives of z, and z."""
        intensities, slopes = self.model.derivatives(state, active)
        z = _vector(state, intensities)
        parts = []
        for quantity in active:
            part = np.zeros((z.size, quantity.size(state, self.model.freedom)))
            linear = quantity.linear_slopes(state)
            if quantity in slopes:
                part[: intensities.size] = slopes[quantity]
            if linear is not None:
                part[intensities.size :] = linear
            parts.append(part)
        return np.concatenate(parts, axis=1), z


def _vector(state: State, intensities: FloatArray) -> FloatArray:
    return np.concatenate([state.scale * intensities, [phase.scale for phase in state.phases], state.background])


def held(profile: WholeProfile, state: State) -> HeldShapes:
    """The quadratic form at the shapes of ``state``."""
    measurement = profile.measurement
    by_point = profile.structure.shapes(state).tocsr()
    phases = [
        phase.peaks(phase_state(state, phase.model.freedom, number, scale=1.0))
        for number, phase in enumerate(profile.phases)
    ]
    dense = np.concatenate([*(peaks[:, None] for peaks in phases), profile.chebyshev], axis=1)
    weight = 1.0 / measurement.sigma
    observed = (measurement.intensity - measurement.background) * weight
    size = by_point.shape[1] + dense.shape[1]
    gram, projection = np.zeros((size, size)), np.zeros(size)
    # dense blocks of points: fast, and memory stays bounded
    for first in range(0, observed.size, POINTS_AT_ONCE):
        rows = slice(first, first + POINTS_AT_ONCE)
        design = np.concatenate([by_point[rows].toarray(), dense[rows]], axis=1) * weight[rows, None]
        gram += design.T @ design
        projection += design.T @ observed[rows]
    return HeldShapes(
        model=profile.model,
        gram=gram,
        projection=projection,
        constant=float(observed @ observed),
    )
