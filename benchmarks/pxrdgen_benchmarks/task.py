"""How a task shows what came out of a suite: tables, figures and numbers from records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.task import Task
from pxrdgen.plugins.registry import default_registry
from pxrdgen_benchmarks.cards import Number
from pxrdgen_benchmarks.numbers import numbers_of
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.suite_result import SuiteResult
from pxrdgen_benchmarks.suite_tables import flag, mean_metrics, number_table, rate_table
from pxrdgen_benchmarks.tables import Table

#: draws one figure into a file.
Draw = Callable[[Path], None]


class Reporting(ABC):
    """How a task's records are shown."""

    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """By file name; by default ``rates`` of all flags and ``numbers``, the means of all numbers."""
        records = [record for variant in result.variants for record in variant.records]
        kinds = {name: type(value) for r in records for name, value in r.values.items() if value is not None}
        flags = [name for name, kind in kinds.items() if kind is bool]
        numbers = {name: name for name, kind in kinds.items() if kind in (int, float)}
        title = result.suite.title or result.suite.name
        return {
            **({"rates": rate_table(result, {name: flag(name) for name in flags}, title=title)} if flags else {}),
            **({"numbers": number_table(result, numbers, title=title, by_bucket=True)} if numbers else {}),
        }

    @abstractmethod
    def shown(self) -> tuple[str, ...]:
        """Names of the values on a card."""

    def numbers(self, records: Sequence[Record], weights: Mapping[str, float]) -> list[Number]:
        """Of one variant, for its card."""
        return numbers_of(records, self.shown(), weights)

    def figures(self, result: SuiteResult) -> Mapping[str, Draw]:
        """By file name; none by default."""
        del result
        return {}

    def metrics(self, records: Sequence[Record]) -> Mapping[str, float]:
        """Of one variant, for tracking: means of all values by column and bucket."""
        return mean_metrics(records)


class ReportingTask(Task, Reporting):
    """A task that shows its records in its own way."""

    def shown(self) -> tuple[str, ...]:
        """Its ``card_values``."""
        return self.card_values or (self.headline,)


@final
@dataclass(frozen=True)
class PlainReporting(Reporting):
    """For a task that says nothing about how it is shown."""

    task: Task

    def shown(self) -> tuple[str, ...]:
        """The task's ``card_values``."""
        return self.task.card_values or (self.task.headline,)


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
