"""How often the exact cell is found from the pattern, and how high it is ranked; by crystal system."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from pxrdgen.interfaces.cell_predictor import CellPredictor
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.task import Task
from pxrdgen.specs.component import ComponentSpec
from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellAnswer, CellProblem
from pxrdgen.values.pattern import PowderPattern
from pxrdgen_benchmarks.cases import Case, Column, simulated_cases
from pxrdgen_benchmarks.cell_agreement import exact_cell, same_lines
from pxrdgen_benchmarks.crystal_data import CrystalData
from pxrdgen_benchmarks.options import Options
from pxrdgen_solver.question.question import Question

SYSTEMS = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic")
_LAST_GROUP = (2, 15, 74, 142, 167, 194, 230)


class Contents(StrEnum):
    """What is told of the crystal beside its pattern."""

    Z = "z"
    FORMULA = "formula"
    NOTHING = "nothing"

    def problem(self, question: Question) -> CellProblem:
        """Find the cell, given the pattern and as much of the rest."""
        from pxrdgen_crystallography.preparation import prepare

        return CellProblem(
            prepared=prepare(question.pattern),
            composition=None if self is Contents.NOTHING else question.composition,
            z=question.z if self is Contents.Z else None,
        )


class IndexingSpec(Options):
    """Who proposes and who judges cells."""

    cell_predictors: Annotated[tuple[ComponentSpec, ...], ComponentKind.CELL_PREDICTOR] = Field(
        default=(ComponentSpec(plugin="indexing"),), description="propose cells"
    )
    cell_scorers: Annotated[tuple[ComponentSpec, ...], ComponentKind.CELL_SCORER] = Field(
        default=(), description="judge them beside the peak positions"
    )
    contents: Contents = Field(default=Contents.NOTHING, description="what is told beside the pattern")
    raw: bool = Field(default=False, description="the predictors' own order, not fitted or weighed: how others rank")


class IndexingData(CrystalData):
    """Patterns."""

    columns: tuple[Column, ...] = Field(default=(Column.CLEAN, Column.PERTURBED), description="clean, perturbed")
    measured: bool = Field(default=False, description="the measured patterns of up to 20 atoms and the examples, too")


@dataclass(frozen=True, kw_only=True)
class CellRankRow:
    """Where the true cell is.

    Args:
        exact_1, exact_5: the exact cell is the first, among the first five.
        alike_1, alike_5: that, or one that has the same lines.
        answered: there is a cell at all.
        probability: of the first cell.
        nothing: probability that none is right.
        found: the first cell, primitive: a b c (A) alpha beta gamma (degrees).
        cpu_s: seconds of preparing and indexing.
    """

    exact_1: bool
    exact_5: bool
    alike_1: bool
    alike_5: bool
    answered: bool
    probability: float
    nothing: float
    found: tuple[float, ...]
    cpu_s: float


class Indexing(Task):
    """Exact cells, first and among five; the bucket of a pattern is its crystal system."""

    spec_model: ClassVar[type[BaseModel]] = IndexingSpec
    data_model: ClassVar[type[BaseModel]] = IndexingData
    headline: ClassVar[str] = "exact_1"
    card_values: ClassVar[tuple[str, ...]] = ("exact_1", "exact_5", "alike_1", "alike_5")

    def cases(self, data: Any) -> Sequence[Case]:
        """Each crystal in each column, then the measured patterns."""
        cases: list[Case] = [*simulated_cases(data.chosen(data.every()), data.columns)] if data.columns else []
        return [replace(case, bucket=system_of(case.space_group)) for case in (*cases, *_measured(data.measured))]

    def selection(self, data: Any) -> str:
        """Of the crystals and patterns."""
        return f"{data.selected()}{', and the measured patterns' if data.measured else ''}"

    def measure(self, case: Any, spec: Any) -> CellRankRow:
        """Index, then compare; a refusal is an error, which counts as a miss."""
        question = case.question()
        started = time.process_time()
        answer = _answer(question, spec)
        return cell_rank_row(answer, case.truth.cell, question.pattern, time.process_time() - started)


def cell_rank_row(answer: CellAnswer, truth: UnitCell, pattern: PowderPattern, cpu_s: float) -> CellRankRow:
    """The row of an answer."""
    cells = [hypothesis.cell for hypothesis in answer.hypotheses]
    wavelength, high = pattern.instrument.radiation.wavelength, min(float(pattern.two_theta[-1]), 90.0)
    exact = [exact_cell(cell, truth) for cell in cells]
    alike = [same or same_lines(cell, truth, wavelength, high) for same, cell in zip(exact, cells, strict=True)]
    return CellRankRow(
        exact_1=any(exact[:1]),
        exact_5=any(exact[:5]),
        alike_1=any(alike[:1]),
        alike_5=any(alike[:5]),
        answered=bool(cells),
        probability=(answer.hypotheses[0].probability or 0.0) if cells else 0.0,
        nothing=answer.nothing,
        found=cells[0].parameters if cells else (),
        cpu_s=round(cpu_s, 2),
    )


def system_of(space_group: int) -> str:
    """The crystal system of a group."""
    return SYSTEMS[int(np.searchsorted(_LAST_GROUP, max(space_group, 1)))]


def _measured(wanted: bool) -> list[Case]:
    from pxrdgen_benchmarks.measured import EXAMPLES, example_case, real_cases
    from pxrdgen_benchmarks.subsets import shared_folder

    if not wanted:
        return []
    shared = shared_folder()
    examples = [example_case(shared / "examples", name) for name in EXAMPLES]
    return [*real_cases(shared / "real", max_atoms=20), *examples]


def _answer(question: Question, spec: IndexingSpec) -> CellAnswer:
    """Of ``pxrdgen.index`` with the predictors of a spec, or of these alone."""
    import pxrdgen

    if spec.raw:
        problem = spec.contents.problem(question)
        found = [each.predict(problem, 10, np.random.default_rng(0)) for each in _predictors(spec.model_dump_json())]
        return CellAnswer(hypotheses=tuple(cell for some in found for cell in some), nothing=0.0)
    formula = None if spec.contents is Contents.NOTHING else question.composition.formula
    z = question.z if spec.contents is Contents.Z else None
    pipeline = PipelineSpec(cell_predictors=spec.cell_predictors, cell_scorers=spec.cell_scorers)
    return pxrdgen.index(question.pattern, formula, z=z, spec=pipeline)


@lru_cache(maxsize=1)
def _predictors(text: str) -> list[CellPredictor]:
    from pxrdgen.plugins.registry import default_registry

    wanted, registry = IndexingSpec.model_validate_json(text).cell_predictors, default_registry()
    return [registry.build(ComponentKind.CELL_PREDICTOR, part) for part in wanted]
