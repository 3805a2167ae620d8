"""Cells from a pattern: how far off the chosen one is against how many were proposed, and what is solved in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from pxrdgen.errors import PxrdgenError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.specs.pipeline import ComponentSpec
from pxrdgen.values.cell import UnitCell
from pxrdgen_benchmarks.cases import Column, SimulatedCase, simulated_cases
from pxrdgen_benchmarks.cell_choice import NUMBERS, TRUTH, ChoiceRow, choose
from pxrdgen_benchmarks.cell_mape import FAILED, mape_table
from pxrdgen_benchmarks.cell_rank import Contents, exact_cell
from pxrdgen_benchmarks.crystal_data import CrystalData
from pxrdgen_benchmarks.jobs import FailedCaseError
from pxrdgen_benchmarks.metrics import PUBLISHED, match_rms, mean
from pxrdgen_benchmarks.posed import posed_of, proposed
from pxrdgen_benchmarks.record import Record, Value
from pxrdgen_benchmarks.subsets import Entry, load_subset
from pxrdgen_benchmarks.suite_tables import flag, groups, rate_table
from pxrdgen_benchmarks.tables import Table
from pxrdgen_benchmarks.task import Draw, ReportingTask, SuiteResult
from pxrdgen_solver.question.question import Question

if TYPE_CHECKING:
    from pxrdgen.interfaces.cell_predictor import CellPredictor
    from pxrdgen.interfaces.cell_scorer import CellScorer
    from pxrdgen.interfaces.structure_generator import StructureGenerator

#: how tables call the one that compares with the true cell, which no user can.
ORACLE = "oracle"


class CellsSpec(BaseModel):
    """Who proposes, who judges, who solves in the cell chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell_predictor: ComponentSpec = Field(default=ComponentSpec(plugin="cellnet"), description="proposes cells")
    scorers: Annotated[tuple[ComponentSpec, ...], ComponentKind.CELL_SCORER] = Field(
        default=(ComponentSpec(plugin="fastdtw"),), description="each chooses one of the first N; so does an oracle"
    )
    generator: ComponentSpec | None = Field(default=None, description="one sample in the cell chosen; none: not tried")
    contents: Contents = Field(default=Contents.Z, description="what is told beside the pattern")
    seed: int = Field(default=0, ge=0, lt=2**63, description="of all randomness")


class CellsData(CrystalData):
    """Crystals, and their patterns."""

    columns: tuple[Column, ...] = Field(default=(Column.CLEAN,), description="clean, perturbed")


@dataclass(frozen=True, kw_only=True)
class _Parts:
    predictor: CellPredictor
    scorers: Mapping[str, CellScorer]
    generator: StructureGenerator | None


class Cells(ReportingTask):
    """Errors of the cell chosen from N, by oracle and by scorer."""

    spec_model: ClassVar[type[BaseModel]] = CellsSpec
    data_model: ClassVar[type[BaseModel]] = CellsData
    headline: ClassVar[str] = f"{ORACLE}_exact_{NUMBERS[-1]}"
    card_values: ClassVar[tuple[str, ...]] = tuple(
        f"{name}_{what}_{n}" for name in (ORACLE, "fastdtw") for what in ("mape", "exact", "match") for n in NUMBERS
    )

    def cases(self, data: Any) -> Sequence[SimulatedCase]:
        """Each crystal in each column."""
        every = data.every()
        return simulated_cases(data.chosen(every), data.columns, every)

    def measure(self, case: Any, spec: Any) -> Mapping[str, Value]:
        """Error, exactness and match by chooser and number."""
        parts = _parts(spec.model_dump_json())
        entry = Entry(index=case.index, crystal=case.truth, space_group=case.space_group, bucket=case.bucket)
        row = choose(entry, Column(case.column), parts.predictor, parts.scorers, contents=spec.contents, seed=spec.seed)
        if row.error:
            raise FailedCaseError(row.error)
        found: dict[str, Value] = {"proposals": row.proposals, "row": json.dumps({**asdict(row), "seconds": {}})}
        for chooser, by_number in row.chosen.items():
            name = ORACLE if chooser == TRUTH else chooser
            for number in NUMBERS:
                numbers = by_number.get(str(number))
                found[f"{name}_mape_{number}"] = 100 * lengths_error(numbers, row.cell)
                found[f"{name}_exact_{number}"] = numbers is not None and exact_cell(
                    UnitCell(*numbers), UnitCell(*row.cell)
                )
                if parts.generator is not None:
                    found[f"{name}_match_{number}"] = numbers is not None and _solved(case, numbers, parts, spec)
        if parts.generator is not None:
            found["given_match"] = _solved(case, case.truth.cell.parameters, parts, spec)
        return found

    def weights(self, data: Any) -> Mapping[str, float]:
        """Of the subset."""
        weights: Mapping[str, float] = data.weights()
        return weights

    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """Errors against N beside the released logs, exact hits, matches."""
        choosers = _choosers(result)
        tables = {}
        for number, (variant, _, records) in enumerate(groups(result)):
            rows = [_row(record) for record in records]
            tables[f"mape_{number}"] = mape_table(
                rows, _weights(result, records), title=f"Error of the cell: {variant}"
            )
        exact = {f"{name}, of {n}": flag(f"{name}_exact_{n}") for name in choosers for n in NUMBERS}
        tables["exact"] = rate_table(result, exact, title="Exact (1 %, 1 degree, same volume)")
        if any("given_match" in record.values for variant in result.variants for record in variant.records):
            match = {f"{name}, of {n}": flag(f"{name}_match_{n}") for name in choosers for n in NUMBERS}
            match["true cell given"] = flag("given_match")
            tables["match"] = rate_table(result, match, title="One sample in the cell chosen, published matcher")
        return tables

    def figures(self, result: SuiteResult) -> Mapping[str, Draw]:
        """Error, exact hits and match against N (figure 4 d)."""
        from pxrdgen_benchmarks.figures import draw_lines

        found: dict[str, Draw] = {}
        for what, label in (("mape", "mean error of a, b, c, %"), ("exact", "exact, %"), ("match", "matched, %")):
            lines = {}
            for variant, column, records in groups(result):
                for chooser in _choosers(result):
                    points = [(float(n), _mean(records, f"{chooser}_{what}_{n}", what)) for n in NUMBERS]
                    if all(value == value for _, value in points):
                        lines[f"{variant} {column}, {chooser}"] = points
            if lines:
                found[what] = partial(draw_lines, lines, "cells proposed", label, log=True)
        return found


