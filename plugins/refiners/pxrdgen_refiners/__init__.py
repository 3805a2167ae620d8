"""Refiners: fits of structures to the whole profile."""

from __future__ import annotations

from collections.abc import Iterable

from pxrdgen.component_kind import ComponentKind
from pxrdgen.components import ComponentRecord
from pxrdgen.hookspecs import hookimpl
from pxrdgen_refiners.gsas2.options import Gsas2IndexingOptions, Gsas2Options
from pxrdgen_refiners.options import LeastSquaresOptions


@hookimpl
def pxrdgen_components() -> Iterable[ComponentRecord]:
    """A record for each refiner, and one for the indexing that comes with GSAS-II."""
    return [
        ComponentRecord(
            kind=ComponentKind.REFINER,
            name="least_squares",
            target="pxrdgen_refiners.least_squares:LeastSquares",
            options=LeastSquaresOptions,
            interface_version=1,
            summary="Rietveld refinement of the whole profile, staged, with symmetry; needs nothing else",
        ),
        ComponentRecord(
            kind=ComponentKind.REFINER,
            name="gsas2",
            target="pxrdgen_refiners.gsas2.refiner:Gsas2Refiner",
            options=Gsas2Options,
            interface_version=1,
            summary="Rietveld refinement with GSAS-II in a process of its own; GSAS-II is installed separately",
            diagnosis="pxrdgen_refiners.gsas2.diagnosis:diagnose",
        ),
        ComponentRecord(
            kind=ComponentKind.CELL_PREDICTOR,
            name="gsas2",
            target="pxrdgen_refiners.gsas2.indexing:Gsas2Indexing",
            options=Gsas2IndexingOptions,
            interface_version=1,
            summary="GSAS-II's indexing in a process of its own; GSAS-II is installed separately",
        ),
    ]
