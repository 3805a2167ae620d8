"""What a predictor of unit cells owes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pxrdgen.errors import CellError, ConformanceError
from pxrdgen.interfaces.cell_predictor import CellPredictor
from pxrdgen.values.cells import CellHypothesis, CellProblem
from pxrdgen_testing.check import Check, Subject, expect, expect_instance
from pxrdgen_testing.samples import cell_problem, featureless_cell_problem

COUNT = 20


def it_proposes_cells_of_sensible_shape(subject: Subject) -> None:
    """At most as many as asked, each with a volume within the limit of the problem."""
    problem = cell_problem()
    found = _predict(subject, problem, COUNT, seed=0)
    expect(len(found) <= COUNT, f"got {len(found)} hypotheses, expected at most the {COUNT} asked for")
    for hypothesis in found:
        expect(isinstance(hypothesis, CellHypothesis), f"got a {type(hypothesis).__name__}, expected CellHypothesis")
        expect(
            np.isfinite(hypothesis.cell.parameters).all() and 0 < hypothesis.cell.volume <= problem.max_volume,
            f"got the cell {hypothesis.cell} of {hypothesis.cell.volume:.0f} A^3, expected 0 to {problem.max_volume:g}",
        )
        expect(np.isfinite(hypothesis.score), f"got a score of {hypothesis.score}, expected a finite number")
        expect(bool(hypothesis.origin), "got a hypothesis without an origin; expected the predictor's name")


def it_works_without_a_formula(subject: Subject) -> None:
    """Indexing comes before chemistry; a predictor that needs the formula says so with a CellError."""
    problem = replace(cell_problem(), composition=None, z=None)
    try:
        _predict(subject, problem, COUNT, seed=0)
    except CellError as error:
        expect("formula" in str(error), f"got {error}; expected the message to say that the formula is missing")


def a_seed_gives_the_same_cells(subject: Subject) -> None:
    """All randomness comes from the generator that is handed in."""
    first = [hypothesis.cell.parameters for hypothesis in _predict(subject, cell_problem(), COUNT, seed=5)]
    again = [hypothesis.cell.parameters for hypothesis in _predict(subject, cell_problem(), COUNT, seed=5)]
    expect(first == again, "got other cells for the same seed; take all randomness from 'rng'")


def too_few_peaks_are_refused_in_words(subject: Subject) -> None:
    """A pattern without peaks: no hypotheses or a CellError, never a cell out of nothing."""
    try:
        found = _predict(subject, featureless_cell_problem(), COUNT, seed=0)
    except CellError:
        return
    if found:
        raise ConformanceError(f"got {len(found)} cells for a pattern without peaks, expected none or a CellError")


def _predict(subject: Subject, problem: CellProblem, count: int, seed: int) -> Sequence[CellHypothesis]:
    predictor = expect_instance(subject.build(), CellPredictor)
    return predictor.predict(problem, count, np.random.default_rng(seed))


CHECKS: tuple[Check, ...] = (
    it_proposes_cells_of_sensible_shape,
    it_works_without_a_formula,
    a_seed_gives_the_same_cells,
    too_few_peaks_are_refused_in_words,
)
