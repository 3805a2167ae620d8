"""pxrdgen: from a powder diffraction pattern to a ranked list of refined crystal structures.

The names below are imported when first used, so that ``import pxrdgen`` is instant and loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pxrdgen.lazy import door
from pxrdgen.version_1 import serve_old_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pxrdgen.errors import PxrdgenError as PxrdgenError
    from pxrdgen.plugins.registry import Registry as Registry
    from pxrdgen.specs.component import ComponentSpec as ComponentSpec
    from pxrdgen.specs.pipeline import PipelineSpec as PipelineSpec
    from pxrdgen.values.cell import UnitCell as UnitCell
    from pxrdgen.values.cells import CellAnswer as CellAnswer
    from pxrdgen.values.composition import Composition as Composition
    from pxrdgen.values.crystal import Crystal as Crystal
    from pxrdgen.values.crystal_batch import CrystalBatch as CrystalBatch
    from pxrdgen.values.instrument import Instrument as Instrument
    from pxrdgen.values.instrument import Radiation as Radiation
    from pxrdgen.values.pattern import PowderPattern as PowderPattern
    from pxrdgen.values.solution import Solution as Solution
    from pxrdgen_app.door.index import index as index
    from pxrdgen_app.door.read import read_pattern as read_pattern
    from pxrdgen_app.door.refine import refine as refine
    from pxrdgen_app.door.simulate import simulate as simulate
    from pxrdgen_app.door.solve import solve as solve
    from pxrdgen_app.examples.examples import example as example
    from pxrdgen_app.report.solutions import save_solution as save_solution

__getattr__, _NAMES = door(
    __name__,
    {
        "pxrdgen.errors": "PxrdgenError",
        "pxrdgen.plugins": "Registry",
        "pxrdgen.specs": "ComponentSpec PipelineSpec",
        "pxrdgen.values": "CellAnswer Composition Crystal CrystalBatch Instrument PowderPattern Radiation Solution"
        " UnitCell",
        "pxrdgen_app.door.index": "index",
        "pxrdgen_app.door.read": "read_pattern",
        "pxrdgen_app.door.refine": "refine",
        "pxrdgen_app.door.simulate": "simulate",
        "pxrdgen_app.door.solve": "solve",
        "pxrdgen_app.examples.examples": "example",
        "pxrdgen_app.report.solutions": "save_solution",
    },
)
__all__ = ["__version__", *_NAMES]
serve_old_names()


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
