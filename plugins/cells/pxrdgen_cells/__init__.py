"""Cell predictors and cell scorers."""

from __future__ import annotations

from collections.abc import Iterable

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord
from pxrdgen.plugins.hookspecs import hookimpl
from pxrdgen_cells.citations import DEWOLFF, FASTDTW, ITO, LEBAIL, TREOR


@hookimpl
def pxrdgen_components() -> Iterable[ComponentRecord]:
    """A record for each predictor and scorer."""
    return (
        ComponentRecord(
            kind=ComponentKind.CELL_PREDICTOR,
            name="cellnet",
            target="pxrdgen_cells.cellnet.predictor:CellNet",
            options="pxrdgen_cells.cellnet.options:CellNetOptions",
            interface_version=2,
            summary="a learned flow or diffusion of the reduced cell, told peaks and contents",
            weights="cellnet",
        ),
        ComponentRecord(
            kind=ComponentKind.CELL_PREDICTOR,
            name="indexing",
            target="pxrdgen_cells.indexing.predictor:Indexing",
            options="pxrdgen_cells.indexing.options:IndexingOptions",
            interface_version=2,
            summary="classical indexing from peak positions, all lattice types down to triclinic",
            citations=(ITO, TREOR),
        ),
        ComponentRecord(
            kind=ComponentKind.CELL_SCORER,
            name="fastdtw",
            target="pxrdgen_cells.scorers.fastdtw_scorer:FastDtwScorer",
            options="pxrdgen_cells.scorers.options:FastDtwOptions",
            interface_version=2,
            summary="time warping between observed peaks and the lines of a cell, as published",
            provisional=True,
            citations=(FASTDTW,),
        ),
        ComponentRecord(
            kind=ComponentKind.CELL_SCORER,
            name="figure_of_merit",
            target="pxrdgen_cells.scorers.figure_of_merit:FigureOfMerit",
            options="pxrdgen_cells.scorers.merit_options:FigureOfMeritOptions",
            interface_version=2,
            summary="M20, F20 or log-odds of the peak positions, zero error refined",
            provisional=True,
            citations=(DEWOLFF,),
        ),
        ComponentRecord(
            kind=ComponentKind.CELL_SCORER,
            name="lebail",
            target="pxrdgen_cells.scorers.lebail_scorer:LeBailScorer",
            options="pxrdgen_cells.scorers.options:LeBailOptions",
            interface_version=2,
            summary="profile fit with free intensities at the lines of a cell",
            provisional=True,
            citations=(LEBAIL,),
        ),
    )
