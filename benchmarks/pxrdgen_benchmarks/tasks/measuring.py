"""Measured patterns with known structures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from pxrdgen.interfaces.task import Value
from pxrdgen_benchmarks.cases import Told
from pxrdgen_benchmarks.measured import EXAMPLES, MeasuredCase, example_case, real_cases
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.solving_tables import solving_tables
from pxrdgen_benchmarks.subsets import shared_folder
from pxrdgen_benchmarks.suite_result import SuiteResult
from pxrdgen_benchmarks.tables import Table
from pxrdgen_benchmarks.tasks.solving import SolveTask


class MeasuredData(BaseModel):
    """Which patterns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_atoms: int = Field(default=12, ge=0, description="largest primitive cell of data/real; 0 for none of it")
    min_atoms: int = Field(default=1, ge=1, description="smallest primitive cell of data/real")
    disagreeing: bool = Field(default=False, description="also patterns that do not resemble their reference")
    large: bool = Field(default=False, description="the minerals of data/field/large instead of data/real")
    limit: int | None = Field(default=None, ge=1, description="patterns of data/real, smallest cells first")
    examples: tuple[str, ...] = Field(default=(), description=f"of the laboratory patterns: {', '.join(EXAMPLES)}")
    told: Told = Field(default=Told.CELL, description="formula; with Z; with Z and cell; with Z, cell and group")


class Measuring(SolveTask):
    """Laboratory patterns: formula, Z and reference cell given."""

    data_model: ClassVar[type[BaseModel]] = MeasuredData

    def cases(self, data: Any) -> Sequence[MeasuredCase]:
        """The patterns that agree with their reference, then the examples."""
        folder = shared_folder()
        sizes = {"min_atoms": data.min_atoms, "max_atoms": data.max_atoms}
        real = folder / ("field/large" if data.large else "real")
        measured = real_cases(real, **sizes, disagreeing=data.disagreeing)[: data.limit] if data.max_atoms else []
        examples = [example_case(folder / "examples", name) for name in data.examples]
        return [replace(case, told=data.told) for case in (*measured, *examples)]

    def selection(self, data: Any) -> str:
        """Of the patterns, which is not by chance."""
        source = "RRUFF" if data.large else "RRUFF and Crystalyze"
        real = f"{source} patterns of {data.min_atoms}-{data.max_atoms} atoms, " + (
            "all" if data.disagreeing else "only those whose simulation from the reference agrees with the measurement"
        )
        examples = f"the examples {', '.join(data.examples)}, on which the program was tuned"
        chosen = [*([real] if data.max_atoms else []), *([examples] if data.examples else [])]
        return f"{' and '.join(chosen)}; told: {data.told.said}, the cell being the reference's"

    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """Rates, and a line a pattern."""
        tables = solving_tables(result)
        for number, variant in enumerate(result.measured):
            tables[f"patterns_{number}"] = pattern_table(variant.records, variant.label)
        return tables


#: values of the table of patterns.
_SHOWN = (
    *("strict", "published", "any_strict", "strict_without_h", "verdict", "r_wp", "r_wp_without_background", "excess"),
    *("space_group_found", "space_group_true"),
)


def pattern_table(records: Sequence[Record], label: str) -> Table:
    """One line a pattern."""
    return Table(
        title=f"Measured patterns: {label}",
        header=("pattern", "atoms", *_SHOWN, "error"),
        rows=tuple(
            (r.id, str(r.num_atoms), *(_said(r.values.get(name)) for name in _SHOWN), r.error)
            for r in sorted(records, key=lambda record: (record.num_atoms, record.id))
        ),
    )


def _said(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
