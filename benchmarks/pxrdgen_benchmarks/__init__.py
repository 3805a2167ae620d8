"""Benchmarks: datasets, metrics, suites, tables."""

from __future__ import annotations

from collections.abc import Iterable

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord
from pxrdgen.plugins.hookspecs import hookimpl


@hookimpl
def pxrdgen_components() -> Iterable[ComponentRecord]:
    """The command group."""
    return (
        ComponentRecord(
            kind=ComponentKind.COMMANDS,
            name="bench",
            target="pxrdgen_benchmarks.bench:app",
            interface_version=1,
            summary="Measure and compare: suites, ablations, tables.",
        ),
    )
