"""Refiners on displaced structures and on raw candidates: RMSE before and after (figure 6)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.specs.pipeline import ComponentSpec
from pxrdgen_benchmarks.jobs import FailedCaseError
from pxrdgen_benchmarks.record import Record, Value
from pxrdgen_benchmarks.refinement import Part, cases_of, refiner_for
from pxrdgen_benchmarks.refinement_cases import RefinementCase
from pxrdgen_benchmarks.refinement_rows import RefinementRow
from pxrdgen_benchmarks.refinement_run import RefinerOf, evaluate_refinement
from pxrdgen_benchmarks.refinement_tables import (
    agreement_table,
    before_after_table,
    home_table,
    is_home,
    measured_refinement_table,
)
from pxrdgen_benchmarks.suite_tables import flag, groups, number_table, whole
from pxrdgen_benchmarks.tables import Table
from pxrdgen_benchmarks.task import Draw, ReportingTask, SuiteResult


class RefiningSpec(BaseModel):
    """A refiner."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    refiner: ComponentSpec = Field(default=ComponentSpec(plugin="least_squares"), description="what is tried")


class RefiningData(BaseModel):
    """What is refined."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parts: tuple[Part, ...] = Field(default=tuple(Part), description="simulated, measured, candidates")
    limit: int | None = Field(default=None, ge=1, description="cases of each part")
    subset: str = Field(default="val-120", description="a committed list of crystals")
    crystals: Path | None = Field(default=None, description="table or pack; default: the shared data folder's")


@dataclass(frozen=True, kw_only=True)
class RefiningSubject:
    """A refinement case as a suite sees it."""

    case: RefinementCase

    @property
    def id(self) -> str:
        """Crystal and kind of start."""
        return f"{self.case.id} {self.case.group}"

    @property
    def column(self) -> str:
        """The part."""
        return self.case.part

    @property
    def bucket(self) -> str:
        """The kind of start: a displacement, a generator, a kind of crystal."""
        return "direct_space" if self.case.group.startswith("direct_space") else self.case.group

    @property
    def num_atoms(self) -> int:
        """In the primitive cell."""
        return len(self.case.truth)


class Refining(ReportingTask):
    """RMSE to the truth before and after."""

    spec_model: ClassVar[type[BaseModel]] = RefiningSpec
    data_model: ClassVar[type[BaseModel]] = RefiningData
    headline: ClassVar[str] = "home"
    card_values: ClassVar[tuple[str, ...]] = ("home", "rms_before", "rms_after")

    def cases(self, data: Any) -> Sequence[RefiningSubject]:
        """All starts."""
        found = []
        for part in data.parts:
            cases = cases_of(part, subset=data.subset, crystals=data.crystals)
            found += [RefiningSubject(case=case) for case in cases[: data.limit]]
        return found

    def measure(self, case: Any, spec: Any) -> Mapping[str, Value]:
        """Before, after, agreement factors, seconds."""
        row = evaluate_refinement(case.case, _refiner_of(spec.model_dump_json())(case.case))
        if row.error:
            raise FailedCaseError(row.error)
        return {
            "rms_before": row.rms_before,
            "rms_after": row.rms_after,
            "matched_before": row.rms_before is not None,
            "matched_after": row.rms_after is not None,
            "home": is_home(row),
            "r_wp": row.r_wp,
            "gof": row.gof,
            "converged": row.converged,
            "cpu_seconds": row.cpu_seconds,
            "row": json.dumps({**asdict(row), "seconds": 0.0}),
        }

    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """Who comes home, RMSE before and after by its size, how refiners agree, measured patterns."""
        runs = {variant.label: [_row(record) for record in variant.records] for variant in result.measured}
        tables = {"starts": _starts_table(result), "home": _without_seconds(home_table(runs))}
        names = {"rms_before": "rms before", "rms_after": "rms after", "gof": "GOF", "cpu_seconds": "CPU s"}
        tables["numbers"] = number_table(result, names, title="Refinement, rms in (V/N)^(1/3)")
        first, *others = runs
        for other in others:
            tables[f"agreement_{len(tables)}"] = agreement_table(first, other, runs)
        tables["measured"] = _without_seconds(measured_refinement_table(runs))
        for number, (label, rows) in enumerate(runs.items()):
            table = before_after_table(rows)
            tables[f"before_after_{number}"] = Table(
                title=f"{table.title}: {label}", header=table.header, rows=table.rows
            )
        return tables

    def figures(self, result: SuiteResult) -> Mapping[str, Draw]:
        """Distributions of RMSE before and after (figure 6 a), one a refiner."""
        from pxrdgen_benchmarks.figures import draw_histograms

        found: dict[str, Draw] = {}
        for number, variant in enumerate(result.measured):
            some = [record for record in variant.records if record.column == Part.CANDIDATES]
            sets = {f"{name} {variant.label}": _numbers(some, f"rms_{name}") for name in ("before", "after")}
            if any(sets.values()):
                found[f"rmse_{number}"] = partial(draw_histograms, sets, "RMSE, (V/N)^(1/3)")
        return found

    def patience(self, spec: Any) -> float:
        """A refinement is seconds; a worker process of another program may hang."""
        del spec
        return 300.0


def _starts_table(result: SuiteResult) -> Table:
    lines = []
    for variant, column, records in groups(result):
        for kind in sorted(dict.fromkeys(record.bucket for record in records)):
            some = [record for record in records if record.bucket == kind]
            rates = (whole(some, flag(name), {}) for name in ("matched_before", "matched_after", "home"))
            lines.append((variant, column, kind, *rates, str(sum(bool(r.error) for r in some))))
    return Table(
        title="Starts, % [95 % interval] (n)",
        header=("variant", "part", "start", "matched before", "matched after", "home", "errors"),
        rows=tuple(lines),
    )


def _row(record: Record) -> RefinementRow:
    text = record.values.get("row")
    if isinstance(text, str):
        return RefinementRow.from_mapping(json.loads(text))
    name, _, group = record.id.partition(" ")
    return RefinementRow(id=name, part=record.column, group=group, num_atoms=record.num_atoms, error=record.error)


def _without_seconds(table: Table) -> Table:
    """Without wall times, which alone differ when a run is repeated."""
    kept = [place for place, name in enumerate(table.header) if name not in ("median s", "s", "median CPU s", "CPU s")]
    rows = tuple(tuple(row[place] for place in kept) for row in table.rows)
    return Table(title=table.title, header=tuple(table.header[place] for place in kept), rows=rows)


def _numbers(records: Sequence[Record], name: str) -> list[float]:
    return [float(value) for record in records if isinstance(value := record.values.get(name), int | float)]


@lru_cache(maxsize=1)
def _refiner_of(spec: str) -> RefinerOf:
    """Built once in a worker.

    Raises:
        BrokenPluginError: there is no such refiner or it cannot be built.
    """
    from pxrdgen.plugins.registry import default_registry

    wanted = RefiningSpec.model_validate_json(spec).refiner
    registry = default_registry()
    # only what was said: the measured part sets some options itself
    usual = registry.options(ComponentKind.REFINER, wanted.plugin).model_dump(mode="json")
    said = {name: value for name, value in wanted.options.items() if usual.get(name) != value}
    return refiner_for(wanted.plugin, said)
