"""The lines of a cell: reflections at one position, and their shapes on a pattern's grid as a sparse matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from pxrdgen.values.instrument import Instrument, Radiation
from pxrdgen_crystallography.powder_line.positions import line_positions
from pxrdgen_crystallography.powder_line.widths import line_widths

FloatArray = NDArray[np.float64]

#: peaks are followed this many full widths to either side.
REACH = 25.0


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Reflections of one cell, half a sphere, sorted by rising angle and gathered into lines of equal position.

    Args:
        hkl: [H, 3] Miller indices.
        line: [H] which line a reflection belongs to, 0..K-1, not falling.
        first: [K] row of ``hkl`` that stands for each line.
    """

    hkl: FloatArray
    line: NDArray[np.int64]
    first: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.first.size)


def reciprocal_metric_of(basis: FloatArray) -> FloatArray:
    """G* [3, 3] = inv(basis basis^T), 1/A^2."""
    return np.asarray(np.linalg.inv(basis @ basis.T), dtype=np.float64)


def s_of(hkl: FloatArray, reciprocal_metric: FloatArray) -> FloatArray:
    """sin(theta) / lambda of ``hkl`` [H, 3], from G* [3, 3] = inv(basis basis^T): [H], 1/A."""
    return np.asarray(0.5 * np.sqrt(np.einsum("hi,ij,hj->h", hkl, reciprocal_metric, hkl)), dtype=np.float64)


def lines_of(basis: FloatArray, wavelength: float, low: float, high: float, *, same: float = 2e-3) -> Lines:
    """Lines of the cell ``basis`` [3, 3] with ``low`` < 2theta < ``high`` (degrees).

    Reflections closer than ``same`` degrees to the previous one share its line.
    """
    metric = reciprocal_metric_of(basis)
    s_min, s_max = (math.sin(math.radians(angle) / 2.0) / wavelength for angle in (low, high))
    limits = [int(2.0 * s_max * np.linalg.norm(row) + 1e-6) for row in basis]
    box = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in limits], indexing="ij"), axis=-1).reshape(-1, 3)
    first, second, third = box.T
    half = (first > 0) | ((first == 0) & (second > 0)) | ((first == 0) & (second == 0) & (third > 0))
    hkl = box[half].astype(np.float64)
    s = s_of(hkl, metric)
    keep = (s > s_min) & (s < s_max)
    hkl, s = hkl[keep], s[keep]
    order = np.argsort(s, kind="stable")
    hkl = hkl[order]
    new_line = np.ones(len(hkl), dtype=bool)
    new_line[1:] = np.diff(bragg_angles(hkl, metric, wavelength)) > same
    return Lines(hkl=hkl, line=np.cumsum(new_line) - 1, first=np.flatnonzero(new_line))


def bragg_angles(hkl: FloatArray, reciprocal_metric: FloatArray, wavelength: float) -> FloatArray:
    """[H] 2theta of reflections [H, 3] in degrees, without any instrument shift."""
    return np.degrees(2.0 * np.arcsin(np.clip(s_of(hkl, reciprocal_metric) * wavelength, 0.0, 1.0)))


def shape_matrix(
    lines: Lines, reciprocal_metric: FloatArray, instrument: Instrument, grid: FloatArray, *, broadening: float = 1.0
) -> sparse.csr_matrix:
    """Area-normalised shape of every line (all wavelengths, relative weights) on ``grid`` [G]: sparse [G, K], 1/degree.

    ``broadening`` multiplies the widths: a blurred model finds peaks it does not yet overlap.
    """
    two_theta = bragg_angles(lines.hkl[lines.first], reciprocal_metric, instrument.radiation.wavelength)
    width, mixing = line_widths(np.radians(two_theta) / 2.0, instrument)
    width = width * broadening
    blocks = [
        _windows(position, weight, width, mixing, grid) for position, weight in line_positions(two_theta, instrument)
    ]
    rows, columns, values = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return sparse.csr_matrix((values, (rows, columns)), shape=(grid.size, len(lines)))


def measured_lines(shapes: sparse.csr_matrix, grid: FloatArray, radiation: Radiation) -> NDArray[np.bool_]:
    """[K] whether more than half of a line's area, of ``shapes`` [G, K], lies on ``grid`` [G]."""
    area = np.asarray(shapes.sum(axis=0)).ravel() * float(np.median(np.diff(grid)))
    return np.asarray(area > 0.5 * sum(radiation.weights))


def chain_lines(
    two_theta: FloatArray, width: FloatArray, measured: NDArray[np.bool_], *, separation: float, span: float
) -> NDArray[np.int64]:
    """[K] which chain of close lines each belongs to, numbered by rising angle; -1 where not ``measured`` [K].

    A line joins the last one's chain within ``separation`` full widths of it, unless the chain would grow beyond
    ``span`` full widths: its ends are separable even if no gap is.
    """
    chain = np.full(two_theta.size, -1, dtype=np.int64)
    current, start, previous = -1, -math.inf, -math.inf
    for row in np.flatnonzero(measured):
        position = two_theta[row]
        if position - previous > separation * width[row] or position - start > span * width[row]:
            current, start = current + 1, position
        chain[row], previous = current, position
    return chain


def _windows(
    position: FloatArray, weight: float, width: FloatArray, mixing: FloatArray, grid: FloatArray
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Rows, columns and values of pseudo-Voigts at ``position`` [K] within their reach."""
    start = np.searchsorted(grid, position - REACH * width)
    stop = np.searchsorted(grid, position + REACH * width, side="right")
    span = np.maximum(stop - start, 0)
    columns = np.repeat(np.arange(position.size), span)
    within = np.arange(span.sum()) - np.repeat(np.cumsum(span) - span, span)
    rows = np.repeat(start, span) + within
    scaled = ((grid[rows] - position[columns]) / width[columns]) ** 2
    lorentzian = (2.0 / math.pi) / (1.0 + 4.0 * scaled)
    gaussian = (2.0 * math.sqrt(math.log(2.0) / math.pi)) * np.exp(-4.0 * math.log(2.0) * np.minimum(scaled, 50.0))
    values = weight * (mixing[columns] * lorentzian + (1.0 - mixing[columns]) * gaussian) / width[columns]
    return rows, columns, values
