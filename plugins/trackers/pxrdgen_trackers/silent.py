"""Nothing is written down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pxrdgen.interfaces.tracker import TrackedRun, Tracker


class SilentTracker(Tracker):
    """For runs whose files are enough."""

    def open(self, name: str, *, key: str, experiment: str, parent: TrackedRun | None = None) -> TrackedRun:
        """A run that forgets."""
        del name, key, experiment, parent
        return _SilentRun()


class _SilentRun(TrackedRun):
    def log_params(self, params: Mapping[str, object]) -> None:
        del params

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        del metrics, step

    def log_file(self, path: Path, folder: str = "") -> None:
        del path, folder

    def close(self, *, failed: bool = False) -> None:
        del failed
