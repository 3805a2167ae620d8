"""Cells from a pattern: how far off the chosen one is against how many were proposed, and what is solved in it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from pxrdgen.errors import CellError, PxrdgenError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.specs.component import ComponentSpec
from pxrdgen.values.cell import UnitCell
from pxrdgen_benchmarks.cases import Column, SimulatedCase
from pxrdgen_benchmarks.cell_agreement import exact_cell, nearest_setting
from pxrdgen_benchmarks.crystal_data import CrystalData, CrystalTask
from pxrdgen_benchmarks.metrics import PUBLISHED, match_rms, mean
from pxrdgen_benchmarks.options import Options
from pxrdgen_benchmarks.posed import ask
from pxrdgen_benchmarks.subject import Subject
from pxrdgen_benchmarks.suite_result import SuiteResult
from pxrdgen_benchmarks.suite_tables import finite, groups
from pxrdgen_benchmarks.task import Draw
from pxrdgen_benchmarks.tasks.indexing import Contents
from pxrdgen_solver.question.question import Question

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pxrdgen.interfaces.cell_predictor import CellPredictor
    from pxrdgen.interfaces.cell_scorer import CellScorer
    from pxrdgen.interfaces.structure_generator import StructureGenerator
    from pxrdgen.values.cells import CellHypothesis


class CellsSpec(Options):
    """Who proposes, who chooses, who solves in the cell chosen."""

    cell_predictor: ComponentSpec = Field(default=ComponentSpec(plugin="cellnet"), description="proposes cells")
    cell_scorer: ComponentSpec | None = Field(
        default=None, description="chooses; none: an oracle, which compares with the true cell, as no user can"
    )
    generator: ComponentSpec | None = Field(default=None, description="one sample in the cell chosen; none: not tried")
    contents: Contents = Field(default=Contents.Z, description="what is told beside the pattern")
    seed: int = Field(default=0, ge=0, lt=2**63, description="of all randomness")


class CellsData(CrystalData):
    """Crystals, their patterns, and how many cells are proposed for each."""

    columns: tuple[Column, ...] = Field(default=(Column.CLEAN,), description="clean, perturbed")
    numbers: tuple[int, ...] = Field(default=(1, 20, 100, 1000), description="cells proposed")


@dataclass(frozen=True, kw_only=True)
class CellRow:
    """Errors of the cell chosen, in the axes nearest to the true ones; without a cell 100 % and 90 degrees.

    Args:
        a, b, c, volume: relative, per cent.
        edges: mean of the first three.
        angles: mean, degrees.
        exact: the same lattice within 1 % and 1 degree.
        match: the first sample in this cell matches (published matcher); ``None`` without a generator.
        proposals: cells there were.
        propose_s, choose_s: CPU seconds.
    """

    a: float = 100.0
    b: float = 100.0
    c: float = 100.0
    edges: float = 100.0
    volume: float = 100.0
    angles: float = 90.0
    exact: bool = False
    match: bool | None = None
    proposals: int = 0
    propose_s: float = 0.0
    choose_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class _Parts:
    predictor: CellPredictor
    scorer: CellScorer | None
    generator: StructureGenerator | None


class Cells(CrystalTask):
    """Errors of the cell chosen from N, by an oracle or a scorer."""

    spec_model: ClassVar[type[BaseModel]] = CellsSpec
    data_model: ClassVar[type[BaseModel]] = CellsData
    headline: ClassVar[str] = "exact"
    card_values: ClassVar[tuple[str, ...]] = ("edges", "exact", "match")

    def cases(self, data: Any) -> Sequence[Subject[tuple[SimulatedCase, int]]]:
        """Each crystal in each column with each number."""
        return [
            Subject(
                what=(case, number),
                id=case.id,
                column=f"{case.column}, of {number}",
                bucket=case.bucket,
                num_atoms=case.num_atoms,
                truth=case.truth,
            )
            for case in data.simulated(data.columns)
            for number in data.numbers
        ]

    def measure(self, case: Any, spec: Any) -> CellRow:
        """Propose, choose, compare; and one sample in the cell chosen."""
        parts, (crystal, number) = _parts(spec.model_dump_json()), case.what
        question, truth = crystal.question(), case.truth.cell.niggli()[0]
        problem, rng = spec.contents.problem(question), np.random.default_rng([spec.seed, crystal.index])
        started = time.process_time()
        try:
            cells = [*parts.predictor.predict(problem, number, rng)]
        except CellError:
            cells = []
        between = time.process_time()
        if not cells:
            return CellRow(propose_s=round(between - started, 3))
        scores = -deviation(cells, truth).sum(axis=1) if parts.scorer is None else parts.scorer.score(problem, cells)
        chosen = cells[int(np.argmax(scores))].cell
        return replace(
            errors_of(chosen, truth),
            choose_s=round(time.process_time() - between, 3),
            propose_s=round(between - started, 3),
            proposals=len(cells),
            match=None if parts.generator is None else _solved(crystal, question, chosen, parts.generator, spec),
        )

    def figures(self, result: SuiteResult) -> Mapping[str, Draw]:
        """Error, exact hits and match against N (figure 4 d)."""
        from pxrdgen_benchmarks.figures import draw_lines

        found: dict[str, Draw] = {}
        for what, label in (("edges", "mean error of a, b, c, %"), ("exact", "exact, %"), ("match", "matched, %")):
            lines: dict[str, list[tuple[float, float]]] = {}
            for variant, column, records in groups(result):
                pattern, _, number = column.rpartition(", of ")
                if values := finite(records, what):
                    height = mean(values) if what == "edges" else 100.0 * sum(values) / len(records)
                    lines.setdefault(f"{variant} {pattern}", []).append((float(number), height))
            if lines:
                found[what] = partial(draw_lines, lines, "cells proposed", label, log=True)
        return found


def errors_of(found: UnitCell, truth: UnitCell) -> CellRow:
    """How far a cell is from the true one."""
    nearest = np.array(nearest_setting(found, truth).parameters)
    edges = 100.0 * np.abs(nearest[:3] / np.array(truth.parameters[:3]) - 1.0)
    return CellRow(
        a=float(edges[0]),
        b=float(edges[1]),
        c=float(edges[2]),
        edges=float(edges.mean()),
        volume=100.0 * abs(found.volume / truth.volume - 1.0),
        angles=float(np.abs(nearest[3:] - np.array(truth.parameters[3:])).mean()),
        exact=exact_cell(found, truth),
    )


def deviation(proposals: Sequence[CellHypothesis], truth: UnitCell) -> NDArray[np.float64]:
    """[M, 6] relative error of every parameter of Niggli cells."""
    cells = np.array([hypothesis.cell.parameters for hypothesis in proposals]).reshape(-1, 6)
    return np.asarray(np.abs(cells / np.array(truth.parameters) - 1.0))


def _solved(
    case: SimulatedCase, question: Question, cell: UnitCell, generator: StructureGenerator, spec: CellsSpec
) -> bool:
    """Whether the first sample in this cell matches; a cell that cannot hold the formula holds no match."""
    import torch

    rng = torch.Generator().manual_seed(spec.seed)
    try:
        (found,) = ask(replace(question, cell=cell)).answers("generator", generator, 1, rng)
    except PxrdgenError:
        return False
    return found is not None and match_rms(found, case.truth, PUBLISHED) is not None


@lru_cache(maxsize=1)
def _parts(text: str) -> _Parts:
    """Built once in a worker: weights are read from disk once, not for every crystal."""
    from pxrdgen.plugins.registry import default_registry

    spec, registry = CellsSpec.model_validate_json(text), default_registry()
    return _Parts(
        predictor=registry.build(ComponentKind.CELL_PREDICTOR, spec.cell_predictor),
        scorer=None if spec.cell_scorer is None else registry.build(ComponentKind.CELL_SCORER, spec.cell_scorer),
        generator=None if spec.generator is None else registry.build(ComponentKind.GENERATOR, spec.generator),
    )
