"""``fastdtw``: time warping between the peaks observed and the lines of a cell, as published, without the answer.

The published screening (Li et al., Nat. Commun. 16, 7428, 2025) compares a candidate's lines with those of
the true cell; here they are compared with the peaks found in the pattern, of which some are missing or foreign.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import CellError
from pxrdgen.interfaces.cell_scorer import CellScorer
from pxrdgen.values.cells import CellHypothesis, CellProblem
from pxrdgen.values.pattern import d_from_two_theta
from pxrdgen_cells.scorers.options import FastDtwOptions
from pxrdgen_cells.scorers.warping import ApproximateWarping, ExactWarping, Warping
from pxrdgen_crystallography.decomposition.lines import lines_of, reciprocal_metric_of, s_of
from pxrdgen_crystallography.lattice.volume_prior import log_volume_prior

FloatArray = NDArray[np.float64]

#: fewer peaks than this cannot tell cells apart.
FEWEST_PEAKS = 4
#: mean differences of d (A) are not believed smaller than this.
FLOOR = 1e-3
HOPELESS = -1e9


class FastDtwScorer(CellScorer):
    """-L ln(D / K + 0.001 A) + w ln p(V): D the warping distance of L peaks and N lines, K the larger of L and N.

    The first term is the logarithm of a likelihood, were differences spread exponentially about their mean.

    Args:
        options: which implementation, how many peaks, how much the volume counts.

    Raises:
        ImportError: the package of that implementation is not installed.
    """

    def __init__(self, options: FastDtwOptions) -> None:
        self._options = options
        self._warping: Warping = (
            ExactWarping() if options.implementation == "dtaidistance" else ApproximateWarping(options.radius)
        )

    def score(self, problem: CellProblem, hypotheses: Sequence[CellHypothesis]) -> NDArray[np.float64]:
        """See :meth:`CellScorer.score`."""
        peaks = problem.prepared.peaks
        if len(peaks) < FEWEST_PEAKS:
            raise CellError(
                f"got {len(peaks)} peak(s), expected at least {FEWEST_PEAKS} to compare cells; "
                "measure a wider range or longer, or give the cell"
            )
        angles = peaks.two_theta[: self._options.max_peaks]
        lowest = float(problem.prepared.pattern.two_theta[0])
        scores = np.full(len(hypotheses), HOPELESS)
        for row, hypothesis in enumerate(hypotheses):
            observed = d_from_two_theta(angles - hypothesis.zero, peaks.wavelength)
            calculated = line_spacings(hypothesis, peaks.wavelength, max(lowest, 0.5), float(angles[-1]) + 0.1)
            if calculated.size:
                longer = max(observed.size, calculated.size)
                mean = self._warping.distance(observed, calculated) / longer
                scores[row] = -observed.size * np.log(mean + FLOOR)
                prior = log_volume_prior(hypothesis.cell.volume, problem.composition, problem.z)
                scores[row] += self._options.volume_weight * prior
        return scores


def line_spacings(hypothesis: CellHypothesis, wavelength: float, low: float, high: float) -> FloatArray:
    """d in A, falling, of the distinct lines of a cell between ``low`` and ``high`` (2theta, degrees)."""
    basis = hypothesis.cell.basis
    lines = lines_of(basis, wavelength, low, high)
    return np.asarray(0.5 / s_of(lines.hkl[lines.first], reciprocal_metric_of(basis)))
