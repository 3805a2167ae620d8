"""One disturbance at a time, at several levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from pxrdgen_benchmarks.cases import stranger_of
from pxrdgen_benchmarks.crystal_data import CrystalData, CrystalTask
from pxrdgen_benchmarks.disturbed import DisturbedCase, Factor
from pxrdgen_benchmarks.solving_tables import is_called, solving_tables
from pxrdgen_benchmarks.suite_result import SuiteResult
from pxrdgen_benchmarks.suite_tables import flag, number_table, rate_table
from pxrdgen_benchmarks.tables import Table
from pxrdgen_benchmarks.task import Draw
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


class Robustness(SolveTask, CrystalTask):
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

    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """A line a disturbance, then the tables of every solving task."""
        hits = {
            "strict": flag("strict"),
            "published": flag("published"),
            "called solved": is_called("solved"),
            "solved and wrong": lambda record: is_called("solved")(record) and not record.flag("strict"),
        }
        title = "One thing wrong at a time; 'wrong_z' has no right answer"
        return {
            "disturbances": rate_table(result, hits, title=title),
            "excess": number_table(result, {"excess": "excess"}, title="Misfit over that of free intensities"),
            **solving_tables(result),
        }

    def figures(self, result: SuiteResult) -> Mapping[str, Draw]:
        """The strict rates as bars."""
        from pxrdgen_benchmarks.figures import draw_bars

        return {"disturbances": partial(draw_bars, result, {"strict": "strict, first"}, "right, %")}
