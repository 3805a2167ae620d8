"""Shipped weights, each with its card."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord
from pxrdgen.plugins.hookspecs import hookimpl

_FOLDER = Path(__file__).parent
#: name of each set of weights (its file is ``<name>.safetensors``) and the class that points to it.
_SHIPPED = {
    "flow": "FlowWeights",
    "diffusion": "DiffusionWeights",
    "cellnet": "CellNetWeights",
    "peaks": "PeaksWeights",
    "peaks_structure": "PeaksStructureWeights",
    "transformer": "TransformerWeights",
    "transformer_structure": "TransformerStructureWeights",
}


@hookimpl
def pxrdgen_components() -> Iterable[ComponentRecord]:
    """A record for each file that is there: a source tree may come without them."""
    return [
        ComponentRecord(
            kind=ComponentKind.WEIGHTS,
            name=name,
            target=f"pxrdgen_weights.shipped:{class_name}",
            interface_version=1,
            summary=f"{name}.safetensors; see pxrdgen weights list",
        )
        for name, class_name in _SHIPPED.items()
        if (_FOLDER / f"{name}.safetensors").is_file()
    ]
