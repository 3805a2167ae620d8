"""The smooth background under the Bragg peaks: a penalised spline drawn through what is not a peak.

The spline's resolution follows the angle (finer at low angles, where air scatter is steep). A first guess descends
to the lower edge of the points, as in asymmetrically reweighted penalised least squares (arPLS, Baek et al. 2015,
doi:10.1039/C4AN01061B) but with the noise known; then every stretch that stands significantly above it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.sparse import csr_array, diags_array

from pxrdgen_crystallography.preparation.noise import Noise

FloatArray = NDArray[np.float64]

#: Candidate penalties, in units of the information of a typical coefficient, from supple to stiff.
STIFFNESS = (1e-2, 1e-1, 1.0, 1e1, 1e2)


@dataclass(frozen=True, kw_only=True)
class SplineBasis:
    """Cubic B-splines on knots equally spaced in a warped angle.

    Args:
        matrix: [G, C] values of the C splines at the points.
        penalty: [C, C] sum of squared second differences of the coefficients.
    """

    matrix: csr_array
    penalty: FloatArray

    @property
    def size(self) -> int:
        """How many splines."""
        return int(self.penalty.shape[0])


def knot_spacing(two_theta: FloatArray, fwhm: float) -> FloatArray:
    """[G] distance between knots in degrees: grows from 0.6 at 5 degrees to 2.2, and never below 5 peak widths."""
    return np.maximum(np.clip(0.10 * two_theta, 0.6, 2.2), 5.0 * fwhm)


def spline_basis(two_theta: FloatArray, fwhm: float) -> SplineBasis:
    """The basis for points at ``two_theta`` [G] whose peaks are about ``fwhm`` degrees wide."""
    grid = np.linspace(two_theta[0], two_theta[-1], 2000)
    rate = 1.0 / knot_spacing(grid, fwhm)
    warped = np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(grid))])
    cells = max(1, round(warped[-1]))
    position = np.interp(two_theta, grid, warped) * (cells / warped[-1])
    knots = np.arange(-3, cells + 4, dtype=np.float64)
    matrix = csr_array(BSpline.design_matrix(np.clip(position, 0.0, cells), knots, 3))
    second = np.diff(np.eye(cells + 3), n=2, axis=0)
    return SplineBasis(matrix=matrix, penalty=second.T @ second)


@dataclass(frozen=True, kw_only=True)
class Background:
    """A background: the values and what they were made of.

    Args:
        values, su: [G] in the pattern's units.
        coefficients: [C] of the basis.
        stiffness: penalty on second differences chosen by generalised cross validation, inverse variance units.
    """

    basis: SplineBasis
    values: FloatArray
    su: FloatArray
    coefficients: FloatArray
    stiffness: float


def _solve(basis: SplineBasis, y: FloatArray, weight: FloatArray, penalty: float) -> tuple[FloatArray, FloatArray]:
    weighted = basis.matrix.T @ diags_array(weight)
    normal = (weighted @ basis.matrix).toarray()
    ridge = 1e-9 * max(float(np.trace(normal)) / basis.size, 1e-300)
    normal_penalised = normal + penalty * basis.penalty + ridge * np.eye(basis.size)
    inverse = np.linalg.inv(normal_penalised)
    return inverse @ (weighted @ y), inverse


def _information(basis: SplineBasis, weight: FloatArray) -> float:
    """Typical information of a coefficient: the unit of the penalty."""
    return float(np.median(basis.matrix.power(2).T @ weight)) or float(np.mean(basis.matrix.power(2).T @ weight))


def _lower_edge(basis: SplineBasis, two_theta: FloatArray, y: FloatArray, sigma: FloatArray, fwhm: float) -> FloatArray:
    """[G] first guess: a stiff spline below which few of the local minima lie."""
    spacing = knot_spacing(two_theta, fwhm)
    cell = np.floor(np.concatenate([[0.0], np.cumsum(2.0 * np.diff(two_theta) / spacing[:-1])])).astype(np.int64)
    starts = np.flatnonzero(np.diff(cell, prepend=-1))
    middle, low, su = [], [], []
    for first, last in zip(starts, [*starts[1:], y.shape[0]], strict=True):
        part = np.sort(y[first:last])
        noise = float(np.median(sigma[first:last]))
        # The lowest fifth of Gaussian scatter begins 0.84 sigma below the mean.
        low.append(float(np.quantile(part, 0.2)) + 0.84 * noise)
        su.append(1.5 * noise / np.sqrt(last - first) + 0.01 * abs(low[-1]) + 1e-12)
        middle.append((first + last) // 2)
    values, error, rows = np.asarray(low), np.asarray(su), np.asarray(middle)
    reduced = SplineBasis(matrix=csr_array(basis.matrix[rows]), penalty=basis.penalty)
    weight = 1.0 / error**2
    penalty = 0.3 * _information(reduced, weight)
    trust = np.ones_like(values)
    for _ in range(40):
        coefficients, _ = _solve(reduced, values, weight * trust, penalty)
        excess = (values - reduced.matrix @ coefficients) / error
        renewed = 1.0 / (1.0 + np.exp(np.clip(2.0 * (excess - 2.0), -50.0, 50.0)))
        if np.max(np.abs(renewed - trust)) < 0.01:
            break
        trust = renewed
    return np.asarray(basis.matrix @ coefficients)


def _running_mean(values: FloatArray, width: int) -> FloatArray:
    kernel = np.ones(min(width, values.size))  # of a longer one numpy would return as many values as it has
    return np.asarray(np.convolve(values, kernel, mode="same") / np.convolve(np.ones_like(values), kernel, mode="same"))


def estimate_background(
    two_theta: FloatArray, intensity: FloatArray, noise: Noise, fwhm: float, basis: SplineBasis | None = None
) -> Background:
    """The background of a pattern whose peaks are about ``fwhm`` degrees wide.

    Args:
        two_theta, intensity: [G] degrees, pattern units.
    """
    basis = spline_basis(two_theta, fwhm) if basis is None else basis
    points = max(3, round(fwhm / float(np.median(np.diff(two_theta)))))
    smooth = np.maximum(_running_mean(intensity, points), 0.0)
    values = _lower_edge(basis, two_theta, intensity, np.sqrt(noise.variance(smooth)), fwhm)
    edge = values
    stiffness, coefficients, inverse = 1.0, np.zeros(basis.size), np.eye(basis.size)
    for _ in range(6):
        # Half a percent of the level stands for what no smooth curve gets right, so that precise data do not reject it.
        variance = noise.variance(np.maximum(values, 0.0)) + (0.005 * values) ** 2
        pull = (intensity - values) / np.sqrt(variance)
        lifted = _running_mean(pull, points) * np.sqrt(points) > 2.5
        peak = _running_mean(lifted.astype(np.float64), 2 * points + 1) > 1e-9
        # Under peaks the first guess holds the curve faintly, above all where the pattern ends in peaks.
        weight = np.where(peak, 1e-3, 1.0) / variance
        target = np.where(peak, edge, intensity)
        unit = _information(basis, 1.0 / variance)
        best = np.inf
        gram = (basis.matrix.T @ diags_array(weight) @ basis.matrix).toarray()
        for relative in STIFFNESS:
            trial, trial_inverse = _solve(basis, target, weight, relative * unit)
            chi_square = float(np.sum(np.where(peak, 0.0, weight) * (intensity - basis.matrix @ trial) ** 2))
            freedom = float((~peak).sum()) - 1.4 * float(np.trace(trial_inverse @ gram))
            score = chi_square / max(freedom, 1.0) ** 2
            if score < best:
                best, stiffness, coefficients, inverse = score, relative * unit, trial, trial_inverse
        values = np.asarray(basis.matrix @ coefficients)
    su = np.sqrt(np.maximum(((basis.matrix @ inverse) * basis.matrix.toarray()).sum(axis=1), 0.0))
    return Background(basis=basis, values=values, su=su, coefficients=coefficients, stiffness=stiffness)
