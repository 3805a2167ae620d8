"""Structures solved from pattern, formula, Z and cell: the product's own loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen_benchmarks.cases import CONTROLS, Case, Column, SimulatedCase, simulated_cases
from pxrdgen_benchmarks.crystal_data import CrystalData
from pxrdgen_benchmarks.evaluate import case_patience, evaluate
from pxrdgen_benchmarks.jobs import FailedCaseError
from pxrdgen_benchmarks.record import Record, Value
from pxrdgen_benchmarks.row import Row
from pxrdgen_benchmarks.suite_tables import flag, groups, number_table, rate_table
from pxrdgen_benchmarks.tables import Table, space_group_table, verdict_table
from pxrdgen_benchmarks.task import Draw, ReportingTask, SuiteResult

#: fields of a row that a record has itself.
_OWN = ("id", "column", "bucket", "num_atoms", "seconds", "error")

#: what counts as a match, and how tables call it.
MATCHES = {
    "published": flag("published"),
    "strict": flag("strict"),
    "published, any ranked": flag("any_published"),
    "strict, any ranked": flag("any_strict"),
}


class SolvingData(CrystalData):
    """Crystals, and what is done to the problem."""

    columns: tuple[Column, ...] = Field(default=(Column.CLEAN, Column.PERTURBED), description="what is done to it")


class SolveTask(ReportingTask):
    """Cases that are put to the solve loop."""

    spec_model: ClassVar[type[BaseModel]] = PipelineSpec
    headline: ClassVar[str] = "strict"
    card_values: ClassVar[tuple[str, ...]] = ("published", "strict")

    def measure(self, case: Any, spec: Any) -> Mapping[str, Value]:
        """See :class:`~pxrdgen_benchmarks.row.Row`."""
        return solved_values(case, spec)

    def patience(self, spec: Any) -> float:
        """The evaluation has its own; this one is for comparing the answers."""
        return case_patience(spec.budget_s) + 600.0

    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """Matches by size, verdicts, space groups."""
        return solving_tables(result)

    def figures(self, result: SuiteResult) -> Mapping[str, Draw]:
        """Match rates as bars."""
        from pxrdgen_benchmarks.figures import draw_bars

        values = {
            "published": "published matcher, first",
            "strict": "strict, first",
            "any_strict": "strict, any ranked",
        }
        return {"match_rates": partial(draw_bars, result, values, "matched, %")}


class Solving(SolveTask):
    """Rates of right answers, and what the verdicts were worth."""

    data_model: ClassVar[type[BaseModel]] = SolvingData

    def cases(self, data: Any) -> Sequence[SimulatedCase]:
        """Each crystal in each column."""
        every = data.every()
        return simulated_cases(data.chosen(every), data.columns, every)

    def weights(self, data: Any) -> Mapping[str, float]:
        """Of the subset."""
        weights: Mapping[str, float] = data.weights()
        return weights


def solved_values(case: Case, spec: PipelineSpec) -> dict[str, Value]:
    """The row of a case as values.

    Raises:
        FailedCaseError: the case failed.
    """
    row = evaluate(case, spec)
    if row.error:
        raise FailedCaseError(row.error)
    return row_values(row)


def row_values(row: Row) -> dict[str, Value]:
    """What a row says beyond the case it is of."""
    return {name: value for name, value in asdict(row).items() if name not in _OWN}


def row_of(record: Record) -> Row:
    """The other way round."""
    own = {name: getattr(record, name) for name in _OWN}
    known = {name: value for name, value in record.values.items() if name in Row.__dataclass_fields__}
    return Row.from_mapping({**own, **known})


def solving_tables(result: SuiteResult) -> dict[str, Table]:
    """Matches by size and column; then, where there are verdicts, what they were worth."""
    tables = {
        "matches": rate_table(result, MATCHES, title="Matched"),
        "rms": number_table(result, {"rms": "rms of matched, (V/N)^(1/3)"}, title="Distance of matched sites"),
    }
    verdicts, space_groups = [], []
    for variant, column, records in groups(result):
        if column == Column.RANDOM:
            continue
        rows = [row_of(record) for record in records]
        verdicts += [(variant, *line) for line in verdict_table(rows).rows]
        if column not in CONTROLS:
            space_groups += [(variant, *line) for line in space_group_table(rows).rows]
    empty = verdict_table([])
    tables["verdicts"] = Table(title=empty.title, header=("variant", *empty.header), rows=tuple(verdicts))
    empty = space_group_table([])
    tables["space_groups"] = Table(title=empty.title, header=("variant", *empty.header), rows=tuple(space_groups))
    return tables
