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
from pxrdgen_benchmarks.cases import Column, simulated_cases
from pxrdgen_benchmarks.cell_agreement import nearest_setting
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.subsets import Entry
from pxrdgen_benchmarks.suite import Suite
from pxrdgen_benchmarks.suite_result import SuiteResult, VariantResult
from pxrdgen_benchmarks.tasks import cells
from pxrdgen_benchmarks.tasks.cells import Cells, CellsCase, CellsSpec, error_table, errors_of

TRUE = UnitCell(4.0, 4.0, 4.0)


def result(*records: Record) -> SuiteResult:
    variant = VariantResult(label="v", spec={}, error="", records=records, versions={})
    return SuiteResult(
        suite=Suite(name="x", task="cells"), variants=(variant,), columns=("clean, of 20",),
        weights={"1-4": 0.25, "5-8": 0.75}, selection="", spec_sha256="", data_sha256="",
    )  # fmt: skip


def record(bucket: str, cell: UnitCell | None) -> Record:
    values = {} if cell is None else vars(errors_of(cell, TRUE))
    error = "CellError: proposed no cell" if cell is None else ""
    return Record(variant="v", id=bucket, column="clean, of 20", bucket=bucket, values=values, error=error)


def test_the_same_lattice_in_other_axes_has_no_error() -> None:
    rhombohedral = UnitCell(4.0, 4.0, 4.0, 60.0, 60.0, 60.0)
    turned = UnitCell.from_basis(np.array([[1, 0, 0], [-1, 1, 0], [0, -1, 1]]) @ rhombohedral.basis)
    assert nearest_setting(turned, rhombohedral).parameters == pytest.approx(rhombohedral.parameters)


def test_mean_errors_are_weighed_by_bucket() -> None:
    (line,) = error_table(result(record("1-4", UnitCell(4.4, 4.0, 4.0)), record("5-8", TRUE))).rows
    assert line[:3] == ("v", "clean, of 20", "2")
    assert sum(float(value) for value in line[3:6]) == pytest.approx(2.5)
    assert [float(value) for value in line[6:]] == pytest.approx([2.5 / 3, 2.5, 0.0, 5.0], abs=0.006)


def test_a_pattern_without_a_proposal_counts_as_wholly_wrong() -> None:
    (line,) = error_table(result(record("1-4", None), record("5-8", TRUE))).rows
    assert line[3] == "25.00"
    assert line[8] == "22.50"
    tables = Cells().tables(result(record("1-4", None), record("5-8", TRUE)))
    assert tables["hits"].rows[0][-1].startswith("75.0")


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
    ("scorer", "number", "edge"), [(None, 1, 3.0), (None, 20, 4.0), (Smallest(), 20, 3.0)], ids=str
)
def test_each_chooser_takes_its_best_of_n(
    monkeypatch: pytest.MonkeyPatch, scorer: CellScorer | None, number: int, edge: float
) -> None:
    torch.set_num_threads(1)
    parts = cells._Parts(predictor=Fixed(), scorer=scorer, generator=None)
    monkeypatch.setattr(cells, "_parts", lambda _: parts)
    crystal = Crystal(
        species=np.array([55, 17]), frac_coords=np.array([[0, 0, 0], [0.5] * 3]), basis=TRUE.basis, name="x"
    )
    (case,) = simulated_cases([Entry(index=0, crystal=crystal, space_group=221, bucket="1-4")], [Column.CLEAN])
    row = Cells().measure(CellsCase(case=case, number=number), CellsSpec())
    assert row.exact == (edge == 4.0)
    assert row.edges == pytest.approx(100 * abs(edge / 4.0 - 1.0))
    assert (row.proposals, row.match) == (min(number, 3), None)
