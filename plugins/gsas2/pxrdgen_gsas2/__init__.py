"""GSAS-II behind a worker process: refinement, simulation, indexing.

GSAS-II (Toby & Von Dreele 2013, doi:10.1107/S0021889813003531) often lives in a Python of its own, prints, keeps
global state and may crash, so it is never imported here: ``worker`` runs in its interpreter, one process and one folder
a call.
"""

from __future__ import annotations

from collections.abc import Iterable

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord
from pxrdgen.plugins.hookspecs import hookimpl
from pxrdgen_gsas2.citations import COELHO, GSAS2
from pxrdgen_gsas2.options import Gsas2IndexingOptions, Gsas2Options


@hookimpl
def pxrdgen_components() -> Iterable[ComponentRecord]:
    """The refiner, and the indexing that comes with GSAS-II."""
    return [
        ComponentRecord(
            kind=ComponentKind.REFINER,
            name="gsas2",
            target="pxrdgen_gsas2.refiner:Gsas2Refiner",
            options=Gsas2Options,
            interface_version=2,
            summary="Rietveld refinement with GSAS-II in a process of its own; GSAS-II is installed separately",
            diagnosis="pxrdgen_gsas2.diagnosis:diagnose",
            citations=(GSAS2,),
        ),
        ComponentRecord(
            kind=ComponentKind.CELL_PREDICTOR,
            name="gsas2",
            target="pxrdgen_gsas2.indexing:Gsas2Indexing",
            options=Gsas2IndexingOptions,
            interface_version=2,
            summary="GSAS-II's indexing in a process of its own; GSAS-II is installed separately",
            citations=(GSAS2, COELHO),
        ),
    ]
