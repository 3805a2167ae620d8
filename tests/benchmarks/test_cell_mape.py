"""Errors of proposed cells: settings that are the same lattice, what a failure costs, how buckets are weighed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from pxrdgen.interfaces.cell_predictor import CellPredictor
from pxrdgen.interfaces.cell_scorer import CellScorer
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellHypothesis, CellProblem
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.cases import Column
from pxrdgen_benchmarks.cell_choice import ChoiceRow, choose
from pxrdgen_benchmarks.cell_mape import mape_table
from pxrdgen_benchmarks.cell_setting import nearest_setting
from pxrdgen_benchmarks.subsets import Entry

TRUE = UnitCell(4.0, 4.0, 4.0)


def row(bucket: str, **chosen: tuple[float, ...]) -> ChoiceRow:
    numbers = ("1", "20", "100", "1000")
    by_number = {name: dict.fromkeys(numbers, cell) for name, cell in chosen.items()}
    return ChoiceRow(id=bucket, bucket=bucket, column="clean", cell=TRUE.parameters, chosen=by_number)


def test_the_same_lattice_in_other_axes_has_no_error() -> None:
    rhombohedral = UnitCell(4.0, 4.0, 4.0, 60.0, 60.0, 60.0)
    turned = UnitCell.from_basis(np.array([[1, 0, 0], [-1, 1, 0], [0, -1, 1]]) @ rhombohedral.basis)
    assert nearest_setting(turned, rhombohedral).parameters == pytest.approx(rhombohedral.parameters)


def test_mean_errors_are_weighed_by_bucket() -> None:
    rows = [row("1-4", truth=(4.4, 4.0, 4.0, 90.0, 90.0, 90.0)), row("5-8", truth=TRUE.parameters)]
    line = mape_table(rows, {"1-4": 0.25, "5-8": 0.75}).rows[0]
    assert line[:4] == ("clean", "truth", "1", "2")
    assert line[4] in ("0.00", "2.50")
    assert sum(float(value) for value in line[4:7]) == pytest.approx(2.5)
    assert line[7] == "2.50"
    assert line[10] == "75.0"


def test_a_pattern_without_a_proposal_counts_as_wholly_wrong() -> None:
    rows = [row("1-4", truth=TRUE.parameters), ChoiceRow(id="x", bucket="1-4", column="clean", cell=TRUE.parameters)]
    line = mape_table(rows, {"1-4": 1.0}).rows[0]
    assert line[4] == "50.00"
    assert line[10] == "50.0"


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


def test_each_chooser_takes_its_best_of_the_first_n() -> None:
    torch.set_num_threads(1)
    crystal = Crystal(
        species=np.array([55, 17]), frac_coords=np.array([[0, 0, 0], [0.5] * 3]), basis=TRUE.basis, name="x"
    )
    chosen = choose(
        Entry(index=0, crystal=crystal, space_group=221, bucket="1-4"), Column.CLEAN, Fixed(), {"smallest": Smallest()}
    )
    assert chosen.error == ""
    assert chosen.chosen["truth"]["1000"][0] == pytest.approx(4.0)
    assert chosen.chosen["truth"]["1"][0] == pytest.approx(3.0)
    assert chosen.chosen["smallest"]["1000"][0] == pytest.approx(3.0)
