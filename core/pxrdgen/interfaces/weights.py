"""Weights that a plugin brings along."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path


class ShippedWeights(ABC):
    """A weights file; built by the registry as ``Class()``."""

    @property
    @abstractmethod
    def path(self) -> Path:
        """The ``.safetensors`` file; its card lies beside it."""
