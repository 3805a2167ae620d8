"""``figure_of_merit``: how well, and with how few lines, a cell calculates the peak positions.

M_N and F_N (module ``merits``) with a zero error refined and lines left over counted against the cell, or the
log-odds of all lines (module ``likelihood``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from pxrdgen.interfaces.cell_scorer import CellScorer
from pxrdgen.values.cells import CellHypothesis, CellProblem
from pxrdgen_cells.scorers.merit_options import FigureOfMeritOptions
from pxrdgen_crystallography.indexing.judge import JudgedLattice, judge_cells
from pxrdgen_crystallography.indexing.lines import ObservedLines, problem_lines
from pxrdgen_crystallography.indexing.merits import figures_of_merit

#: score of a cell that calculates nothing that was observed.
HOPELESS = -1e9


@final
class FigureOfMerit(CellScorer):
    """Natural logarithm of a figure of merit, or log-odds; each cell is fitted to the peaks first."""

    def __init__(self, options: FigureOfMeritOptions | None = None) -> None:
        self.options = options or FigureOfMeritOptions()

    def score(self, problem: CellProblem, hypotheses: Sequence[CellHypothesis]) -> NDArray[np.float64]:
        """See :meth:`CellScorer.score`.

        Raises:
            CellError: fewer peaks than the simplest lattice needs.
        """
        lines = problem_lines(problem)
        scores = np.full(len(hypotheses), HOPELESS)
        for entry in judge_cells([hypothesis.cell for hypothesis in hypotheses], lines, coarse=self.options.coarse):
            scores[entry.source] = max(scores[entry.source], self._of(entry, lines))
        return scores

    def _of(self, entry: JudgedLattice, lines: ObservedLines) -> float:
        if self.options.merit == "log_odds":
            return entry.weight
        lattice, parameters = entry.description.lattice, entry.description.parameters
        m, f, _ = figures_of_merit(lattice, parameters, entry.zero, lines, self.options.lines)
        figure = m if self.options.merit == "m" else f
        return math.log(figure) if figure > 0.0 else HOPELESS
