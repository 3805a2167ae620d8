"""pxrdgen: from a powder diffraction pattern to a ranked list of refined crystal structures.

The names below are imported when first used, so that ``import pxrdgen`` is instant and loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pxrdgen.api import solve as solve
    from pxrdgen.cell import UnitCell as UnitCell
    from pxrdgen.cells.api import index as index
    from pxrdgen.cells.values import CellAnswer as CellAnswer
    from pxrdgen.composition import Composition as Composition
    from pxrdgen.crystal import Crystal as Crystal
    from pxrdgen.crystal_batch import CrystalBatch as CrystalBatch
    from pxrdgen.errors import PxrdgenError as PxrdgenError
    from pxrdgen.instrument import Instrument as Instrument
    from pxrdgen.instrument import Radiation as Radiation
    from pxrdgen.pattern import PowderPattern as PowderPattern
    from pxrdgen.refinement.api import refine as refine
    from pxrdgen.registry import Registry as Registry
    from pxrdgen.specs import ComponentSpec as ComponentSpec
    from pxrdgen.specs import PipelineSpec as PipelineSpec
    from pxrdgen.values.solution import Solution as Solution

_HOMES = {
    "CellAnswer": "pxrdgen.cells.values",
    "ComponentSpec": "pxrdgen.specs",
    "Composition": "pxrdgen.composition",
    "Crystal": "pxrdgen.crystal",
    "CrystalBatch": "pxrdgen.crystal_batch",
    "Instrument": "pxrdgen.instrument",
    "PipelineSpec": "pxrdgen.specs",
    "PowderPattern": "pxrdgen.pattern",
    "PxrdgenError": "pxrdgen.errors",
    "Radiation": "pxrdgen.instrument",
    "Registry": "pxrdgen.registry",
    "Solution": "pxrdgen.solver.values",
    "UnitCell": "pxrdgen.cell",
    "index": "pxrdgen.cells.api",
    "refine": "pxrdgen.refinement.api",
    "solve": "pxrdgen.api",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'pxrdgen' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
