"""One case of a benchmark: a crystal that is known, and the question put to the solver about it.

The solver sees a :class:`Question` only. Everything random about it follows from the crystal's place in its subset.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.homologues import one_replaced
from pxrdgen_benchmarks.perturbed import clean_task, perturbed_task
from pxrdgen_benchmarks.subsets import Entry
from pxrdgen_solver.question.question import Question

#: relative error of the lengths in the column ``cell_off_3``.
CELL_ERROR = 0.03


class Column(StrEnum):
    """What is done to the problem."""

    CLEAN = "clean"
    PERTURBED = "perturbed"
    MISMATCHED = "mismatched"
    ELEMENT_REPLACED = "element_replaced"
    CELL_OFF_3 = "cell_off_3"
    RANDOM = "random"


class Told(StrEnum):
    """What the solver is told beside the pattern."""

    GROUP = "group"
    CELL = "cell"
    Z = "z"
    FORMULA = "formula"

    @property
    def said(self) -> str:
        """In words."""
        known = {Told.GROUP: "formula, Z, cell and space group", Told.CELL: "formula, Z and cell"}
        return (known | {Told.Z: "formula and Z, no cell", Told.FORMULA: "the formula alone"})[self]

    def of(self, question: Question) -> Question:
        """The question without what is not told."""
        if self in (Told.GROUP, Told.CELL):
            return question
        return replace(question, cell=None, z=question.z if self is Told.Z else None)


#: Columns whose question has no right answer (the cell may still be mended): a confident verdict is a false alarm.
CONTROLS = (Column.MISMATCHED, Column.ELEMENT_REPLACED, Column.CELL_OFF_3)


@dataclass(frozen=True, kw_only=True)
class Case(ABC):
    """A question with its answer, for scoring.

    Args:
        id: of the crystal.
        column: of the table this case belongs to.
        bucket: label of the size bucket.
        truth: the crystal.
        space_group: its number, 0 where unknown.
        told: what the solver is told of the question.
    """

    id: str
    column: str
    bucket: str
    truth: Crystal
    space_group: int
    told: Told = Told.CELL

    @property
    def key(self) -> tuple[str, str]:
        """Names the case within a run."""
        return (self.id, self.column)

    @property
    def num_atoms(self) -> int:
        """In the primitive cell."""
        return len(self.truth)

    @abstractmethod
    def question(self) -> Question:
        """All a user might know; simulated or read on call."""


@dataclass(frozen=True, kw_only=True)
class SimulatedCase(Case):
    """A question made from the crystal by a recipe.

    Args:
        index: seeds the recipe.
        stranger: the crystal whose pattern is shown in the column ``mismatched``.
        recipe: what is done to the problem, where the column says something else.
    """

    index: int
    stranger: Crystal
    recipe: Column | None = None

    def question(self) -> Question:
        """The column's recipe applied to the crystal.

        Raises:
            ValueError: no element of the crystal has a homologue to be replaced by.
        """
        composition, z = Composition.from_species(self.truth.species).reduced()
        rng = np.random.default_rng([self.index, 3])
        column = self.recipe or Column(self.column)
        task = clean_task(self.truth) if column is Column.CLEAN else perturbed_task(self.truth, self.index)
        question = Question(pattern=task.pattern, cell=task.cell, composition=composition, z=z)
        if column is Column.MISMATCHED:
            return replace(question, pattern=perturbed_task(self.stranger, self.index).pattern)
        if column is Column.ELEMENT_REPLACED:
            wrong = one_replaced(composition, rng)
            if wrong is None:
                raise ValueError(f"no element of {composition.formula} has a homologue to be replaced by")
            return replace(question, composition=wrong)
        if column is Column.CELL_OFF_3:
            scale = 1.0 + CELL_ERROR * float(rng.choice([-1.0, 1.0]))
            return replace(question, cell=UnitCell.from_basis(task.cell.basis * scale))
        return question


def simulated_cases(
    entries: Sequence[Entry],
    columns: Iterable[Column],
    every: Sequence[Entry] | None = None,
    *,
    told: Told = Told.CELL,
) -> list[SimulatedCase]:
    """Each entry in each column, columns in turn.

    Args:
        every: the whole subset, where strangers are looked for; default ``entries``. A stranger thus stays the same
            when fewer crystals are evaluated.
        told: to the solver.
    """
    columns = tuple(columns)
    return [
        SimulatedCase(
            id=entry.crystal.name,
            column=column.value,
            bucket=entry.bucket,
            truth=entry.crystal,
            space_group=entry.space_group,
            index=entry.index,
            stranger=stranger_of(entry, every or entries),
            told=told,
        )
        for entry in entries
        for column in columns
    ]


def stranger_of(entry: Entry, every: Sequence[Entry]) -> Crystal:
    """The next crystal of the same bucket made of other elements (itself, if there is no other)."""
    bucket = sorted((other for other in every if other.bucket == entry.bucket), key=lambda other: other.index)
    after = [other for other in bucket if other.index > entry.index]
    before = [other for other in bucket if other.index < entry.index]
    own = set(entry.crystal.species.tolist())
    for other in (*after, *before):
        if set(other.crystal.species.tolist()) != own:
            return other.crystal
    return entry.crystal
