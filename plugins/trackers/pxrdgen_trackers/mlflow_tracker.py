"""Runs in MLflow (https://mlflow.org). The only file that imports mlflow."""

from __future__ import annotations

import hashlib
import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

# Read at import: a command that ends must not leave threads and calls to the vendor behind.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from pxrdgen.errors import OptionError, OutputError, WorkerError
from pxrdgen.interfaces.tracker import TrackedRun, Tracker
from pxrdgen_trackers.options import MlflowOptions

_KEY_TAG = "pxrdgen.key"
_PARENT_TAG = "mlflow.parentRunId"
#: what one call may carry, and how long a param may be.
_METRICS_A_CALL, _PARAMS_A_CALL, _LONGEST_PARAM = 1000, 100, 6000

Item = TypeVar("Item")


class MlflowTracker(Tracker):
    """Runs in an SQLite file with a folder of artifacts beside it, or on a server."""

    def __init__(self, options: MlflowOptions) -> None:
        uri, self._artifacts = options.uri, options.artifacts
        if not uri:
            folder = options.folder.resolve()
            try:
                (folder / "artifacts").mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"got the folder {folder}, which cannot be made ({error.strerror})") from error
            uri = f"sqlite:///{folder / 'mlflow.db'}"
            self._artifacts = self._artifacts or (folder / "artifacts").as_uri()
        self._uri = uri
        with _explained(uri):
            self._client = MlflowClient(tracking_uri=uri)

    def open(self, name: str, *, key: str, experiment: str, parent: TrackedRun | None = None) -> TrackedRun:
        """Begin a run, or go on with the one whose tag ``pxrdgen.key`` is this key.

        Raises:
            OptionError: the parent is a run of another tracker.
            WorkerError: the store does not answer.
        """
        if parent is not None and not isinstance(parent, MlflowRun):
            raise OptionError(f"got a parent of {type(parent).__name__}, expected a run of this tracker")
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        with _explained(self._uri):
            home = self._experiment(experiment)
            found = self._client.search_runs([home], f"tags.`{_KEY_TAG}` = '{digest}'", max_results=1)
            if found:
                run_id = found[0].info.run_id
                self._client.update_run(run_id, status="RUNNING")
            else:
                tags = {_KEY_TAG: digest, **({_PARENT_TAG: parent.id} if parent is not None else {})}
                run_id = self._client.create_run(home, tags=tags, run_name=name).info.run_id
            params = self._client.get_run(run_id).data.params
        return MlflowRun(self._client, run_id, self._uri, set(params))

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        location = f"{self._artifacts}/{_safe(name)}" if self._artifacts else None
        return str(self._client.create_experiment(name, artifact_location=location))


class MlflowRun(TrackedRun):
    """One run, by its id."""

    def __init__(self, client: MlflowClient, run_id: str, uri: str, params: set[str]) -> None:
        self._client, self.id, self._uri, self._params = client, run_id, uri, params

    def log_params(self, params: Mapping[str, object]) -> None:
        """Those that are new."""
        new = [
            Param(_safe(name), str(value)[:_LONGEST_PARAM])
            for name, value in params.items()
            if _safe(name) not in self._params
        ]
        with _explained(self._uri):
            for some in _chunks(new, _PARAMS_A_CALL):
                self._client.log_batch(self.id, params=some)
        self._params.update(param.key for param in new)

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """In as few calls as MLflow allows."""
        now = int(time.time() * 1000)
        finite = [
            Metric(_safe(name), float(value), now, step) for name, value in metrics.items() if math.isfinite(value)
        ]
        with _explained(self._uri):
            for some in _chunks(finite, _METRICS_A_CALL):
                self._client.log_batch(self.id, metrics=some)

    def log_file(self, path: Path, folder: str = "") -> None:
        """As an artifact."""
        with _explained(self._uri):
            self._client.log_artifact(self.id, str(path), folder or None)

    def close(self, *, failed: bool = False) -> None:
        """Mark the run as finished or failed."""
        with _explained(self._uri):
            self._client.set_terminated(self.id, "FAILED" if failed else "FINISHED")


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    try:
        yield
    except (MlflowException, OSError) as error:
        lines: list[Any] = str(error).splitlines() or [type(error).__name__]
        raise WorkerError(
            f"got no answer from the MLflow store {uri} ({lines[0]}); check the URI, or track with jsonl or none"
        ) from error


def _chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _safe(name: str) -> str:
    """A name of letters, digits and ``_-. /``: all that MLflow allows in keys."""
    return re.sub(r"[^\w\-. /]+", "_", name)[:250]
