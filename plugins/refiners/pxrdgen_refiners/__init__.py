"""Refiners: fits of structures to the whole profile."""

from __future__ import annotations

from collections.abc import Iterable

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord
from pxrdgen.plugins.hookspecs import hookimpl
from pxrdgen_refiners.citations import RIETVELD
from pxrdgen_refiners.options import LeastSquaresOptions


@hookimpl
def pxrdgen_components() -> Iterable[ComponentRecord]:
    """A record for each refiner."""
    return [
        ComponentRecord(
            kind=ComponentKind.REFINER,
            name="least_squares",
            target="pxrdgen_refiners.least_squares:LeastSquares",
            options=LeastSquaresOptions,
            interface_version=2,
            summary="Rietveld refinement of the whole profile, staged, with symmetry; needs nothing else",
            citations=(RIETVELD,),
        ),
    ]
