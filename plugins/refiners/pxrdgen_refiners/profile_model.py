"""The misfit of the whole profile, its normal equations, and the same with peak shapes held: a quadratic form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.solver.values import Measurement
from pxrdgen_refiners.intensity_model import IntensityModel
from pxrdgen_refiners.parameters import SHAPE, WIDTHS, Block, Freedom, State
from pxrdgen_refiners.peak_shapes import (
    PeakSlopes,
    Windows,
    peaks_and_slopes,
    peaks_on,
    positions_of,
    widths_of,
    windows_of,
)

FloatArray = NDArray[np.float64]

POINTS_AT_ONCE = 2048


class Objective(ABC):
    """chi^2 of the data as a function of the state."""

    @abstractmethod
    def chi_squared(self, state: State) -> float:
        """Sum of w (o - c)^2."""

    @abstractmethod
    def normal(self, state: State, active: Sequence[Block]) -> tuple[FloatArray, FloatArray]:
        """J^T W J [P, P] and J^T W (o - c) [P] for the active parameters."""


@dataclass(frozen=True, kw_only=True)
class WholeProfile(Objective):
    """Every point of the pattern, shapes rebuilt at each state.

    Args:
        measurement: points, sigma and first background.
        model: line intensities.
        windows: which points each line reaches.
        chebyshev: [G, T] polynomials, as many as may ever be used.
    """

    measurement: Measurement
    model: IntensityModel
    windows: Windows
    chebyshev: FloatArray

    @property
    def freedom(self) -> Freedom:
        """What may move."""
        return self.model.freedom

    def background(self, state: State) -> FloatArray:
        """[G]."""
        return np.asarray(self.measurement.background + self.chebyshev[:, : state.background.size] @ state.background)

    def peaks(self, state: State) -> FloatArray:
        """[G] calculated, background excluded."""
        theta = self.model.angles(state)
        instrument = state.instrument
        shapes = peaks_on(self.windows, positions_of(theta, instrument).value, widths_of(theta, instrument))
        return np.asarray(state.scale * (shapes @ self._tiled(state, self.model.intensities(state))))

    def chi_squared(self, state: State) -> float:
        """Sum of w (o - c)^2."""
        residual = (self.measurement.intensity - self.background(state) - self.peaks(state)) / self.measurement.sigma
        return float(residual @ residual)

    def normal(self, state: State, active: Sequence[Block]) -> tuple[FloatArray, FloatArray]:
        """J^T W J and J^T W (o - c)."""
        calculated, jacobian = self.jacobian(state, active)
        weight = 1.0 / self.measurement.sigma
        jacobian *= weight[:, None]
        residual = (self.measurement.intensity - calculated) * weight
        return jacobian.T @ jacobian, jacobian.T @ residual

    def jacobian(self, state: State, active: Sequence[Block]) -> tuple[FloatArray, FloatArray]:
        """Profile [G], background included, and its derivatives [G, P] by the active parameters."""
        intensities, slopes = self.model.derivatives(state, active)
        theta = self.model.angles(state)
        instrument = state.instrument
        widths, positions = widths_of(theta, instrument), positions_of(theta, instrument)
        shapes, shape_slopes = peaks_and_slopes(self.windows, positions.value, widths)
        areas = state.scale * self._tiled(state, intensities)
        peaks = shapes @ areas
        parts: list[FloatArray] = []
        for block in active:
            if block is Block.BACKGROUND:
                parts.append(self.chebyshev[:, : state.background.size])
            elif block is Block.SCALE:
                parts.append((peaks / state.scale)[:, None])
            else:
                part = np.zeros((peaks.size, self.freedom.size(block, state)))
                if block in slopes:
                    part += shapes @ (state.scale * self._tiled(state, slopes[block]))
                if block in SHAPE:
                    part += self._moving_peaks(state, block, theta, areas[:, None], shape_slopes)
                parts.append(part)
        return self.background(state) + peaks, np.concatenate(parts, axis=1)

    def _moving_peaks(
        self, state: State, block: Block, theta: FloatArray, areas: FloatArray, slopes: PeakSlopes
    ) -> FloatArray:
        """[G, P] what a block does to the profile through positions and widths."""
        position, width, mixing = self._shape_slopes(state, block, theta)
        part = slopes.by_position @ (areas * position)
        if block in (Block.STRAIN, Block.WIDTHS):
            part += slopes.by_width @ (areas * width) + slopes.by_mixing @ (areas * mixing)
        return np.asarray(part)

    def _shape_slopes(self, state: State, block: Block, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """d position, d width and d mixing by the parameters of a block, each [M K, P]."""
        instrument = state.instrument
        copies, count = len(instrument.radiation.wavelengths), theta.size
        none = np.zeros((copies * count, self.freedom.size(block, state)))
        if block is Block.ZERO:
            return none + 1.0, none, none
        if block is Block.DISPLACEMENT:
            return none + np.tile(np.cos(theta), copies)[:, None], none, none
        widths = widths_of(theta, instrument)
        if block is Block.WIDTHS:
            of = slice(0, len(WIDTHS))
            return (
                none,
                np.tile(widths.width_slope[:, of], (copies, 1)),
                np.tile(widths.mixing_slope[:, of], (copies, 1)),
            )
        by_strain = self.model.angle_slopes(state)
        by_theta = np.radians(by_strain) / 2.0
        position = positions_of(theta, instrument).by_bragg[:, :, None] * by_strain
        return (
            position.reshape(copies * count, -1),
            np.tile(widths.width_slope[:, -1:] * by_theta, (copies, 1)),
            np.tile(widths.mixing_slope[:, -1:] * by_theta, (copies, 1)),
        )

    @staticmethod
    def _tiled(state: State, values: FloatArray) -> FloatArray:
        """Line values [K, ...] repeated for each wavelength: [M K, ...]."""
        copies = len(state.instrument.radiation.wavelengths)
        return np.tile(values, (copies,) + (1,) * (values.ndim - 1))


@dataclass(frozen=True, kw_only=True)
class HeldShapes(Objective):
    """The profile with positions and widths held: chi^2 = z^T A z - 2 b^T z + c in z = (scale I_line, background).

    Exact, and without the points: a cycle costs as little as a fit to integrated intensities.
    """

    model: IntensityModel
    gram: FloatArray
    projection: FloatArray
    constant: float

    def chi_squared(self, state: State) -> float:
        """Sum of w (o - c)^2."""
        z = self._vector(state, self.model.intensities(state))
        projected = self.gram[: z.size, : z.size] @ z
        return float(z @ projected - 2.0 * self.projection[: z.size] @ z + self.constant)

    def normal(self, state: State, active: Sequence[Block]) -> tuple[FloatArray, FloatArray]:
        """J^T W J and J^T W (o - c)."""
        design, z = self.design(state, active)
        gram = self.gram[: z.size, : z.size]
        return design.T @ gram @ design, design.T @ (self.projection[: z.size] - gram @ z)

    def promise(self, state: State, active: Sequence[Block], slopes: FloatArray) -> FloatArray:
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

    def design(self, state: State, active: Sequence[Block]) -> tuple[FloatArray, FloatArray]:
        """[K + T, P] derivatives of z, and z."""
        intensities, slopes = self.model.derivatives(state, active)
        lines, terms = intensities.size, state.background.size
        parts = []
        for block in active:
            part = np.zeros((lines + terms, self.model.freedom.size(block, state)))
            if block is Block.BACKGROUND:
                part[lines:] = np.eye(terms)
            elif block is Block.SCALE:
                part[:lines, 0] = intensities
            else:
                part[:lines] = state.scale * slopes[block]
            parts.append(part)
        return np.concatenate(parts, axis=1), self._vector(state, intensities)

    @staticmethod
    def _vector(state: State, intensities: FloatArray) -> FloatArray:
        return np.concatenate([state.scale * intensities, state.background])


def profile_at(measurement: Measurement, model: IntensityModel, state: State, chebyshev: FloatArray) -> WholeProfile:
    """The whole profile with windows around the lines' present positions."""
    net = np.maximum(measurement.intensity - measurement.background, 0.0)
    windows = windows_of(measurement.two_theta, net, measurement.sigma, model.angles(state), state.instrument)
    return WholeProfile(measurement=measurement, model=model, windows=windows, chebyshev=chebyshev)


