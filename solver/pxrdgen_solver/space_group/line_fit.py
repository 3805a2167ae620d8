"""Intensities of resolvable lines with honest uncertainties: one linear least-squares fit in a fixed cell.

Le Bail's shares never become negative, so lines that are absent look weakly present. Here cell, zero and widths stay as
the decomposition left them and the intensities enter linearly, negative ones included, together with a correction of
the background (Pawley 1981, doi:10.1107/S0021889881009618, without its non-linear part).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen_crystallography.decomposition.decompose import Decomposition
from pxrdgen_crystallography.decomposition.lines import (
    bragg_angles,
    chain_lines,
    lines_of,
    measured_lines,
    reciprocal_metric_of,
    shape_matrix,
)
from pxrdgen_crystallography.powder_line.strength import lorentz_polarization
from pxrdgen_crystallography.powder_line.widths import line_widths
from pxrdgen_crystallography.scattering.radiation import polarization_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: lines closer than this many full widths are fitted as one.
SEPARATION = 0.7
#: a chain of close lines is cut when it spans this many full widths.
SPAN = 1.5
#: share of a peak's intensity that a wrong peak shape puts under its neighbours.
SHAPE_ERROR = 0.03
#: Chebyshev terms of the background correction, and the share of the background's uncertainty they leave.
BACKGROUND_TERMS, BACKGROUND_SHARE = 6, 0.3
#: added to the diagonal of the scaled normal matrix.
RIDGE = 1e-9
#: lines fitted at most, from low angles up; those beyond overlap too much to say anything about absences.
MAX_GROUPS = 500


@dataclass(frozen=True, kw_only=True)
class LineFit:
    """Fitted lines of a cell.

    Args:
        hkl: [H, 3] reflections, half a sphere, those of fitted lines only.
        group: [H] line of each, 0..K-1, not falling.
        two_theta: [K] mean position, degrees.
        sine: [K] sin(theta) / lambda, 1/A.
        lorentz: [K] Lorentz-polarization factor.
        share: [H] of the line's intensity that each reflection was given, before symmetry is known.
        intensity: [K] area in the pattern's units x degrees; may be negative.
        su: [K] standard uncertainty from counting, overlap, background and peak shape.
        chi_squared: of the fit.
        points: of the pattern.
        steps: [Q] multiples of the slopes that were fitted along.
    """

    hkl: IntArray
    group: IntArray
    two_theta: FloatArray
    sine: FloatArray
    lorentz: FloatArray
    share: FloatArray
    intensity: FloatArray
    su: FloatArray
    chi_squared: float
    points: int
    steps: FloatArray

    def __len__(self) -> int:
        return int(self.intensity.size)


def fit_lines(prepared: PreparedPattern, decomposition: Decomposition, slopes: FloatArray | None = None) -> LineFit:
    """Line intensities in the cell of the decomposition, all else as decomposed.

    Args:
        slopes: [G, Q] changes of the profile whose multiples are fitted along with the intensities.
    """
    basis, instrument, grid = decomposition.basis, decomposition.instrument, decomposition.grid
    wavelength = instrument.radiation.wavelength
    metric = reciprocal_metric_of(basis)
    lines = lines_of(basis, wavelength, max(float(grid[0]) - 0.3, 0.5), min(float(grid[-1]) + 0.5, 179.0))
    angles = bragg_angles(lines.hkl[lines.first], metric, wavelength)
    width, _ = line_widths(np.radians(angles) / 2.0, instrument)
    shapes = shape_matrix(lines, metric, instrument, grid)
    inside = measured_lines(shapes, grid, instrument.radiation)
    of_line = chain_lines(angles, width, inside, separation=SEPARATION, span=SPAN)
    of_line[of_line >= MAX_GROUPS] = -1
    count = int(of_line.max()) + 1
    share = _shares(angles, decomposition)
    gather = sparse.csr_matrix(
        (share[of_line >= 0], (np.flatnonzero(of_line >= 0), of_line[of_line >= 0])), shape=(len(lines), count)
    )
    totals = np.asarray(gather.sum(axis=0)).ravel()
    columns = shapes @ gather @ sparse.diags(1.0 / totals)
    solved = _solve(prepared, decomposition, columns, slopes)
    kept = of_line[lines.line] >= 0
    group = of_line[lines.line][kept]
    alike = np.bincount(lines.line)[lines.line][kept]
    mean_angle = np.bincount(of_line[of_line >= 0], weights=angles[of_line >= 0]) / np.bincount(of_line[of_line >= 0])
    sine = np.sin(np.radians(mean_angle) / 2.0)
    return LineFit(
        hkl=np.rint(lines.hkl[kept]).astype(np.int64),
        group=group,
        two_theta=mean_angle,
        sine=sine / wavelength,
        lorentz=lorentz_polarization(sine, polarization_of(instrument)),
        share=share[lines.line][kept] / totals[group] / alike,
        intensity=solved.areas,
        su=solved.su,
        chi_squared=solved.chi_squared,
        points=int(grid.size),
        steps=solved.steps,
    )


def _shares(angles: FloatArray, decomposition: Decomposition) -> FloatArray:
    """[lines] relative strengths within a group, from the decomposition's nearest line."""
    known = decomposition.two_theta
    nearest = np.clip(np.searchsorted(known, angles), 1, max(known.size - 1, 1)) if known.size > 1 else np.zeros(1, int)
    if known.size > 1:
        nearest = np.where(angles - known[nearest - 1] < known[nearest] - angles, nearest - 1, nearest)
    strengths = np.maximum(decomposition.intensity, 0.0)
    return np.asarray(strengths[nearest] + 1e-3 * float(strengths.mean()) + 1e-12)


