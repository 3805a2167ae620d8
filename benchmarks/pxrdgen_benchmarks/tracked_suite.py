"""A suite in a tracker: the suite is a run, each spec its child."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pxrdgen.interfaces.task import Task
from pxrdgen.interfaces.tracker import TrackedRun, Tracker
from pxrdgen_benchmarks.outcome import Outcome, hardware, versions, write_parquet
from pxrdgen_benchmarks.results_file import code_digest
from pxrdgen_benchmarks.suite import Suite
from pxrdgen_benchmarks.suite_result import SuiteResult, VariantResult
from pxrdgen_benchmarks.suite_run import file_name, sha256_of
from pxrdgen_benchmarks.task import reporting
from pxrdgen_learning.training.tracking import flattened, tracked

#: experiment of all suites.
EXPERIMENT = "pxrdgen-benchmarks"


@dataclass(frozen=True, kw_only=True)
class TrackedSuite:
    """The open run of a suite."""

    run: TrackedRun
    log_variant: Callable[[VariantResult], None]

    def log_outcome(self, result: SuiteResult, outcome: Outcome) -> None:
        """Hashes, tables, figures, report."""
        digests = {"specs_sha256": result.spec_sha256, "data_sha256": result.data_sha256, "code": code_digest()}
        self.run.log_params({"selection": result.selection, **digests})
        for inside, path in outcome.files:
            self.run.log_file(path, inside)


@contextmanager
def tracked_suite(tracker: Tracker, suite: Suite, task: Task, folder: Path, size: str) -> Iterator[TrackedSuite]:
    """The suite's run; a suite of the same content, run again, goes on in the same run."""
    key = f"{suite.name}/{sha256_of(suite.model_dump(mode='json'))}"
    with tracked(tracker, f"{suite.name} {size}".strip(), key=key, experiment=EXPERIMENT) as run:
        about = {"suite": suite.name, "task": suite.task, "size": size, "hardware": hardware(), **versions()}
        run.log_params({**about, **flattened(suite.data, "data")})

        def log_variant(variant: VariantResult) -> None:
            spec_key = f"{key}/{variant.label}/{sha256_of(variant.spec)}"
            child = tracker.open(variant.label, key=spec_key, experiment=EXPERIMENT, parent=run)
            child.log_params({"suite": suite.name, "variant": variant.label, **flattened(variant.spec, "spec")})
            child.log_params(flattened(dict(variant.versions), "version"))
            if variant.error:
                child.log_params({"error": variant.error})
            if variant.records:
                child.log_metrics(reporting(task).metrics(variant.records))
                path = folder / "records" / f"{file_name(variant.label)}.parquet"
                child.log_file(write_parquet(variant.records, path))
            child.close(failed=bool(variant.error))

        yield TrackedSuite(run=run, log_variant=log_variant)
