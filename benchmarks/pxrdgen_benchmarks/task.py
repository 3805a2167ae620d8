"""What came out of a suite, and how a task shows it: tables and figures from records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.task import Task
from pxrdgen.plugins.registry import default_registry
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.suite import Suite
from pxrdgen_benchmarks.tables import Table

if TYPE_CHECKING:
    from pxrdgen_benchmarks.cards import Number

#: draws one figure into a file.
Draw = Callable[[Path], None]


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
        selection: how the cases were chosen, in a sentence.
        spec_sha256, data_sha256: of the suite's specs and of its cases.
    """

    suite: Suite
    variants: tuple[VariantResult, ...]
    columns: tuple[str, ...]
    weights: Mapping[str, float]
    selection: str
    spec_sha256: str
    data_sha256: str

    @property
    def measured(self) -> tuple[VariantResult, ...]:
        """The variants that have records."""
        return tuple(variant for variant in self.variants if variant.records)


class Reporting(ABC):
    """How a task's records are shown."""

    @abstractmethod
    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """By file name."""

    @abstractmethod
    def numbers(self, records: Sequence[Record], weights: Mapping[str, float]) -> list[Number]:
        """Of one variant, for its card."""

    def figures(self, result: SuiteResult) -> Mapping[str, Draw]:
        """By file name; none by default."""
        del result
        return {}

    def metrics(self, records: Sequence[Record]) -> Mapping[str, float]:
        """Of one variant, for tracking: means of all values by column and bucket."""
        from pxrdgen_benchmarks.suite_tables import mean_metrics

        return mean_metrics(records)


class ReportingTask(Task, Reporting):
    """A task that shows its records in its own way."""

    def numbers(self, records: Sequence[Record], weights: Mapping[str, float]) -> list[Number]:
        """Its ``card_values``."""
        from pxrdgen_benchmarks.card_of_run import numbers_of

        return numbers_of(records, self.card_values or (self.headline,), weights)


@final
@dataclass(frozen=True)
class PlainReporting(Reporting):
    """Rates of all flags and means of all numbers, for a task that says nothing about how it is shown."""

    task: Task

    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """``rates`` and ``numbers``."""
        from pxrdgen_benchmarks.suite_tables import flag, number_table, rate_table

        records = [record for variant in result.variants for record in variant.records]
        kinds = {name: type(value) for r in records for name, value in r.values.items() if value is not None}
        flags = [name for name, kind in kinds.items() if kind is bool]
        numbers = [name for name, kind in kinds.items() if kind in (int, float)]
        title = result.suite.title
        return {
            **({"rates": rate_table(result, {name: flag(name) for name in flags}, title=title)} if flags else {}),
            **({"numbers": number_table(result, {name: name for name in numbers}, title=title)} if numbers else {}),
        }

    def numbers(self, records: Sequence[Record], weights: Mapping[str, float]) -> list[Number]:
        """The task's ``card_values``."""
        from pxrdgen_benchmarks.card_of_run import numbers_of

        return numbers_of(records, self.task.card_values or (self.task.headline,), weights)


def reporting(task: Task) -> Reporting:
    """How the records of a task are shown."""
    return task if isinstance(task, Reporting) else PlainReporting(task)


def load_task(name: str) -> Task:
    """The task of that name, ``name`` or ``distribution:name``.

    Raises:
        UnknownComponentError: there is none.
    """
    task: Task = default_registry().build(ComponentKind.TASK, name)
    return task
