"""The peaks of one crystal on the points of a pattern, and their derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from pxrdgen_refiners.intensity_model import IntensityModel
from pxrdgen_refiners.line_shapes import LineShapes, line_shapes
from pxrdgen_refiners.parameters import SHAPE, WIDTHS, Block, State
from pxrdgen_refiners.peak_shapes import PeakSlopes, Windows, peaks_and_slopes, peaks_on

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
        matrix = peaks_on(self.windows, self._lines(state))
        count = matrix.shape[1] // len(state.instrument.radiation.wavelengths)
        return sum(matrix[:, first : first + count] for first in range(0, matrix.shape[1], count))

    def peaks(self, state: State) -> FloatArray:
        """[G] calculated, background excluded."""
        shapes = peaks_on(self.windows, self._lines(state))
        return np.asarray(state.scale * (shapes @ _tiled(state, self.model.intensities(state))))

    def jacobian(self, state: State, active: Sequence[Block]) -> tuple[FloatArray, dict[Block, FloatArray]]:
        """Peaks [G], and their derivatives [G, P] by each active block that is this crystal's."""
        intensities, slopes = self.model.derivatives(state, active)
        lines = self._lines(state)
        shapes, shape_slopes = peaks_and_slopes(self.windows, lines, divergence=Block.ASYMMETRY in active)
        areas = state.scale * _tiled(state, intensities)
        peaks = shapes @ areas
        parts: dict[Block, FloatArray] = {}
        for block in active:
            if block is Block.SCALE:
                parts[block] = (shapes @ _tiled(state, intensities))[:, None]
                continue
            if block not in slopes and block not in SHAPE:
                continue
            part = np.zeros((peaks.size, self.model.freedom.size(block, state)))
            if block in slopes:
                part += shapes @ (state.scale * _tiled(state, slopes[block]))
            if block in SHAPE:
                part += self._moving_peaks(state, block, lines, areas[:, None], shape_slopes)
            parts[block] = part
        return np.asarray(peaks), parts

    def _lines(self, state: State) -> LineShapes:
        return line_shapes(self.model.angles(state), state.instrument)

    def _moving_peaks(
        self, state: State, block: Block, lines: LineShapes, areas: FloatArray, slopes: PeakSlopes
    ) -> FloatArray:
        """[G, P] what a block does to the profile through positions and widths."""
        if block is Block.ASYMMETRY:
            return (
                np.zeros((slopes.by_position.shape[0], 1))
                if slopes.by_divergence is None
                else np.asarray(slopes.by_divergence @ areas)
            )
        position, width, mixing = self._shape_slopes(state, block, lines)
        part = slopes.by_position @ (areas * position)
        if block in (Block.STRAIN, Block.WIDTHS):
            part += slopes.by_width @ (areas * width) + slopes.by_mixing @ (areas * mixing)
        return np.asarray(part)

    def _shape_slopes(self, state: State, block: Block, lines: LineShapes) -> tuple[FloatArray, FloatArray, FloatArray]:
        """d position, d width and d mixing by the parameters of a block, each [M K, P]."""
        copies, count = lines.position.shape
        none = np.zeros((copies * count, self.model.freedom.size(block, state)))
        if block is Block.ZERO:
            return none + 1.0, none, none
        if block is Block.DISPLACEMENT:
            return none + np.tile(np.cos(self.model.angles(state)), copies)[:, None], none, none
        widths = lines.widths
        if block is Block.WIDTHS:
            of = slice(0, len(WIDTHS))
            return (
                none,
                np.tile(widths.width_slope[:, of], (copies, 1)),
                np.tile(widths.mixing_slope[:, of], (copies, 1)),
            )
        by_strain = self.model.angle_slopes(state)
        by_theta = np.radians(by_strain) / 2.0
        position = lines.by_bragg[:, :, None] * by_strain
        return (
            position.reshape(copies * count, -1),
            np.tile(widths.width_slope[:, -1:] * by_theta, (copies, 1)),
            np.tile(widths.mixing_slope[:, -1:] * by_theta, (copies, 1)),
        )


def _tiled(state: State, values: FloatArray) -> FloatArray:
    """Line values [K, ...] repeated for each wavelength: [M K, ...]."""
    copies = len(state.instrument.radiation.wavelengths)
    return np.tile(values, (copies,) + (1,) * (values.ndim - 1))
