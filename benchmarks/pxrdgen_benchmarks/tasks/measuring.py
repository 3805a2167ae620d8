"""Measured patterns with known structures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from pxrdgen_benchmarks.measured import EXAMPLES, MeasuredCase, example_case, measured_table, real_cases
from pxrdgen_benchmarks.subsets import shared_folder
from pxrdgen_benchmarks.tables import Table
from pxrdgen_benchmarks.task import SuiteResult
from pxrdgen_benchmarks.tasks.solving import SolveTask, row_of, solving_tables


class MeasuredData(BaseModel):
    """Which patterns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_atoms: int = Field(default=12, ge=0, description="largest primitive cell of data/real; 0 for none of it")
    limit: int | None = Field(default=None, ge=1, description="patterns of data/real, smallest cells first")
    examples: tuple[str, ...] = Field(default=(), description=f"of the laboratory patterns: {', '.join(EXAMPLES)}")


class Measuring(SolveTask):
    """Laboratory patterns: formula, Z and reference cell given."""

    data_model: ClassVar[type[BaseModel]] = MeasuredData

    def cases(self, data: Any) -> Sequence[MeasuredCase]:
        """The patterns that agree with their reference, then the examples."""
        folder = shared_folder()
        real = real_cases(folder / "real", max_atoms=data.max_atoms)[: data.limit] if data.max_atoms else []
        return [*real, *(example_case(folder / "examples", name) for name in data.examples)]

    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """Rates, and a line a pattern."""
        tables = solving_tables(result)
        for number, variant in enumerate(result.measured):
            table = measured_table([row_of(record) for record in variant.records])
            # without the last column, seconds, which alone differ when a run is repeated
            rows = tuple(row[:-1] for row in table.rows)
            title = f"{table.title}: {variant.label}"
            tables[f"patterns_{number}"] = Table(title=title, header=table.header[:-1], rows=rows)
        return tables
