"""``lebail``: how well the whole profile is fitted with free intensities at the lines of a cell.

Positions alone do not see that peaks are missing, nor that a shoulder belongs to two lines; the profile does. Free
intensities fit anything where lines are dense, so each line costs what it takes to tell it apart (Schwarz 1978,
doi:10.1214/aos/1176344136).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import PxrdgenError
from pxrdgen.interfaces.cell_scorer import CellScorer
from pxrdgen.values.cells import CellHypothesis, CellProblem
from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen_cells.scorers.options import LeBailOptions
from pxrdgen_crystallography.decomposition.decompose import Decomposition, decompose
from pxrdgen_crystallography.decomposition.lines import bragg_angles, lines_of, reciprocal_metric_of
from pxrdgen_crystallography.lattice.volume_prior import log_volume_prior

FloatArray = NDArray[np.float64]

HOPELESS = -1e9
#: a peak this many of its widths from the nearest line is not explained.
_NEAR = 0.5


class LeBailScorer(CellScorer):
    """Minus half the Bayesian information criterion of a Le Bail fit; cells that explain too few peaks are not fitted.

    Args:
        options: how many are fitted, and how.
    """

    def __init__(self, options: LeBailOptions) -> None:
        self._options = options

    def score(self, problem: CellProblem, hypotheses: Sequence[CellHypothesis]) -> NDArray[np.float64]:
        """See :meth:`CellScorer.score`."""
        scores = np.full(len(hypotheses), HOPELESS)
        screened = np.array([screening(problem.prepared, hypothesis) for hypothesis in hypotheses])
        for row in np.argsort(-screened, kind="stable")[: self._options.at_most].tolist():
            fitted = self._fit(problem.prepared, hypotheses[row])
            if fitted is not None:
                prior = log_volume_prior(hypotheses[row].cell.volume, problem.composition, problem.z)
                scores[row] = _evidence(problem.prepared, fitted) + self._options.volume_weight * prior
        return scores

    def _fit(self, prepared: PreparedPattern, hypothesis: CellHypothesis) -> Decomposition | None:
        pattern = prepared.pattern
        try:
            return decompose(
                pattern.two_theta,
                pattern.intensity,
                pattern.uncertainty,
                prepared.background,
                prepared.instrument,
                hypothesis.cell.basis,
                refine_widths=self._options.refine_widths,
            )
        except (PxrdgenError, np.linalg.LinAlgError):
            return None


def screening(prepared: PreparedPattern, hypothesis: CellHypothesis) -> float:
    """Share of the peak intensity (square roots) near a line, less the share that as many random lines would reach."""
    peaks, pattern = prepared.peaks, prepared.pattern
    basis = hypothesis.cell.basis
    low, high = max(float(pattern.two_theta[0]), 0.5), min(float(pattern.two_theta[-1]), 170.0)
    lines = lines_of(basis, peaks.wavelength, low, high)
    if not len(lines) or not len(peaks):
        return -math.inf
    angles = bragg_angles(lines.hkl[lines.first], reciprocal_metric_of(basis), peaks.wavelength) + hypothesis.zero
    place = np.clip(np.searchsorted(angles, peaks.two_theta), 1, max(len(angles) - 1, 1))
    beside = np.clip(np.stack([place - 1, place]), 0, len(angles) - 1)
    distance = np.abs(peaks.two_theta - angles[beside]).min(axis=0)
    weight = np.sqrt(np.maximum(peaks.area, 0.0))
    near = distance < _NEAR * peaks.fwhm
    spacing = np.interp(peaks.two_theta, angles, np.gradient(angles) if len(angles) > 1 else np.full(1, high - low))
    by_chance = 1.0 - np.exp(-2.0 * _NEAR * peaks.fwhm / np.maximum(spacing, 1e-6))
    return float(np.sum(weight * (near - by_chance)) / max(float(np.sum(weight)), 1e-300))


def _evidence(prepared: PreparedPattern, fitted: Decomposition) -> float:
    """-M/2 ln(chi^2 / M) - K/2 ln M: M resolved elements of the pattern (one a peak width), K lines inside it."""
    peaks, pattern = prepared.peaks, prepared.pattern
    width = float(np.median(peaks.fwhm)) if len(peaks) else 0.1
    span = float(pattern.two_theta[-1] - pattern.two_theta[0])
    elements = max(span / width, 2.0)
    inside = (fitted.two_theta > pattern.two_theta[0]) & (fitted.two_theta < pattern.two_theta[-1])
    return float(-elements * math.log(max(fitted.gof, 1e-6)) - 0.5 * inside.sum() * math.log(elements))
