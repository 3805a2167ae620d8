"""Peaks, peak widths and background fitted together to the whole pattern, without a cell.

Each peak has a position, an area and a width factor that may leave the common curve (U, V, W, X, Y) by some percent;
the background is the penalised spline. Minimised, by damped Gauss-Newton steps with weights from the model itself:

    sum_i (y_i - b_i - sum_p A_p P(x_i; t_p, f_p H(t_p), eta(t_p)))^2 / v_i + stiffness |D c|^2 + sum_p (ln f_p)^2 / s^2
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.sparse import csc_array, csr_array, diags_array, hstack

from pxrdgen.values.instrument import Radiation
from pxrdgen_crystallography.least_squares.single import DampingRule, Linearised, minimise, stops_below
from pxrdgen_crystallography.preparation.background import Background
from pxrdgen_crystallography.preparation.noise import Noise
from pxrdgen_crystallography.preparation.peak_model import FittedModel, PeakModel
from pxrdgen_crystallography.preparation.profile import doublet, line_offsets
from pxrdgen_crystallography.preparation.widths import LOWER, UPPER, shape_along, width_basis

FloatArray = NDArray[np.float64]

#: How well the shape of a strong peak is known, relative to its height there.
SHAPE_ERROR = 0.05
#: How far, relative to its level, the background may leave its first estimate.
BACKGROUND_FREEDOM = 0.1
#: Least and largest distance from its lines to which a peak is computed, in FWHM.
REACH = (5.0, 60.0)
#: Of the damping; the last step gains less than this, and this share of the objective.
DAMPING, LEAST_FALL, LEAST_GAIN = DampingRule(least=1e-6, lower=0.2, higher=8.0, tries=4), 0.5, 1e-4


@dataclass(frozen=True, kw_only=True)
class _Entries:
    """Profiles at the points near each peak, flattened: entry k is point ``row[k]`` and peak ``column[k]``."""

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    value: FloatArray
    by_position: FloatArray
    by_log_factor: FloatArray
    by_variance: FloatArray
    by_gamma: FloatArray


@dataclass(frozen=True)
class _Point:
    """A model and the two parts of its pattern."""

    model: PeakModel
    entries: _Entries
    peaks: FloatArray
    base: FloatArray


class JointFit:
    """Fits :class:`PeakModel` to one pattern.

    Args:
        two_theta, intensity: [G].
        background: start and basis of the background.
        fwhm: typical width of the strong peaks, degrees; the common curve stays within a factor of it.
        width_freedom: standard deviation s of ln f in the penalty.
    """

    def __init__(
        self,
        two_theta: FloatArray,
        intensity: FloatArray,
        noise: Noise,
        radiation: Radiation,
        background: Background,
        fwhm: float,
        width_freedom: float = 0.12,
    ) -> None:
        self.two_theta, self.intensity, self.noise, self.radiation = two_theta, intensity, noise, radiation
        self.background, self.fwhm, self.width_freedom = background, fwhm, width_freedom
        self.step = float(np.median(np.diff(two_theta)))
        level = np.abs(background.coefficients)
        self.anchor = 1.0 / (BACKGROUND_FREEDOM * np.maximum(level, 0.1 * float(np.mean(level))) + 1e-300) ** 2
        width = 5
        padded = np.pad(intensity, width // 2, mode="edge")
        self._smooth = np.convolve(padded, np.ones(width) / width, mode="valid")
        self._smooth_points = width

    def _reach(self, model: PeakModel) -> FloatArray:
        """[P] distance in degrees beyond which a peak's Lorentzian tail is below a tenth of a point's noise."""
        shape = shape_along(model.position, model.widths)
        fwhm = shape.fwhm * np.exp(model.log_factor)
        base = np.interp(model.position, self.two_theta, self.background.values)
        sigma = np.sqrt(self.noise.variance_at(self.two_theta, model.position, base))
        tail = shape.eta * np.maximum(model.area, 0.0) / fwhm / (0.1 * sigma)
        return fwhm * np.clip(0.4 * np.sqrt(tail), *REACH)

    def _entries(self, model: PeakModel, reach: FloatArray) -> _Entries:
        shape = shape_along(model.position, model.widths)
        fwhm = shape.fwhm * np.exp(model.log_factor)
        offsets = line_offsets(model.position, self.radiation)
        first = np.searchsorted(self.two_theta, model.position + offsets.min(axis=0) - reach)
        last = np.searchsorted(self.two_theta, model.position + offsets.max(axis=0) + reach)
        count = np.maximum(last - first, 0)
        column = np.repeat(np.arange(count.shape[0]), count)
        row = np.arange(column.shape[0]) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
        profile = doublet(
            self.two_theta[row] - model.position[column],
            fwhm[column],
            shape.eta[column],
            offsets[:, column],
            self.radiation.weights,
        )
        stretch = np.exp(model.log_factor)[column]
        return _Entries(
            row=row,
            column=column,
            value=profile.value,
            by_position=profile.by_position,
            by_log_factor=profile.by_fwhm * fwhm[column],
            by_variance=profile.by_fwhm * shape.fwhm_by_variance[column] * stretch
            + profile.by_eta * shape.eta_by_variance[column],
            by_gamma=profile.by_fwhm * shape.fwhm_by_gamma[column] * stretch
            + profile.by_eta * shape.eta_by_gamma[column],
        )

    def _parts(self, model: PeakModel, entries: _Entries) -> tuple[FloatArray, FloatArray]:
        peaks = np.bincount(entries.row, entries.value * model.area[entries.column], self.two_theta.shape[0])
        return peaks.astype(np.float64), np.asarray(self.background.basis.matrix @ model.coefficients)

    def _jacobian(self, model: PeakModel, entries: _Entries) -> csc_array:
        """[G, 3P + 5 + C]: positions, areas, width factors, widths, background."""
        points, peaks = self.two_theta.shape[0], model.position.shape[0]
        area = model.area[entries.column]
        index = (entries.row, entries.column)
        blocks = [
            csr_array((values, index), shape=(points, peaks))
            for values in (entries.by_position * area, entries.value, entries.by_log_factor * area)
        ]
        gaussian, lorentzian = width_basis(model.position)
        dense = np.zeros((points, 5))
        for k in range(3):
            dense[:, k] = np.bincount(entries.row, entries.by_variance * area * gaussian[entries.column, k], points)
        for k in range(2):
            dense[:, 3 + k] = np.bincount(entries.row, entries.by_gamma * area * lorentzian[entries.column, k], points)
        return csc_array(hstack([*blocks, csr_array(dense), self.background.basis.matrix]))

    def _penalty(self, model: PeakModel) -> tuple[FloatArray, FloatArray]:
        """Gradient and curvature (half the Hessian) of the penalties."""
        peaks, size = model.position.shape[0], self.background.basis.size
        total = 3 * peaks + 5 + size
        curvature = np.zeros((total, total))
        gradient = np.zeros(total)
        factor = slice(2 * peaks, 3 * peaks)
        curvature[range(2 * peaks, 3 * peaks), range(2 * peaks, 3 * peaks)] = 1.0 / self.width_freedom**2
        gradient[factor] = model.log_factor / self.width_freedom**2
        curvature[3 * peaks + 5 :, 3 * peaks + 5 :] = self.background.stiffness * self.background.basis.penalty
        gradient[3 * peaks + 5 :] = self.background.stiffness * (self.background.basis.penalty @ model.coefficients)
        curvature[range(3 * peaks + 5, total), range(3 * peaks + 5, total)] += self.anchor
        gradient[3 * peaks + 5 :] += self.anchor * (model.coefficients - self.background.coefficients)
        # A faint pull towards the present widths keeps what few peaks cannot tell apart from running away.
        spread = 0.5 * np.array([1.0, 1.0, 1.0, 0.2, 0.2]) * max(model.widths[2], 1.0) + 0.5 * np.abs(model.widths)
        curvature[range(3 * peaks, 3 * peaks + 5), range(3 * peaks, 3 * peaks + 5)] = 1.0 / spread**2
        return gradient, curvature

    def _point(self, model: PeakModel, reach: FloatArray) -> _Point:
        entries = self._entries(model, reach)
        return _Point(model, entries, *self._parts(model, entries))

    def _moved(self, model: PeakModel, shift: FloatArray) -> PeakModel:
        peaks = model.position.shape[0]
        fwhm = shape_along(model.position, model.widths).fwhm * np.exp(model.log_factor)
        position = model.position + np.clip(shift[:peaks], -0.3 * fwhm, 0.3 * fwhm)
        widths = _admissible(model.widths + shift[3 * peaks : 3 * peaks + 5], self.two_theta, self.step)
        curve = shape_along(np.linspace(self.two_theta[0], self.two_theta[-1], 20), widths).fwhm
        if curve.min() < 0.3 * self.fwhm or curve.max() > 8.0 * self.fwhm or np.median(curve) > 4.0 * self.fwhm:
            widths = model.widths
        return replace(
            model,
            position=np.clip(position, self.two_theta[0], self.two_theta[-1]),
            area=model.area + shift[peaks : 2 * peaks],
            log_factor=np.clip(model.log_factor + np.clip(shift[2 * peaks : 3 * peaks], -0.3, 0.3), -0.9, 1.2),
            widths=widths,
            coefficients=model.coefficients + shift[3 * peaks + 5 :],
        )

    def _objective(self, point: _Point, variance: FloatArray) -> float:
        model = point.model
        chi_square = float(np.sum((self.intensity - (point.peaks + point.base)) ** 2 / variance))
        penalty = float(np.sum(model.log_factor**2)) / self.width_freedom**2
        rough = float(model.coefficients @ self.background.basis.penalty @ model.coefficients)
        away = float(np.sum(self.anchor * (model.coefficients - self.background.coefficients) ** 2))
        return chi_square + penalty + self.background.stiffness * rough + away

    def fit(self, model: PeakModel, *, steps: int, final: bool) -> FittedModel:
        """At most ``steps`` damped Gauss-Newton steps from ``model``.

        Before the ``final`` fit everything moves, and points count little where a peak is still missing or where the
        imperfect shape of a strong one could push the background about. The final fit moves the peaks only and weights
        all points by their noise; its uncertainties allow for the background's.
        """
        order = np.argsort(model.position)
        model = replace(
            model, position=model.position[order], area=model.area[order], log_factor=model.log_factor[order]
        )
        free, reach = self._free(model, final), self._reach(model)
        start = self._point(model, reach)

        def linearised(point: _Point) -> Linearised[_Point]:
            variance = self._variance(point, final)
            normal, right = self._normal_equations(point, variance)
            normal = normal[np.ix_(free, free)]

            def moved(step: FloatArray) -> _Point:
                shift = np.zeros(free.shape[0])
                shift[free] = step
                return self._point(self._moved(point.model, shift), reach)

            return Linearised(
                matrix=normal + np.diag(1e-10 * np.diag(normal)),
                gradient=right[free],
                damped=np.diag(normal),
                moved=moved,
                misfit=lambda point: self._objective(point, variance),
            )

        stops = stops_below(LEAST_GAIN, LEAST_FALL)
        point = minimise(linearised, start, cycles=steps, damping=DAMPING, stops=stops)
        variance = self._variance(point, True)
        normal, _ = self._normal_equations(point, variance)
        return self._fitted(point.model, point.peaks, point.base, variance, _inverse(normal))

    def _free(self, model: PeakModel, final: bool) -> NDArray[np.bool_]:
        """Which parameters move: finally the peaks only, before that the widths too, given three peaks."""
        count = 3 * model.position.shape[0]
        free = np.ones(count + 5 + self.background.basis.size, dtype=bool)
        free[count : count + 5] = count >= 9 and not final
        free[count + 5 :] = not final
        return free

    def _normal_equations(self, point: _Point, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
        jacobian = self._jacobian(point.model, point.entries)
        weighted = csc_array(diags_array(1.0 / variance) @ jacobian)
        gradient, curvature = self._penalty(point.model)
        normal = (jacobian.T @ weighted).toarray() + curvature
        return normal, weighted.T @ (self.intensity - point.peaks - point.base) - gradient

    def _variance(self, point: _Point, final: bool) -> FloatArray:
        """[G] noise of the model's intensities; before the final fit also what the model is known to lack."""
        peaks, calculated = point.peaks, point.peaks + point.base
        variance = self.noise.variance(np.maximum(calculated, 0.0))
        if final:
            return variance
        excess = self._smooth - calculated
        missing = (excess > 4.0 * np.sqrt(variance / self._smooth_points)) & (excess > peaks)
        return np.where(missing, variance + excess**2, variance) + (SHAPE_ERROR * peaks) ** 2

    def _fitted(
        self, model: PeakModel, peaks: FloatArray, base: FloatArray, variance: FloatArray, inverse: FloatArray
    ) -> FittedModel:
        count = model.position.shape[0]
        su = np.sqrt(np.maximum(np.diag(inverse), 0.0))
        shape = shape_along(model.position, model.widths)
        fwhm = shape.fwhm * np.exp(model.log_factor)
        crest = np.zeros((len(self.radiation.wavelengths), count))
        crest[1:] = 1e3
        alone = doublet(np.zeros(count), fwhm, shape.eta, crest, self.radiation.weights).value
        pull = (self.intensity - peaks - base) ** 2 / variance
        running = np.concatenate([[0.0], np.cumsum(pull)])
        low = np.searchsorted(self.two_theta, model.position - fwhm)
        high = np.maximum(np.searchsorted(self.two_theta, model.position + fwhm), low + 1)
        local = (running[np.minimum(high, pull.shape[0])] - running[np.minimum(low, pull.shape[0] - 1)]) / (high - low)
        # Two standard deviations of a reduced chi-square of that many points are no misfit.
        expected = 1.0 + 2.0 * np.sqrt(2.0 / (high - low))
        misfit = np.sqrt(np.maximum(1.0, local / expected))
        spline = inverse[3 * count + 5 :, 3 * count + 5 :]
        matrix = self.background.basis.matrix
        base_su = np.sqrt(np.maximum(((matrix @ spline) * matrix.toarray()).sum(axis=1), 0.0))
        return FittedModel(
            model=model,
            peaks=peaks,
            background=base,
            variance=self.noise.variance(np.maximum(np.maximum(peaks + base, self._smooth), 0.0)),
            position_su=su[:count] * misfit,
            area_su=su[count : 2 * count] * misfit,
            misfit=misfit,
            fwhm=fwhm,
            height=model.area * alone,
            background_su=base_su,
        )


def _admissible(widths: FloatArray, two_theta: FloatArray, step: float) -> FloatArray:
    """Widths within bounds whose Gaussian variance stays positive over the pattern."""
    bounded = np.clip(widths, LOWER, UPPER)
    gaussian, _ = width_basis(np.linspace(two_theta[0], two_theta[-1], 60))
    least = (0.3 * step) ** 2
    lowest = float(np.min(gaussian @ bounded[:3]))
    if lowest < least:
        bounded[2] += (least - lowest) * 1e4
    return bounded


def _inverse(matrix: FloatArray) -> FloatArray:
    """Inverse of a positive definite matrix, scaled first; nearly dependent parameters come out very uncertain."""
    scale = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    scaled = matrix * scale[:, None] * scale[None, :] + 1e-9 * np.eye(scale.shape[0])
    try:
        inverse = cho_solve(cho_factor(scaled, check_finite=False), np.eye(scale.shape[0]), check_finite=False)
    except LinAlgError:
        inverse = np.linalg.pinv(scaled, hermitian=True)
    return np.asarray(inverse * scale[:, None] * scale[None, :])
