"""The peaks of one crystal on the points of a pattern, and their derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from pxrdgen_refiners.intensity_model import IntensityModel
from pxrdgen_refiners.line_shapes import LineShapes, line_shapes
from pxrdgen_refiners.peak_shapes import PeakSlopes, Windows, peaks_and_slopes, peaks_on
from pxrdgen_refiners.quantity import Quantity, ShapeSlopes
from pxrdgen_refiners.state import State

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PhaseProfile:
    """One crystal's share of a pattern.

    Args:
        model: line intensities.
        windows: which points each line reaches.
    """

    model: IntensityModel
    windows: Windows

    def shapes(self, state: State) -> sparse.csc_matrix:
        """Sparse [G, K] area-1 shapes of the lines, wavelengths added up."""
        matrix = peaks_on(self.windows, lines_at(self.model.angles(state), state))
        count = matrix.shape[1] // len(state.instrument.radiation.wavelengths)
        return sum(matrix[:, first : first + count] for first in range(0, matrix.shape[1], count))

    def peaks(self, state: State) -> FloatArray:
        """[G] calculated, background excluded."""
        shapes = peaks_on(self.windows, lines_at(self.model.angles(state), state))
        return np.asarray(state.scale * (shapes @ _tiled(state, self.model.intensities(state))))

    def jacobian(self, state: State, active: Sequence[Quantity]) -> tuple[FloatArray, dict[Quantity, FloatArray]]:
        """Peaks [G], and their derivatives [G, P] by each active quantity that acts through this crystal."""
        theta = self.model.angles(state)
        lines = lines_at(theta, state)
        moving = {quantity: quantity.shape_slopes(self.model, state, theta, lines) for quantity in active}
        bending = any(found is not None and found.divergence is not None for found in moving.values())
        intensities, slopes = self.model.derivatives(state, active)
        shapes, shape_slopes = peaks_and_slopes(self.windows, lines, divergence=bending)
        areas = state.scale * _tiled(state, intensities)
        parts: dict[Quantity, FloatArray] = {}
        for quantity, shift in moving.items():
            if quantity in slopes:
                parts[quantity] = shapes @ _tiled(state, slopes[quantity])
            if shift is not None:
                part = _moving_peaks(shift, areas[:, None], shape_slopes)
                parts[quantity] = parts[quantity] + part if quantity in slopes else part
        return np.asarray(shapes @ areas), parts


def lines_at(theta: FloatArray, state: State) -> LineShapes:
    """Shapes of lines at Bragg angles ``theta`` [K] (radians), corrections included."""
    lines = line_shapes(theta, state.instrument)
    for correction in state.corrections:
        lines = correction.by.applied(lines, theta, correction.value)
    return lines


def _moving_peaks(shift: ShapeSlopes, areas: FloatArray, slopes: PeakSlopes) -> FloatArray:
    """[G, P] what a quantity does to the profile through positions and widths."""
    pairs = (
        (slopes.by_position, shift.position),
        (slopes.by_width, shift.width),
        (slopes.by_mixing, shift.mixing),
        (slopes.by_divergence, shift.divergence),
    )
    return np.asarray(sum(by @ (areas * of) for by, of in pairs if by is not None and of is not None))


def _tiled(state: State, values: FloatArray) -> FloatArray:
    """Line values [K, ...] repeated for each wavelength: [M K, ...]."""
    copies = len(state.instrument.radiation.wavelengths)
    return np.tile(values, (copies,) + (1,) * (values.ndim - 1))
