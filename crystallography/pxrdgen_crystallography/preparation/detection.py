"""Where a residual looks like a peak: the matched filter of the doublet, at the width peaks have there."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d
from scipy.signal import fftconvolve

from pxrdgen.values.instrument import Radiation
from pxrdgen_crystallography.powder_line.widths import Shape
from pxrdgen_crystallography.preparation.profile import doublet, line_offsets

FloatArray = NDArray[np.float64]
ShapeFunction = Callable[[FloatArray], Shape]


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Places where a peak explains the residual.

    Args:
        position: [N] degrees, of the first line.
        area: [N] least-squares area of the first line, intensity times degrees.
        significance: [N] area over its uncertainty.
    """

    position: FloatArray
    area: FloatArray
    significance: FloatArray


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """The points put on a uniform grid; gaps have no information."""

    start: float
    step: float
    pull: FloatArray
    information: FloatArray

    @classmethod
    def of(cls, two_theta: FloatArray, residual: FloatArray, variance: FloatArray) -> _Grid:
        step = float(np.median(np.diff(two_theta)))
        cell = np.round((two_theta - two_theta[0]) / step).astype(np.int64)
        size = int(cell[-1]) + 1
        return cls(
            start=float(two_theta[0]),
            step=step,
            pull=np.bincount(cell, residual / variance, size).astype(np.float64),
            information=np.bincount(cell, 1.0 / variance, size).astype(np.float64),
        )

    @property
    def angles(self) -> FloatArray:
        return self.start + self.step * np.arange(self.pull.shape[0], dtype=np.float64)


def _kernel(angle: float, shape: Shape, radiation: Radiation, step: float) -> tuple[FloatArray, int]:
    offsets = line_offsets(np.array([angle]), radiation)[:, 0]
    half = int(np.ceil((3.0 * float(shape.fwhm[0]) + float(np.max(np.abs(offsets)))) / step))
    distance = np.arange(-half, half + 1, dtype=np.float64) * step
    spread = np.repeat(offsets[:, None], distance.shape[0], axis=1)
    fwhm, eta = np.full_like(distance, shape.fwhm[0]), np.full_like(distance, shape.eta[0])
    return doublet(distance, fwhm, eta, spread, radiation.weights).value, half


def matched_filter(
    two_theta: FloatArray, residual: FloatArray, variance: FloatArray, radiation: Radiation, shape: ShapeFunction
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """[U] angles of a uniform grid, and there the least-squares area of a lone peak and its significance.

    The area and a constant are fitted to the points near t, weighted by 1 / variance, so that a background which is
    slightly off makes no peaks.
    """
    grid = _Grid.of(two_theta, residual, variance)
    angles = grid.angles
    area, significance = np.zeros_like(angles), np.zeros_like(angles)
    # The kernel changes slowly: constant within a segment of some degrees.
    edges = np.linspace(0, angles.shape[0], max(2, int((angles[-1] - angles[0]) / 6.0) + 2)).astype(np.int64)
    for first, last in itertools.pairwise(edges):
        if last <= first:
            continue
        middle = float(angles[(first + last) // 2])
        kernel, half = _kernel(middle, shape(np.array([middle])), radiation, grid.step)
        low, high = max(0, first - half), min(angles.shape[0], last + half)
        pull = np.zeros(last - first + 2 * half)
        information = np.zeros_like(pull)
        pull[low - first + half : high - first + half] = grid.pull[low:high]
        information[low - first + half : high - first + half] = grid.information[low:high]
        mirrored, box = kernel[::-1], np.ones_like(kernel)
        pull_peak, pull_flat = fftconvolve(pull, mirrored, mode="valid"), fftconvolve(pull, box, mode="valid")
        peak_peak = fftconvolve(information, mirrored**2, mode="valid")
        peak_flat = fftconvolve(information, mirrored, mode="valid")
        flat_flat = np.maximum(fftconvolve(information, box, mode="valid"), 1e-300)
        bottom = peak_peak - peak_flat**2 / flat_flat
        top = pull_peak - peak_flat * pull_flat / flat_flat
        # At the ends a peak must show most of itself; rounding in the transforms must not look like information.
        usable = (bottom > 0.1 * peak_peak) & (peak_peak > 0.01 * np.median(peak_peak))
        area[first:last][usable] = top[usable] / bottom[usable]
        significance[first:last][usable] = top[usable] / np.sqrt(bottom[usable])
    return angles, area, significance


def detect(
    two_theta: FloatArray,
    residual: FloatArray,
    variance: FloatArray,
    radiation: Radiation,
    shape: ShapeFunction,
    threshold: float,
) -> Detections:
    """Local maxima of the matched filter above ``threshold`` standard uncertainties, echoes of stronger ones left out.

    A doublet echoes in its own filter at plus and minus the splitting; such places are refused here and come back in
    the residual of a later round if a peak is really there.
    """
    angles, area, significance = matched_filter(two_theta, residual, variance, radiation, shape)
    step = float(angles[1] - angles[0])
    typical = float(np.median(shape(angles[:: max(1, angles.shape[0] // 50)]).fwhm))
    crest = significance == maximum_filter1d(significance, 2 * max(1, int(0.5 * typical / step)) + 1)
    rows = np.flatnonzero(crest & (significance > threshold))
    rows = rows[np.argsort(-area[rows])]
    positions = angles[rows]
    fwhm = shape(positions).fwhm
    split = line_offsets(positions, radiation) if rows.size else np.zeros((1, 0))
    kept: list[int] = []
    for index, row in enumerate(rows):
        chosen = np.asarray(kept, dtype=np.int64)
        distance = positions[index] - positions[chosen]
        close = np.abs(distance) < 0.8 * fwhm[chosen]
        echo = np.zeros_like(close)
        for line in split[1:]:
            miss = np.abs(np.abs(distance) - line[chosen])
            echo |= (miss < 0.5 * fwhm[chosen]) & (area[row] < 0.75 * area[rows[chosen]])
        if not (close | echo).any():
            kept.append(index)
    found = rows[np.sort(np.asarray(kept, dtype=np.int64))] if kept else rows
    found = found[np.argsort(angles[found])]
    return Detections(position=angles[found], area=area[found], significance=significance[found])