@dataclass(frozen=True)
class _Solved:
    areas: FloatArray
    su: FloatArray
    steps: FloatArray
    chi_squared: float


def _solve(
    prepared: PreparedPattern, decomposition: Decomposition, columns: sparse.csr_matrix, slopes: FloatArray | None
) -> _Solved:
    """The weighted linear fit of areas, background and multiples of the slopes."""
    pattern, grid = prepared.pattern, decomposition.grid
    count = columns.shape[1]
    weight = 1.0 / pattern.uncertainty
    scaled = 2.0 * (grid - grid[0]) / (grid[-1] - grid[0]) - 1.0
    smooth = np.polynomial.chebyshev.chebvander(scaled, BACKGROUND_TERMS - 1)
    if slopes is not None:
        smooth = np.hstack([smooth, slopes])
    smooth = smooth * weight[:, None]
    weighted = sparse.diags(weight) @ columns
    target = (pattern.intensity - decomposition.background) * weight
    peaks = (weighted.T @ weighted).toarray()
    cross = weighted.T @ smooth
    normal = np.block([[peaks, cross], [cross.T, smooth.T @ smooth]])
    right = np.concatenate([weighted.T @ target, smooth.T @ target])
    scale = np.sqrt(np.diag(normal)) + 1e-30
    covariance = np.linalg.inv(normal / np.outer(scale, scale) + RIDGE * np.eye(len(scale))) / np.outer(scale, scale)
    solved = covariance @ right
    areas = solved[:count]
    residual = target - weighted @ areas - smooth @ solved[count:]
    chi_squared = float(residual @ residual)
    gof = max(chi_squared / max(grid.size - len(solved), 1), 1.0)
    overlap = peaks / np.diag(peaks)[:, None]
    np.fill_diagonal(overlap, 0.0)
    from_shape = SHAPE_ERROR * np.sqrt((overlap**2) @ np.maximum(areas, 0.0) ** 2)
    totals = np.asarray(columns.sum(axis=0)).ravel() + 1e-30
    height = np.asarray(columns.power(2).sum(axis=0)).ravel() / totals
    at_peak = np.asarray(columns.T @ prepared.background_su).ravel() / totals
    from_background = BACKGROUND_SHARE * at_peak / (height + 1e-30)
    variance = np.diag(covariance)[:count] * gof + from_shape**2 + from_background**2
    return _Solved(areas, np.sqrt(variance), solved[count + BACKGROUND_TERMS :], chi_squared)
