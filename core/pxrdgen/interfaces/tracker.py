"""Where runs are written down: what a tracker must do. Loads no torch; the implementations are plugins.

A benchmark's suite is a run, each spec in it a child of that run; a training is a run with metrics by step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path


class TrackedRun(ABC):
    """One run that is being written down."""

    @abstractmethod
    def log_params(self, params: Mapping[str, object]) -> None:
        """What was set, by dotted path. Said again, a param keeps its first value."""

    @abstractmethod
    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Numbers that came out; those that are not finite are left out."""

    @abstractmethod
    def log_file(self, path: Path, folder: str = "") -> None:
        """Keep a copy of a file, in a folder of the run."""

    @abstractmethod
    def close(self, *, failed: bool = False) -> None:
        """The run is over."""


class Tracker(ABC):
    """Writes runs down; built by the registry as ``Class(options)`` like every component."""

    @abstractmethod
    def open(self, name: str, *, key: str, experiment: str, parent: TrackedRun | None = None) -> TrackedRun:
        """Begin a run, or go on with the one of the same ``key`` in the same experiment.

        Args:
            name: for people.
            key: names the run among all of the experiment, so that a suite that was killed continues its own runs.
            experiment: what belongs together.
            parent: a run of this tracker that is still open.
        """
