"""The weights files of this package as components."""

from __future__ import annotations

from pathlib import Path
from typing import final

_FOLDER = Path(__file__).parent


@final
class FlowWeights:
    """Of the generator ``flow``."""

    @property
    def path(self) -> Path:
        """The weights file."""
        return _FOLDER / "flow.safetensors"


@final
class CellNetWeights:
    """Of the cell predictor ``cellnet``."""

    @property
    def path(self) -> Path:
        """The weights file."""
        return _FOLDER / "cellnet.safetensors"


@final
class PeaksWeights:
    """Of the pattern encoder ``peaks``."""

    @property
    def path(self) -> Path:
        """The weights file."""
        return _FOLDER / "peaks.safetensors"


@final
class PeaksStructureWeights:
    """Of the structure encoder ``cspnet`` that ``peaks`` was trained against."""

    @property
    def path(self) -> Path:
        """The weights file."""
        return _FOLDER / "peaks_structure.safetensors"