def lengths_error(found: Sequence[float] | None, truth: Sequence[float]) -> float:
    """Mean relative error of a, b and c of Niggli cells; 1 without a cell."""
    if found is None:
        return FAILED
    return sum(abs(a / b - 1.0) for a, b in zip(found[:3], truth[:3], strict=True)) / 3.0


def _solved(case: SimulatedCase, cell: Sequence[float], parts: _Parts, spec: CellsSpec) -> bool:
    """Whether the first sample in this cell matches; a cell that cannot hold the formula holds no match."""
    import torch

    if parts.generator is None or spec.generator is None:
        return False
    question = case.question()
    asked = Question(pattern=question.pattern, cell=UnitCell(*cell), composition=question.composition, z=question.z)
    try:
        posed = posed_of(asked)
        rng = torch.Generator().manual_seed(spec.seed)
        batch = proposed(posed, spec.generator.plugin, parts.generator, 1, rng)
    except PxrdgenError:
        return False
    return match_rms(posed.crystals(batch)[0], case.truth, PUBLISHED) is not None


def _choosers(result: SuiteResult) -> list[str]:
    """The oracle, then the scorers."""
    names = [
        name.removesuffix(f"_mape_{NUMBERS[0]}")
        for variant in result.variants
        for record in variant.records
        for name in record.values
        if name.endswith(f"_mape_{NUMBERS[0]}")
    ]
    return list(dict.fromkeys(names))


def _row(record: Record) -> ChoiceRow:
    text = record.values.get("row")
    if isinstance(text, str):
        return ChoiceRow(**json.loads(text))
    return ChoiceRow(id=record.id, bucket=record.bucket, column=record.column, cell=(1.0,) * 6, error=record.error)


def _weights(result: SuiteResult, records: Sequence[Record]) -> dict[str, float]:
    """Of the buckets that are there."""
    weights = result.weights or load_subset("val-120").weights
    return {label: weight for label, weight in weights.items() if any(r.bucket == label for r in records)}


def _mean(records: Sequence[Record], name: str, what: str) -> float:
    if what == "mape":
        return mean([value for record in records if (value := record.number(name)) == value])
    if not any(name in record.values for record in records):
        return float("nan")
    return 100 * mean([float(record.flag(name)) for record in records])


@lru_cache(maxsize=1)
def _parts(spec: str) -> _Parts:
    """Built once in a worker: weights are read from disk once, not for every crystal."""
    from pxrdgen.plugins.registry import default_registry

    wanted, registry = CellsSpec.model_validate_json(spec), default_registry()
    generator = wanted.generator
    return _Parts(
        predictor=registry.build(ComponentKind.CELL_PREDICTOR, wanted.cell_predictor),
        scorers={part.plugin: registry.build(ComponentKind.CELL_SCORER, part) for part in wanted.scorers},
        generator=None if generator is None else registry.build(ComponentKind.GENERATOR, generator),
    )
