"""Errors of proposed cells: settings that are the same lattice, what a failure costs, who chooses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from pxrdgen.errors import CellError
from pxrdgen.interfaces.cell_predictor import CellPredictor
from pxrdgen.interfaces.cell_scorer import CellScorer
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellHypothesis, CellProblem
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.cases import Column, SimulatedCase, simulated_cases
from pxrdgen_benchmarks.cell_agreement import nearest_setting
from pxrdgen_benchmarks.subject import Subject
from pxrdgen_benchmarks.subsets import Entry
from pxrdgen_benchmarks.tasks import cells
from pxrdgen_benchmarks.tasks.cells import Cells, CellsSpec, errors_of

TRUE = UnitCell(4.0, 4.0, 4.0)


def test_the_same_lattice_in_other_axes_has_no_error() -> None:
    rhombohedral = UnitCell(4.0, 4.0, 4.0, 60.0, 60.0, 60.0)
    turned = UnitCell.from_basis(np.array([[1, 0, 0], [-1, 1, 0], [0, -1, 1]]) @ rhombohedral.basis)
    assert nearest_setting(turned, rhombohedral).parameters == pytest.approx(rhombohedral.parameters)


def test_errors_are_those_of_the_nearest_axes() -> None:
    row = errors_of(UnitCell(4.4, 4.0, 4.0), TRUE)
    assert sorted((row.a, row.b, row.c)) == pytest.approx([0.0, 0.0, 10.0])
    assert (row.edges, row.volume, row.angles) == pytest.approx((10.0 / 3, 10.0, 0.0))
    assert not row.exact
    assert errors_of(TRUE, TRUE).exact


class Helpless(CellPredictor):
    """Refuses."""

    def predict(self, problem: CellProblem, count: int, rng: Generator) -> list[CellHypothesis]:
        del problem, count, rng
        raise CellError("got 1 peak")


def asked(number: int) -> Subject[tuple[SimulatedCase, int]]:
    crystal = Crystal(
        species=np.array([55, 17]), frac_coords=np.array([[0, 0, 0], [0.5] * 3]), basis=TRUE.basis, name="x"
    )
    (case,) = simulated_cases([Entry(index=0, crystal=crystal, space_group=221, bucket="1-4")], [Column.CLEAN])
    return Subject(what=(case, number), column="clean", truth=crystal)


def test_a_pattern_without_a_proposal_counts_as_wholly_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "_parts", lambda _: cells._Parts(predictor=Helpless(), scorer=None, generator=None))
    row = Cells().measure(asked(20), CellsSpec())
    assert (row.a, row.edges, row.volume, row.angles, row.exact) == (100.0, 100.0, 100.0, 90.0, False)


class Fixed(CellPredictor):
    """Proposes a few wrong cells, the right one third."""

    def predict(self, problem: CellProblem, count: int, rng: Generator) -> list[CellHypothesis]:
        del problem, rng
        cells = [UnitCell(a, a, a) for a in (3.0, 5.0, 4.0)]
        return [CellHypothesis(cell=cell, origin="fixed") for cell in cells][:count]


class Smallest(CellScorer):
    """Takes the smallest cell."""

    def score(self, problem: CellProblem, hypotheses: list[CellHypothesis]) -> NDArray[np.float64]:  # type: ignore[override]
        del problem
        return np.array([-hypothesis.cell.volume for hypothesis in hypotheses])


@pytest.mark.parametrize(
    ("scorer", "number", "edge"),
    [(None, 1, 3.0), (None, 20, 4.0), (Smallest(), 20, 3.0)],
    ids=["the predictor", "twenty", "a scorer"],
)
def test_each_chooser_takes_its_best_of_n(
    monkeypatch: pytest.MonkeyPatch, scorer: CellScorer | None, number: int, edge: float
) -> None:
    torch.set_num_threads(1)
    parts = cells._Parts(predictor=Fixed(), scorer=scorer, generator=None)
    monkeypatch.setattr(cells, "_parts", lambda _: parts)
    row = Cells().measure(asked(number), CellsSpec())
    assert row.exact == (edge == 4.0)
    assert row.edges == pytest.approx(100 * abs(edge / 4.0 - 1.0))
    assert (row.proposals, row.match) == (min(number, 3), None)
