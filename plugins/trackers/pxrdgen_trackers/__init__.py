"""Experiment trackers."""

from __future__ import annotations

from collections.abc import Iterable

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord
from pxrdgen.plugins.hookspecs import hookimpl


@hookimpl
def pxrdgen_components() -> Iterable[ComponentRecord]:
    """A record for each tracker."""
    return (
        ComponentRecord(
            kind=ComponentKind.TRACKER,
            name="mlflow",
            target="pxrdgen_trackers.mlflow_tracker:MlflowTracker",
            options="pxrdgen_trackers.options:MlflowOptions",
            interface_version=2,
            summary="an SQLite file, or any MLflow server",
        ),
        ComponentRecord(
            kind=ComponentKind.TRACKER,
            name="jsonl",
            target="pxrdgen_trackers.jsonl:JsonlTracker",
            options="pxrdgen_trackers.options:JsonlOptions",
            interface_version=2,
            summary="a folder a run with JSON lines and copies of its files",
        ),
        ComponentRecord(
            kind=ComponentKind.TRACKER,
            name="none",
            target="pxrdgen_trackers.silent:SilentTracker",
            interface_version=2,
            summary="nothing is written down",
        ),
    )