def held(profile: WholeProfile, state: State) -> HeldShapes:
    """The quadratic form at the shapes of ``state``."""
    theta = profile.model.angles(state)
    instrument, measurement = state.instrument, profile.measurement
    shapes = peaks_on(profile.windows, positions_of(theta, instrument).value, widths_of(theta, instrument))
    count = theta.size
    by_point = sum(shapes[:, first : first + count] for first in range(0, shapes.shape[1], count)).tocsr()
    weight = 1.0 / measurement.sigma
    observed = (measurement.intensity - measurement.background) * weight
    size = count + profile.chebyshev.shape[1]
    gram, projection = np.zeros((size, size)), np.zeros(size)
    # dense blocks of points: fast, and memory stays bounded
    for first in range(0, observed.size, POINTS_AT_ONCE):
        rows = slice(first, first + POINTS_AT_ONCE)
        design = np.concatenate([by_point[rows].toarray(), profile.chebyshev[rows]], axis=1) * weight[rows, None]
        gram += design.T @ design
        projection += design.T @ observed[rows]
    return HeldShapes(
        model=profile.model,
        gram=gram,
        projection=projection,
        constant=float(observed @ observed),
    )


def chebyshev_terms(grid: FloatArray, terms: int) -> FloatArray:
    """[G, terms] Chebyshev polynomials over the range of the grid."""
    scaled = 2.0 * (grid - grid[0]) / (grid[-1] - grid[0]) - 1.0
    return np.asarray(np.polynomial.chebyshev.chebvander(scaled, terms - 1))
