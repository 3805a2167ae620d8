"""What a scorer of unit cells owes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pxrdgen.interfaces.cell_scorer import CellScorer
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellHypothesis
from pxrdgen_testing.check import Check, Subject, expect, expect_instance
from pxrdgen_testing.samples import cell_problem, rutile


def one_finite_score_for_each_hypothesis(subject: Subject) -> None:
    """[M] numbers in the order of the hypotheses."""
    scores = _scores(subject, _hypotheses())
    expect(scores.shape == (len(_hypotheses()),), f"got scores of shape {scores.shape}, expected one a hypothesis")
    expect(bool(np.isfinite(scores).all()), "got scores that are not finite; give -1e9 to a hopeless hypothesis")


def no_hypotheses_give_no_scores(subject: Subject) -> None:
    """The empty case."""
    expect(len(_scores(subject, [])) == 0, "got scores for no hypotheses")


def the_true_cell_beats_wrong_ones(subject: Subject) -> None:
    """The cell that made the pattern scores above one 4 % off and above a stranger's."""
    scores = _scores(subject, _hypotheses())
    expect(
        scores[0] > scores[1] and scores[0] > scores[2],
        f"got {scores[0]:.3g} for the true cell and {scores[1]:.3g}, {scores[2]:.3g} for wrong ones; higher is better",
    )


def the_order_of_hypotheses_does_not_matter(subject: Subject) -> None:
    """A score is the hypothesis' own."""
    hypotheses = _hypotheses()
    forward, backward = _scores(subject, hypotheses), _scores(subject, hypotheses[::-1])
    expect(np.allclose(forward, backward[::-1], rtol=1e-6, atol=1e-9), "got scores that depend on the order")


def _hypotheses() -> list[CellHypothesis]:
    true = UnitCell.from_basis(rutile().basis).niggli()[0]
    cells = (true, UnitCell.from_basis(1.04 * true.basis), UnitCell(3.9, 5.1, 7.3, 90, 90, 90))
    return [CellHypothesis(cell=cell, origin="conformance") for cell in cells]


def _scores(subject: Subject, hypotheses: Sequence[CellHypothesis]) -> NDArray[np.float64]:
    scorer = expect_instance(subject.build(), CellScorer)
    return np.asarray(scorer.score(cell_problem(), hypotheses))


CHECKS: tuple[Check, ...] = (
    one_finite_score_for_each_hypothesis,
    no_hypotheses_give_no_scores,
    the_true_cell_beats_wrong_ones,
    the_order_of_hypotheses_does_not_matter,
)
