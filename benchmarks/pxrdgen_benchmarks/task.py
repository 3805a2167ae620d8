"""What a suite measures: cases from data, values from a case under a spec, tables and figures from records."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel

from pxrdgen.errors import OptionError, nearest
from pxrdgen_benchmarks.record import Record, Value
from pxrdgen_benchmarks.suite import Suite
from pxrdgen_benchmarks.tables import Table

if TYPE_CHECKING:
    from pxrdgen_benchmarks.cards import Number

#: draws one figure into a file.
Draw = Callable[[Path], None]


class Subject(Protocol):
    """What is measured once under each spec."""

    @property
    def id(self) -> str:
        """Name, unique within a column."""

    @property
    def column(self) -> str:
        """What was done to it."""

    @property
    def bucket(self) -> str:
        """Label of its size."""

    @property
    def num_atoms(self) -> int:
        """Atoms in the primitive cell; 0 for what is no crystal."""


@dataclass(frozen=True, kw_only=True)
class VariantResult:
    """One spec of a suite, measured.

    Args:
        label: what tables call it.
        spec: resolved, plain JSON; as written when it could not be resolved.
        error: why nothing was measured, else empty.
        records: of all cases.
        versions: of the components it uses.
    """

    label: str
    spec: Mapping[str, Any]
    error: str
    records: tuple[Record, ...]
    versions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class SuiteResult:
    """All of a suite.

    Args:
        suite: at its size.
        variants: in the order of the suite.
        columns: of the cases, in their order.
        weights: of the size buckets in the whole split; empty without them.
        spec_sha256, data_sha256: of the suite's specs and of its cases.
    """

    suite: Suite
    variants: tuple[VariantResult, ...]
    columns: tuple[str, ...]
    weights: Mapping[str, float]
    spec_sha256: str
    data_sha256: str

    @property
    def measured(self) -> tuple[VariantResult, ...]:
        """The variants that have records."""
        return tuple(variant for variant in self.variants if variant.records)


class Task(ABC):
    """One kind of measurement."""

    #: one line for lists.
    summary: ClassVar[str]
    #: what a spec of this task looks like; fields that hold components are named after their kind or annotated.
    spec_model: ClassVar[type[BaseModel]]
    #: options of the data.
    data_model: ClassVar[type[BaseModel]]
    #: name of the value that decides, and that ``bench compare`` compares by default; true is better, or more is.
    headline: ClassVar[str]
    #: names of the values on a card; the headline alone by default.
    card_values: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def cases(self, data: Any) -> Sequence[Subject]:
        """What is measured, cheap and fit to be sent to a worker."""

    @abstractmethod
    def measure(self, case: Any, spec: Any) -> Mapping[str, Value]:
        """The values of a case; an exception becomes the record's error."""

    @abstractmethod
    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """By file name."""

    def figures(self, result: SuiteResult) -> Mapping[str, Draw]:
        """By file name; none by default."""
        del result
        return {}

    def metrics(self, records: Sequence[Record]) -> Mapping[str, float]:
        """Of one variant, for tracking: means of all values by column and bucket."""
        from pxrdgen_benchmarks.suite_tables import mean_metrics

        return mean_metrics(records)

    def numbers(self, records: Sequence[Record], weights: Mapping[str, float]) -> list[Number]:
        """Of one variant, for its card."""
        from pxrdgen_benchmarks.suite_cards import numbers_of

        return numbers_of(records, self.card_values or (self.headline,), weights)

    def patience(self, spec: Any) -> float:
        """Seconds after which a case is given up."""
        del spec
        return 600.0

    def weights(self, data: Any) -> Mapping[str, float]:
        """Of the size buckets in the whole split."""
        del data
        return {}


#: the tasks, and where they are.
TASKS = {
    "solve": "pxrdgen_benchmarks.tasks.solving:Solving",
    "measured": "pxrdgen_benchmarks.tasks.measuring:Measuring",
    "challenging": "pxrdgen_benchmarks.tasks.challenging:Challenging",
    "robustness": "pxrdgen_benchmarks.tasks.robustness:Robustness",
    "sampling": "pxrdgen_benchmarks.tasks.sampling:Sampling",
    "ranking": "pxrdgen_benchmarks.tasks.ranking:Ranking",
    "refinement": "pxrdgen_benchmarks.tasks.refining:Refining",
    "cells": "pxrdgen_benchmarks.tasks.cells:Cells",
    "retrieval": "pxrdgen_benchmarks.tasks.retrieving:Retrieving",
    "speed": "pxrdgen_benchmarks.tasks.timing:Timing",
}


def load_task(name: str) -> Task:
    """The task of that name.

    Raises:
        OptionError: there is none.
    """
    if name not in TASKS:
        raise OptionError(f"got the task {name!r}, expected one of {', '.join(TASKS)}{nearest(name, TASKS)}")
    module, _, attribute = TASKS[name].partition(":")
    task: Task = getattr(importlib.import_module(module), attribute)()
    return task
