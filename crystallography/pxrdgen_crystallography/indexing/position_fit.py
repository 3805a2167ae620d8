"""Lattice parameters and zero error by least squares on line positions, for many trial lattices at once.

Each line goes to the nearest calculated one, then Q(observed) - zero dQ/d(2theta) = parameters . design(hkl) is
solved with weights that fall off for lines far away (a Geman-McClure estimator whose width follows the residuals), and
so on: linear least squares in parameters and zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen_crystallography.indexing.lines import ObservedLines
from pxrdgen_crystallography.lattice.bravais import BravaisLattice, index_list, metric_of_form, volume_of_form

FloatArray = NDArray[np.float64]

#: degrees: what a zero error usually is, and what even sharp lines scatter by.
ZERO_SU, FLOOR = 0.04, 0.0008
#: widths (degrees) that the weights start from and shrink to.
START_WIDTH = 0.06
#: largest index followed along one axis, and numbers held at a time.
_MAX_INDEX, _CHUNK = 40, 4_000_000


@dataclass(frozen=True, kw_only=True)
class PositionFit:
    """M lattices of one type after the fit.

    Args:
        lattice: their type.
        parameters: [M, p] in 1/A^2.
        zero: [M] degrees, observed minus calculated.
        covariance: [M, p, p] of the parameters, from the scatter of the residuals.
        scatter: [M] robust spread of the residuals, degrees.
        odds: [M] rough log-odds of the lines for the lattice against chance (see the module ``likelihood``).
        sound: [M] whether the form is positive definite and the fit was determined.
    """

    lattice: BravaisLattice
    parameters: FloatArray
    zero: FloatArray
    covariance: FloatArray
    scatter: FloatArray
    odds: FloatArray
    sound: NDArray[np.bool_]


def largest_indices(lattice: BravaisLattice, parameters: FloatArray, limit: float) -> tuple[int, int, int]:
    """Largest |h|, |k|, |l| below Q = ``limit`` in any of the lattices [M, p]: |h| <= a sqrt(limit)."""
    metric = metric_of_form(parameters @ lattice.free)
    edges = np.sqrt(np.maximum(np.diagonal(np.linalg.inv(metric), axis1=-2, axis2=-1), 0.0))
    h, k, l = np.minimum(np.floor(edges.max(axis=0) * np.sqrt(limit) + 1e-6), _MAX_INDEX).astype(int)  # noqa: E741
    return int(h), int(k), int(l)


def nearest(calculated: FloatArray, wanted: FloatArray) -> NDArray[np.int64]:
    """[M, L] column of ``calculated`` [M, H] nearest to each of ``wanted`` [M, L]; infinities are never nearest."""
    count, width = calculated.shape
    order = np.argsort(calculated, axis=1)
    ordered = np.take_along_axis(calculated, order, axis=1)
    span = 4.0 * float(np.max(wanted)) + 1.0
    ordered = np.minimum(ordered, span / 2.0)
    offset = np.arange(count)[:, None] * span
    flat = np.searchsorted((ordered + offset).ravel(), (wanted + offset).ravel()).reshape(wanted.shape)
    flat -= np.arange(count)[:, None] * width
    above, below = np.clip(flat, 0, width - 1), np.clip(flat - 1, 0, width - 1)
    to_above = np.abs(np.take_along_axis(ordered, above, axis=1) - wanted)
    to_below = np.abs(np.take_along_axis(ordered, below, axis=1) - wanted)
    return np.asarray(np.take_along_axis(order, np.where(to_below < to_above, below, above), axis=1))


def fit_positions(
    lattice: BravaisLattice,
    parameters: FloatArray,
    lines: ObservedLines,
    *,
    rounds: int = 6,
    start_width: float = START_WIDTH,
    zero: FloatArray | None = None,
    zero_su: float = ZERO_SU,
) -> PositionFit:
    """Fit lattices [M, p] of one type to all ``lines``; ``zero`` [M] degrees to start from."""
    parts = []
    start = np.zeros(len(parameters)) if zero is None else zero
    limit = float(lines.q[-1]) * 1.02
    first = 0
    order = np.argsort(volume_of_form(parameters @ lattice.free), kind="stable")
    while first < len(order):
        # lattices of like size share an index list; the list is as long as the largest of them needs
        rows = order[first : first + 64]
        hkl = index_list(lattice, largest_indices(lattice, parameters[rows], limit))
        if len(hkl) * len(rows) > _CHUNK:
            rows = rows[: max(1, _CHUNK // len(hkl))]
        parts.append((rows, _fit(lattice, parameters[rows], lines, hkl, rounds, start_width, start[rows], zero_su)))
        first += len(rows)
    back = np.argsort(np.concatenate([rows for rows, _ in parts])) if parts else np.zeros(0, dtype=np.int64)

    def joined(name: str) -> FloatArray:
        return np.asarray(np.concatenate([getattr(fit, name) for _, fit in parts])[back], dtype=np.float64)

    if not parts:
        p = lattice.num_free
        return PositionFit(
            lattice=lattice,
            parameters=np.zeros((0, p)),
            zero=np.zeros(0),
            covariance=np.zeros((0, p, p)),
            scatter=np.zeros(0),
            odds=np.zeros(0),
            sound=np.zeros(0, dtype=bool),
        )
    return PositionFit(
        lattice=lattice,
        parameters=joined("parameters"),
        zero=joined("zero"),
        covariance=joined("covariance"),
        scatter=joined("scatter"),
        odds=joined("odds"),
        sound=joined("sound").astype(bool),
    )


def _fit(
    lattice: BravaisLattice,
    parameters: FloatArray,
    lines: ObservedLines,
    hkl: NDArray[np.int64],
    rounds: int,
    start_width: float,
    zero: FloatArray,
    zero_su: float,
) -> PositionFit:
    design = lattice.design(hkl)
    count, p = parameters.shape
    parameters = parameters.copy()
    limit = float(lines.q[-1]) * 1.05
    width = np.full(count, start_width)
    sound = np.ones(count, dtype=bool)
    covariance = np.zeros((count, p, p))
    scatter = np.full(count, start_width)
    odds = np.full(count, -1e9)
    span = float(lines.two_theta[-1]) + 0.3 - lines.low
    trust = (1.0 - lines.foreign) / (lines.two_theta_su**2 + 0.003**2)
    trust = trust / trust.max()
    for _ in range(rounds):
        calculated = parameters @ design
        calculated[(calculated > limit) | (calculated <= 0.0)] = np.inf
        corrected = lines.q[None, :] - zero[:, None] * lines.q_by_angle[None, :]
        place = nearest(calculated, corrected)
        found = np.take_along_axis(calculated, place, axis=1)
        residual = np.where(np.isfinite(found), (corrected - found) / lines.q_by_angle, 1e3)
        weight = trust / (1.0 + (residual / width[:, None]) ** 2) ** 2
        columns = (
            np.concatenate(
                [
                    np.moveaxis(design[:, place], 0, -1),
                    np.broadcast_to(lines.q_by_angle[None, :, None], (count, len(lines), 1)),
                ],
                axis=2,
            )
            / lines.q_by_angle[None, :, None]
        )
        target = lines.q / lines.q_by_angle
        normal = np.einsum("mli,ml,mlj->mij", columns, weight, columns)
        right = np.einsum("mli,ml,l->mi", columns, weight, target)
        # the prior of the zero weighs as much as lines of the present width would
        normal[:, p, p] += (width / zero_su) ** 2 * trust.mean()
        scale = np.sqrt(np.diagonal(normal, axis1=1, axis2=2)) + 1e-30
        scaled = normal / scale[:, :, None] / scale[:, None, :] + 1e-11 * np.eye(p + 1)
        inverse = np.linalg.inv(scaled)
        solution = np.einsum("mij,mj->mi", inverse, right / scale) / scale
        fresh = solution[:, :p]
        good = np.isfinite(solution).all(axis=1) & (volume_of_form(fresh @ lattice.free) > 0)
        sound &= good
        parameters[good], zero = fresh[good], np.where(good, np.clip(solution[:, p], -0.3, 0.3), zero)
        close = np.abs(residual) < 3.0 * width[:, None]
        inside = np.where(close, np.abs(residual), np.nan)
        inside[~close.any(axis=1), 0] = start_width
        scatter = np.maximum(1.5 * np.nanmedian(inside, axis=1), FLOOR)
        width = np.clip(2.5 * scatter, 4.0 * FLOOR, width)
        density = span / np.maximum((calculated < limit).sum(axis=1), 1) / (np.sqrt(2.0 * np.pi) * scatter)
        kernel = density[:, None] * np.exp(-0.5 * np.minimum((residual / scatter[:, None]) ** 2, 700.0))
        odds = np.log((1.0 - lines.foreign) * kernel + lines.foreign).sum(axis=1)
        freedom = np.maximum(close.sum(axis=1) - p - 1.0, 1.0)
        variance = np.einsum("ml,ml->m", weight, residual**2) / freedom
        inverse = inverse / scale[:, :, None] / scale[:, None, :]
        covariance = inverse[:, :p, :p] * np.maximum(variance, (0.2 * FLOOR) ** 2)[:, None, None]
    return PositionFit(
        lattice=lattice,
        parameters=parameters,
        zero=zero,
        covariance=covariance,
        scatter=scatter,
        odds=odds,
        sound=sound,
    )
