"""Structures solved from pattern and formula, with Z and cell or without: the product's own loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen_benchmarks.cases import Case, Column, SimulatedCase, Told
from pxrdgen_benchmarks.crystal_data import CrystalData, CrystalTask
from pxrdgen_benchmarks.evaluate import case_patience, random_arrangement, solved
from pxrdgen_benchmarks.solved_row import SolvedRow, matched_row, solved_row
from pxrdgen_benchmarks.solving_tables import solving_tables
from pxrdgen_benchmarks.suite_result import SuiteResult
from pxrdgen_benchmarks.tables import Table
from pxrdgen_benchmarks.task import Draw, ReportingTask


class SolvingData(CrystalData):
    """Crystals, and what is done to the problem."""

    columns: tuple[Column, ...] = Field(default=(Column.CLEAN, Column.PERTURBED), description="what is done to it")
    told: Told = Field(default=Told.CELL, description="beside the pattern: the formula, with Z, with Z and the cell")


class SolveTask(ReportingTask):
    """Cases that are put to the solve loop."""

    spec_model: ClassVar[type[BaseModel]] = PipelineSpec
    headline: ClassVar[str] = "strict"
    card_values: ClassVar[tuple[str, ...]] = ("published", "strict", "rms")

    def measure(self, case: Case, spec: PipelineSpec) -> SolvedRow:
        """Ask, then compare."""
        if case.column == Column.RANDOM:
            return matched_row([random_arrangement(case)], case)
        return solved_row(solved(case, spec), case)

    def patience(self, spec: Any) -> float:
        """By the budget."""
        return case_patience(spec.budget_s)

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


class Solving(SolveTask, CrystalTask):
    """Rates of right answers, and what the verdicts were worth."""

    data_model: ClassVar[type[BaseModel]] = SolvingData

    def cases(self, data: Any) -> Sequence[SimulatedCase]:
        """Each crystal in each column."""
        cases: list[SimulatedCase] = data.simulated(data.columns, data.told)
        return cases

    def selection(self, data: Any) -> str:
        """Of the crystals, and what was told."""
        return f"{data.selected()}; told: {data.told.said}"
