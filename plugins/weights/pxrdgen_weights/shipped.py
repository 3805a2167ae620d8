"""The weights files of this package as components."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

from pxrdgen_learning.weights.restore import WeightsFile

_FOLDER = Path(__file__).parent


class Shipped(WeightsFile):
    """A file beside this module, with its card."""

    name: ClassVar[str]

    @property
    def path(self) -> Path:
        """The weights file."""
        return _FOLDER / f"{self.name}.safetensors"


@final
class FlowWeights(Shipped):
    """Of the generator ``flow``."""

    name = "flow"


@final
class DiffusionWeights(Shipped):
    """Of the generator ``diffusion``."""

    name = "diffusion"


@final
class CellNetWeights(Shipped):
    """Of the cell predictor ``cellnet``."""

    name = "cellnet"


@final
class PeaksWeights(Shipped):
    """Of the pattern encoder ``peaks``."""

    name = "peaks"


@final
class PeaksStructureWeights(Shipped):
    """Of the structure encoder ``cspnet`` that ``peaks`` was trained against."""

    name = "peaks_structure"


@final
class TransformerWeights(Shipped):
    """Of the pattern encoder ``transformer``."""

    name = "transformer"


@final
class TransformerStructureWeights(Shipped):
    """Of the structure encoder ``cspnet`` that ``transformer`` was trained against."""

    name = "transformer_structure"
