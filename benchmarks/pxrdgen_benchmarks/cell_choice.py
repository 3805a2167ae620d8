"""One pattern, many proposed cells: which one each scorer would take of the first N. The truth only judges."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pxrdgen.interfaces.cell_predictor import CellPredictor
from pxrdgen.interfaces.cell_scorer import CellScorer
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellHypothesis, CellProblem
from pxrdgen.values.composition import Composition
from pxrdgen_benchmarks.cases import Column
from pxrdgen_benchmarks.perturbed import clean_task, perturbed_task
from pxrdgen_benchmarks.subsets import Entry
from pxrdgen_crystallography.preparation import prepare

FloatArray = NDArray[np.float64]

#: proposals that are chosen among.
NUMBERS = (1, 20, 100, 1000)
TRUTH = "truth"


@dataclass(frozen=True, kw_only=True)
class ChoiceRow:
    """What was chosen for one pattern; a failure is a row too.

    Args:
        id, bucket, column: the crystal, its size, and which pattern of it.
        cell: the true Niggli cell, a b c (A) alpha beta gamma (degrees).
        chosen: by chooser and number of proposals, the cell taken.
        proposals: how many there were.
        seconds: CPU time by step.
        error: type and message of what was raised, else empty.
    """

    id: str
    bucket: str
    column: str
    cell: tuple[float, ...]
    chosen: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)
    proposals: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    error: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Names the case within a run."""
        return (self.id, self.column)

    def to_json(self) -> str:
        """One line of text."""
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> ChoiceRow:
        """What :meth:`to_json` wrote."""
        return cls(**values)


def choose(
    entry: Entry,
    column: Column,
    predictor: CellPredictor,
    scorers: Mapping[str, CellScorer],
    *,
    contents: str = "z",
    seed: int = 0,
) -> ChoiceRow:
    """Propose cells for one crystal's pattern and let everybody choose.

    Args:
        contents: what is told of the crystal: ``"z"`` formula and Z, ``"formula"``, or ``"nothing"``.
        seed: of the proposals.
    """
    truth = entry.crystal.cell.niggli()[0]
    row = ChoiceRow(id=entry.crystal.name, bucket=entry.bucket, column=str(column), cell=truth.parameters)
    try:
        problem = cell_problem(entry, column, contents)
        seconds, start = {}, time.process_time()
        rng = np.random.default_rng([seed, entry.index])
        proposed = [*predictor.predict(problem, NUMBERS[-1], rng)]
        seconds["propose"] = round(time.process_time() - start, 3)
        scores = {TRUTH: -deviation(proposed, truth).sum(axis=1)}
        for name, scorer in scorers.items():
            start = time.process_time()
            scores[name] = scorer.score(problem, proposed)
            seconds[name] = round(time.process_time() - start, 3)
        return ChoiceRow(
            id=row.id,
            bucket=row.bucket,
            column=row.column,
            cell=row.cell,
            chosen={name: _best(proposed, values) for name, values in scores.items()},
            proposals=len(proposed),
            seconds=seconds,
        )
    except Exception as error:  # every failure is a row
        return ChoiceRow(**{**vars(row), "error": f"{type(error).__name__}: {error}"[:300]})


def cell_problem(entry: Entry, column: Column, contents: str) -> CellProblem:
    """What is known of a crystal whose cell is not: its pattern, and formula and Z as far as they are told."""
    task = perturbed_task(entry.crystal, entry.index) if column is Column.PERTURBED else clean_task(entry.crystal)
    reduced, z = Composition.from_species(entry.crystal.species).reduced()
    return CellProblem(
        prepared=prepare(task.pattern),
        composition=None if contents == "nothing" else reduced,
        z=z if contents == "z" else None,
    )


def deviation(proposed: Sequence[CellHypothesis], truth: UnitCell) -> FloatArray:
    """[M, 6] relative error of every parameter of Niggli cells."""
    cells = np.array([hypothesis.cell.parameters for hypothesis in proposed]).reshape(-1, 6)
    return np.asarray(np.abs(cells / np.array(truth.parameters) - 1.0))


def _best(proposed: Sequence[CellHypothesis], scores: FloatArray) -> dict[str, tuple[float, ...]]:
    """Of the first N proposals the one with the highest score, for every N."""
    if not proposed:
        return {}
    return {str(number): proposed[int(np.argmax(scores[:number]))].cell.parameters for number in NUMBERS}
