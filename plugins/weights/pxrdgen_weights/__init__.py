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
    """A record for each file that is there (a source tree may come without them), and one for any other file."""
    return [
        ComponentRecord(
            kind=ComponentKind.WEIGHTS,
            name="file",
            target="pxrdgen_learning.weights.restore:NamedFile",
            options="pxrdgen_learning.weights.restore:FileOptions",
            interface_version=2,
            summary="any .safetensors file with its card; specs write its path instead of a name",
        ),
        *_shipped(),
    ]


def _shipped() -> Iterable[ComponentRecord]:
    return [
        ComponentRecord(
            kind=ComponentKind.WEIGHTS,
            name=name,
            target=f"pxrdgen_weights.shipped:{class_name}",
            interface_version=2,
            summary=f"{name}.safetensors; see pxrdgen weights list",
        )
        for name, class_name in _SHIPPED.items()
        if (_FOLDER / f"{name}.safetensors").is_file()
    ]
