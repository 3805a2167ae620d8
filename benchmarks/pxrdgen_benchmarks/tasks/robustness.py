"""One disturbance at a time, at several levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from pxrdgen_benchmarks.cases import stranger_of
from pxrdgen_benchmarks.crystal_data import CrystalData
from pxrdgen_benchmarks.disturbed import DisturbedCase, Factor
from pxrdgen_benchmarks.metrics import Count, mean, wilson
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.solving_tables import solving_tables
from pxrdgen_benchmarks.suite_tables import groups, whole
from pxrdgen_benchmarks.tables import Table, percent
from pxrdgen_benchmarks.task import Draw, SuiteResult
from pxrdgen_benchmarks.tasks.solving import SolveTask

#: levels of a full run, mildest first.
LEVELS: dict[Factor, tuple[float, ...]] = {
    Factor.NONE: (0.0,),
    Factor.NOISE: (1000.0, 300.0, 100.0),
    Factor.WIDTH: (2.0, 4.0),
    Factor.ZERO: (0.05, 0.1, 0.2),
    Factor.BACKGROUND: (0.3, 1.0),
    Factor.IMPURITY: (0.03, 0.1, 0.3),
    Factor.RANGE: (60.0, 45.0),
    Factor.CELL: (0.2, 0.5, 1.0),
    Factor.TEXTURE: (0.7, 0.5),
    Factor.U_ISO: (0.002, 0.03, 0.06),
    Factor.WRONG_Z: (1.0,),
}


class RobustnessData(CrystalData):
    """Crystals and disturbances."""

    levels: dict[Factor, tuple[float, ...]] = Field(default=LEVELS, description="of each disturbance, mildest first")


class Robustness(SolveTask):
    """The solve loop against one disturbance at a time."""

    data_model: ClassVar[type[BaseModel]] = RobustnessData

    def cases(self, data: Any) -> Sequence[DisturbedCase]:
        """Each crystal with each disturbance."""
        every = data.every()
        return [
            DisturbedCase(
                id=entry.crystal.name,
                column=f"{factor} {level:g}" if factor is not Factor.NONE else factor,
                bucket=entry.bucket,
                truth=entry.crystal,
                space_group=entry.space_group,
                index=entry.index,
                factor=factor,
                level=level,
                stranger=stranger_of(entry, every),
            )
            for entry in data.chosen(every)
            for factor, levels in data.levels.items()
            for level in levels
        ]

    def selection(self, data: Any) -> str:
        """Of the crystals."""
        selected: str = data.selected()
        return selected

    def weights(self, data: Any) -> Mapping[str, float]:
        """Of the subset."""
        weights: Mapping[str, float] = data.weights()
        return weights

    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """A line a disturbance, then the tables of every solving task."""
        return {"disturbances": disturbance_table(result), **solving_tables(result)}

    def figures(self, result: SuiteResult) -> Mapping[str, Draw]:
        """The strict rates as bars."""
        from pxrdgen_benchmarks.figures import draw_bars

        return {"disturbances": partial(draw_bars, result, {"strict": "strict, first"}, "right, %")}


def disturbance_table(result: SuiteResult) -> Table:
    """How often the first answer is right, how often it is called solved, and how often that is wrong."""
    lines = []
    for variant, column, records in groups(result):
        solved = [record for record in records if record.values.get("verdict") == "solved"]
        wrong = sum(not record.flag("strict") for record in solved)
        lines.append(
            (
                variant,
                column,
                whole(records, lambda record: record.flag("strict"), result.weights),
                whole(records, lambda record: record.flag("published"), result.weights),
                percent(wilson(Count(hits=len(solved), n=len(records)))),
                percent(wilson(Count(hits=wrong, n=len(records)))),
                _excess(records),
                str(sum(bool(record.error) for record in records)),
            )
        )
    return Table(
        title="One thing wrong at a time, % [95 % interval] (n); 'wrong_z' has no right answer",
        header=(
            "variant",
            "disturbance",
            "strict",
            "published",
            "called solved",
            "solved and wrong",
            "excess",
            "errors",
        ),
        rows=tuple(lines),
    )


def _excess(records: Sequence[Record]) -> str:
    values = [value for record in records if isinstance(value := record.values.get("excess"), float)]
    return f"{mean(values):.2f}" if values else ""
