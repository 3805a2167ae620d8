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
