"""Generators of candidate structures."""

from __future__ import annotations

from collections.abc import Iterable

from pxrdgen.components import ComponentKind, ComponentRecord
from pxrdgen.hookspecs import hookimpl


@hookimpl
def pxrdgen_components() -> Iterable[ComponentRecord]:
    """A record for each generator."""
    return (
        ComponentRecord(
            kind=ComponentKind.GENERATOR,
            name="direct_space",
            target="pxrdgen_generators.direct_space:DirectSpace",
            options="pxrdgen_generators.options:DirectSpaceOptions",
            interface_version=1,
            summary="random and random-symmetric starts and kicks, no learning",
        ),
        ComponentRecord(
            kind=ComponentKind.GENERATOR,
            name="flow",
            target="pxrdgen_generators.flow_generator:FlowGenerator",
            options="pxrdgen_generators.options:FlowOptions",
            interface_version=1,
            summary="a learned flow from noise to structures, told the pattern",
        ),
    )
