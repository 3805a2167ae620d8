"""Trained numbers that a plugin brings along, or that lie in a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pxrdgen.interfaces.kinds import ComponentKind

BuiltT = TypeVar("BuiltT")


class Weights(ABC):
    """The weights of one component, built by the registry as ``Class()``.

    A plugin derives from ``pxrdgen_learning.weights.restore.WeightsFile``, which asks for the path alone.
    """

    @property
    @abstractmethod
    def path(self) -> Path:
        """The ``.safetensors`` file; its card lies beside it."""

    @abstractmethod
    def options(self, kind: ComponentKind, component: str) -> Mapping[str, JsonValue]:
        """The options that the component was trained with.

        Raises:
            WeightsError: the card is unusable, or of another component.
        """

    @abstractmethod
    def restored(self, kind: ComponentKind, component: str, make: Callable[[], BuiltT], *, fixed: bool) -> BuiltT:
        """What ``make`` builds from those options, with the weights in it, in evaluation mode.

        Args:
            kind, component: what the weights must be of.
            make: builds the component, untrained; the global random numbers are left as they were.
            fixed: nothing of it is to learn.

        Raises:
            WeightsError: the file is missing, damaged, of another component or of another network.
        """
