"""Where runs are written down: what a tracker must do. Loads no torch; the implementations are plugins.

A benchmark's suite is a run, each spec in it a child of that run; a training is a run with metrics by step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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


@contextmanager
def tracked(
    tracker: Tracker, name: str, *, key: str, experiment: str, parent: TrackedRun | None = None
) -> Iterator[TrackedRun]:
    """A run that is closed when the block ends, as failed when it ends by an error."""
    run = tracker.open(name, key=key, experiment=experiment, parent=parent)
    try:
        yield run
    except BaseException:
        run.close(failed=True)
        raise
    run.close()


def flattened(value: object, path: str = "") -> dict[str, object]:
    """``{"generators.0.plugin": "flow"}`` of nested mappings and sequences; an empty one is written as it is."""
    if isinstance(value, Mapping) and value:
        items: list[tuple[object, object]] = list(value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        items = list(enumerate(value))
    else:
        return {path: value} if path else {}
    found: dict[str, object] = {}
    for key, nested in items:
        found.update(flattened(nested, f"{path}.{key}" if path else str(key)))
    return found


def build_tracker(name: str, uri: str = "") -> Tracker:
    """The installed tracker of that name.

    Args:
        name: as in ``pxrdgen plugins list``.
        uri: of an MLflow store or server; only for a tracker that has such an option.

    Raises:
        OptionError: it is no tracker, or has no ``uri``.
        UnknownComponentError: it is not installed.
    """
    from pxrdgen.components import ComponentKind
    from pxrdgen.errors import OptionError
    from pxrdgen.registry import default_registry

    built = default_registry().build(ComponentKind.TRACKER, name, {"uri": uri} if uri else None)
    if not isinstance(built, Tracker):
        raise OptionError(f"got the tracker {name!r}, which is a {type(built).__name__}; expected a Tracker")
    return built
