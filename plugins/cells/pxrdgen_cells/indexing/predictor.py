"""The cell predictor ``indexing``: trial lattices of all 14 types, fitted to the peaks and weighed by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pxrdgen.interfaces.cell_predictor import CellPredictor
from pxrdgen.values.cells import CellHypothesis, CellProblem
from pxrdgen_cells.indexing.assignments import assigned
from pxrdgen_cells.indexing.line_table import line_table
from pxrdgen_cells.indexing.options import IndexingOptions
from pxrdgen_cells.indexing.reassignment import STARTS, VolumePrior, settle
from pxrdgen_cells.indexing.trials import Trier
from pxrdgen_crystallography.indexing.judge import JudgedLattice, weigh, without_repeats
from pxrdgen_crystallography.indexing.lines import ObservedLines, problem_lines
from pxrdgen_crystallography.indexing.position_fit import fit_positions
from pxrdgen_crystallography.lattice.bravais import BRAVAIS_LATTICES, BravaisLattice, CrystalSystem, index_list

FloatArray = NDArray[np.float64]

#: |h|, |k|, |l| that trials are judged with.
_REACH: dict[CrystalSystem, tuple[int, int, int]] = {
    CrystalSystem.CUBIC: (8, 8, 8),
    CrystalSystem.TETRAGONAL: (7, 7, 9),
    CrystalSystem.HEXAGONAL: (7, 7, 9),
    CrystalSystem.TRIGONAL: (7, 7, 12),
    CrystalSystem.ORTHORHOMBIC: (6, 6, 6),
    CrystalSystem.MONOCLINIC: (5, 5, 5),
    CrystalSystem.TRICLINIC: (4, 4, 4),
}
#: Tolerances grow by this from pass to pass.
_WIDER = 2.5
#: A lattice ends the search when it leaves over less than this share of the lines (weighted with the root of their
#: intensity), and the log-odds for it are above a constant and so much a line. The latter alone spare random starts.
_LEFT_OVER, _CONVINCING, _CONVINCING_A_LINE = 0.04, 30.0, 0.5
#: Lines more doubtful than the first number start no trials in the first pass, than the second in later ones, as long
#: as so many others are left.
_SURE, _NOT_FOREIGN, _ENOUGH = 0.1, 0.5, 16
#: Batches of random starts after which log-odds above the second number end them; chance reaches 5.
_BATCHES, _LIKELY = 3, 10.0
#: The pass that assigns the first lines exhaustively, too.
_EXHAUSTIVE = 1
#: Lattices of each type weighed on all lines.
_WEIGHED = 12


@final
class Indexing(CellPredictor):
    """Classical indexing, all lattice types down to triclinic.

    Trials are low-index assignments of the first lines completed by vote (:mod:`pxrdgen_cells.indexing.trials`) and,
    where those do not convince, all there are (:mod:`pxrdgen_cells.indexing.assignments`), judged by look-up, the best
    fitted by least squares with a zero error, then weighed on all lines. Where nothing convinces, lattices that random
    starts settle into (:mod:`pxrdgen_cells.indexing.reassignment`) join them.
    """

    def __init__(self, options: IndexingOptions | None = None) -> None:
        self.options = options or IndexingOptions()

    def predict(self, problem: CellProblem, count: int, rng: Generator) -> Sequence[CellHypothesis]:
        """Deterministic but for random starts, which patterns need where nothing else convinces.

        Raises:
            CellError: fewer lines than the simplest lattice needs.
        """
        lines = problem_lines(problem)
        found: list[JudgedLattice] = []
        for number in range(self.options.passes):
            # weak lines are the likeliest to be foreign: the first pass goes without them where others are enough
            leading = lines.trusted(_SURE, _ENOUGH) if number == 0 else lines.trusted(_NOT_FOREIGN, _ENOUGH)
            found += self._pass(problem, lines, leading, number)
            found.sort(key=lambda entry: -entry.weight)
            if found and _is_sure(found[0], lines) and _leaves_little(found[0], lines):
                break
        for number in range(self.options.batches):
            if found and (_is_sure(found[0], lines) or (number >= _BATCHES and found[0].weight > _LIKELY)):
                break
            found += self._from_random_starts(problem, lines, rng)
            found.sort(key=lambda entry: -entry.weight)
        return [
            CellHypothesis(cell=entry.description.primitive, origin="indexing", score=entry.weight, zero=entry.zero)
            for entry in without_repeats(found, count)
        ]

    def _pass(
        self, problem: CellProblem, lines: ObservedLines, leading: ObservedLines, number: int
    ) -> list[JudgedLattice]:
        first = leading.first(self.options.lines)
        tolerance = self.options.tolerance * _WIDER**number
        angles = np.clip(4.0 * first.two_theta_su, tolerance, 4.0 * tolerance)
        trier = Trier(
            table=line_table(first.q, angles * first.q_by_angle),
            smallest_volume=self.options.minimum_volume,
            largest_volume=problem.max_volume,
            effort=self.options.effort,
        )
        found: list[JudgedLattice] = []
        for lattice in BRAVAIS_LATTICES:
            # a lattice needs more lines than it has parameters to say anything
            if len(first) >= lattice.num_free + 2:
                found += self._type(lattice, trier, first, lines, number == _EXHAUSTIVE)
        return found

    def _type(
        self, lattice: BravaisLattice, trier: Trier, first: ObservedLines, lines: ObservedLines, exhaustive: bool
    ) -> list[JudgedLattice]:
        trials = trier.of(lattice)
        if exhaustive:
            more = assigned(lattice, trier.table, trier.smallest_volume, trier.largest_volume)
            trials = np.concatenate([trials, more])
        if len(trials) == 0:
            return []
        odds, _ = trier.table.judge(trials, lattice.design(index_list(lattice, _REACH[lattice.system])))
        best = np.argsort(-odds, kind="stable")[: self.options.fitted]
        rough = fit_positions(lattice, trials[best], first, rounds=8 if exhaustive else 4)
        order = np.argsort(np.where(rough.sound, -rough.odds, np.inf), kind="stable")
        chosen = order[: max(_WEIGHED, int(0.06 * len(order)))]
        chosen = chosen[rough.sound[chosen]]
        parameters, zero = rough.parameters[chosen], rough.zero[chosen]
        return weigh(fit_positions(lattice, parameters, lines, start_width=0.03, zero=zero), lines)

    def _from_random_starts(self, problem: CellProblem, lines: ObservedLines, rng: Generator) -> list[JudgedLattice]:
        found: list[JudgedLattice] = []
        leading = lines.trusted(_NOT_FOREIGN, _ENOUGH)
        for lattice in (each for each in BRAVAIS_LATTICES if each.num_free in STARTS):
            prior = VolumePrior.of(problem, lattice, leading, self.options.minimum_volume)
            start = settle(lattice, leading, prior, self.options.fitted, rng)
            # starts that settled on a few lines may be off by some tenths of a degree on the others
            fit = fit_positions(lattice, start.parameters, lines, rounds=12, start_width=0.2, zero=start.zero)
            found += weigh(fit, lines)
        return found


def _is_sure(best: JudgedLattice, lines: ObservedLines) -> bool:
    return best.weight > _CONVINCING + _CONVINCING_A_LINE * len(lines)


def _leaves_little(best: JudgedLattice, lines: ObservedLines) -> bool:
    share = np.sqrt(lines.strength)
    return float(share @ (1.0 - best.evidence.explained) / share.sum()) < _LEFT_OVER
