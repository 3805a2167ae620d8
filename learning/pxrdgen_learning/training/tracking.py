"""Where runs are written down: what a tracker must do. Loads no torch; the implementations are plugins.

A benchmark's suite is a run, each spec in it a child of that run; a training is a run with metrics by step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pxrdgen.interfaces.tracker import TrackedRun, Tracker


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
    from pxrdgen.errors import OptionError
    from pxrdgen.interfaces.kinds import ComponentKind
    from pxrdgen.plugins.registry import default_registry

    built = default_registry().build(ComponentKind.TRACKER, name, {"uri": uri} if uri else None)
    if not isinstance(built, Tracker):
        raise OptionError(f"got the tracker {name!r}, which is a {type(built).__name__}; expected a Tracker")
    return built
