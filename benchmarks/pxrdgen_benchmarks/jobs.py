"""One case under one spec: a job goes out to a worker, a record comes back and is written, whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from pxrdgen.errors import BrokenPluginError
from pxrdgen.interfaces.task import Case, Task, Value
from pxrdgen_benchmarks.parallel import Workers, unordered
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.results_file import ResultsFile
from pxrdgen_benchmarks.task import load_task
from pxrdgen_crystallography.time_limit import time_limit

#: what a record says when there is none because the process ended.
DIED = "WorkerError: the worker process died twice on this case"
#: told of progress: records so far, how many there will be.
Watch = Callable[[Sequence[Record], int], None]
_LONGEST_ERROR = 500


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker is sent.

    Args:
        task: its name.
        variant: label of the spec.
        spec: resolved, as JSON text.
        case: what is measured.
    """

    task: str
    variant: str
    spec: str
    case: Case

    @property
    def key(self) -> tuple[str, str, str]:
        """Of the record it leads to."""
        return (self.variant, self.case.id, self.case.column)

    def record(self, **values: Any) -> Record:
        """A record of this job."""
        case = self.case
        return Record(
            variant=self.variant,
            id=case.id,
            column=case.column,
            bucket=case.bucket,
            num_atoms=case.num_atoms,
            **values,
        )


def do_job(job: Job) -> Record:
    """The record of a job; every failure is one too.

    Raises:
        KeyboardInterrupt: the user wants to stop, which says nothing about the case.
    """
    task, spec = _task_and_spec(job.task, job.spec)
    started = time.perf_counter()
    try:
        with time_limit(task.patience(spec)):
            values = _values(task.measure(job.case, spec), job.task)
    except Exception as error:  # every failure is a record that counts as a miss
        return job.record(seconds=_since(started), error=f"{type(error).__name__}: {error}"[:_LONGEST_ERROR])
    return job.record(seconds=_since(started), values=values)


def run_jobs(jobs: Sequence[Job], results: ResultsFile, workers: Workers, watch: Watch | None = None) -> list[Record]:
    """Do what the results file lacks, each record written as soon as it is there; all records of these jobs.

    Args:
        watch: told of progress, at the start and after every record.

    Raises:
        OptionError: the results file belongs to another run.
    """
    wanted = {job.key for job in jobs}
    records = [record for record in results.open() if record.key in wanted]
    done = {record.key for record in records}
    tell = watch or (lambda *_: None)
    tell(records, len(jobs))
    for finished in unordered(do_job, [job for job in jobs if job.key not in done], workers):
        record = finished.item.record(error=DIED) if finished.result is None else finished.result
        results.append(record)
        records.append(record)
        tell(records, len(jobs))
    return records


@lru_cache(maxsize=1)
def _task_and_spec(task: str, spec: str) -> tuple[Task, BaseModel]:
    loaded = load_task(task)
    return loaded, loaded.spec_model.model_validate_json(spec)


def _values(row: Any, task: str) -> dict[str, Value]:
    """The fields of a row, looked over: a stranger's task may return anything.

    Raises:
        BrokenPluginError: it is no dataclass, or a field holds something that no column of a table can.
    """
    if not is_dataclass(row):
        raise BrokenPluginError(f"task {task!r} returned a {type(row).__name__}; expected a frozen dataclass")
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    for name, value in values.items():
        if value is not None and not isinstance(value, float | int | str | tuple):
            kind = type(value).__name__
            raise BrokenPluginError(f"task {task!r} returned {name!r} as a {kind}; expected a number, a flag or text")
    return values


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)
