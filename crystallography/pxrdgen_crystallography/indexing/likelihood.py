"""How much better a lattice explains the line positions than chance does.

Every observed line is taken to come from one of the N lines the lattice has in the range, all alike, or from elsewhere:

    p(angle) = (1 - f) mean_j K(angle - angle_j) + f / range

against 1 / range for no lattice at all. A lattice with more lines pays log N for each line it explains, so a supercell
that explains nothing new loses; a line left over costs log f. K is a Gaussian as wide as the scatter of the residuals,
with a wider one for the lines that overlap falsifies. For one lattice, this is the logarithm of de Wolff's figure
of merit (1968, doi:10.1107/S002188986800508X) a line, made additive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen_crystallography.indexing.lines import ObservedLines
from pxrdgen_crystallography.indexing.position_fit import largest_indices
from pxrdgen_crystallography.lattice.bravais import BravaisLattice, index_list

FloatArray = NDArray[np.float64]

#: scatters tried, degrees; the likelihood is their average.
SCATTERS = (0.0008, 0.002, 0.005, 0.012, 0.03)
#: share of lines that overlap shifts further.
OVERLAPPED = 0.15
#: no parameter is taken to be narrowed down by more than this.
NARROWEST = 1e-6
#: calculated lines closer than this (degrees) are one.
SAME = 1e-3


@dataclass(frozen=True, kw_only=True)
class LineEvidence:
    """What line positions say of one lattice.

    Args:
        log_odds: natural logarithm of p(lines | lattice) / p(lines | nothing), scatter averaged over.
        explained: [L] probability that each line belongs to the lattice.
        residual: [L] observed minus nearest calculated, zero taken out, degrees.
        num_calculated: distinct lines of the lattice in the range.
    """

    log_odds: float
    explained: FloatArray
    residual: FloatArray
    num_calculated: int


def calculated_angles(
    lattice: BravaisLattice, parameters: FloatArray, wavelength: float, low: float, high: float
) -> FloatArray:
    """[N] distinct angles (degrees, rising) of one lattice [p] between ``low`` and ``high``."""
    limit = (2.0 * math.sin(math.radians(high) / 2.0) / wavelength) ** 2
    floor = (2.0 * math.sin(math.radians(low) / 2.0) / wavelength) ** 2
    hkl = index_list(lattice, largest_indices(lattice, parameters[None, :], limit))
    q = parameters @ lattice.design(hkl)
    q = np.sort(q[(q <= limit) & (q >= floor)])
    angles = np.degrees(2.0 * np.arcsin(np.sqrt(q) * wavelength / 2.0))
    return np.asarray(angles[np.diff(angles, prepend=-1.0) > SAME])


def line_evidence(lattice: BravaisLattice, parameters: FloatArray, zero: float, lines: ObservedLines) -> LineEvidence:
    """The evidence of ``lines`` for one lattice [p] with ``zero`` (degrees)."""
    high = float(lines.two_theta[-1]) + 0.3
    angles = calculated_angles(lattice, parameters, lines.wavelength, max(lines.low - 0.3, 0.5), high) + zero
    span = high - lines.low
    if angles.size == 0:
        nothing = np.zeros(len(lines))
        return LineEvidence(
            log_odds=float(np.log(lines.foreign).sum()), explained=nothing, residual=nothing + 9.0, num_calculated=0
        )
    place = np.clip(np.searchsorted(angles, lines.two_theta), 1, max(angles.size - 1, 1))
    beside = np.clip(np.stack([place - 2, place - 1, place, place + 1]), 0, angles.size - 1)
    distance = np.abs(lines.two_theta - angles[beside])
    # at the ends of the list the same neighbour would count twice
    distance[1:][beside[1:] == beside[:-1]] = np.inf
    log_odds, explained = [], []
    for scatter in SCATTERS:
        narrow = np.sqrt(lines.two_theta_su**2 + scatter**2)
        wide = np.maximum(8.0 * narrow, 0.25 * lines.fwhm)
        kernel = (1.0 - OVERLAPPED) * _gauss(distance, narrow) + OVERLAPPED * _gauss(distance, wide)
        ours = (1.0 - lines.foreign) * span / angles.size * kernel.sum(axis=0)
        log_odds.append(float(np.log(ours + lines.foreign).sum()))
        explained.append(ours / (ours + lines.foreign))
    best = int(np.argmax(log_odds))
    average = float(np.logaddexp.reduce(log_odds) - math.log(len(SCATTERS)))
    nearest = np.argmin(distance, axis=0)
    residual = lines.two_theta - angles[np.take_along_axis(beside, nearest[None, :], axis=0)[0]]
    return LineEvidence(log_odds=average, explained=explained[best], residual=residual, num_calculated=int(angles.size))


def _gauss(distance: FloatArray, width: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-0.5 * (distance / width) ** 2) / (math.sqrt(2.0 * math.pi) * width))


def occam(parameters: FloatArray, covariance: FloatArray, *, prior_share: float = 0.3) -> float:
    """Log of (width of what the data allow / width of what was thought possible) of the parameters [p], at most 0.

    A lattice with more free parameters could have explained more, so each costs what the data narrow it down by.
    """
    prior = prior_share * np.maximum(np.abs(parameters), 0.2 * np.max(np.abs(parameters)))
    scaled = covariance / prior[:, None] / prior[None, :]
    if not np.isfinite(scaled).all():
        return parameters.size * math.log(NARROWEST)
    shares = np.clip(np.linalg.eigvalsh(scaled), NARROWEST**2, 1.0)
    return float(0.5 * np.log(shares).sum())
