"""Trainings whose weights belong to several components, such as a pattern encoder and its partner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.specs.component import ComponentSpec


@dataclass(frozen=True, kw_only=True)
class TrainedPart:
    """Weights of one component that come out of a training.

    Args:
        suffix: appended to the name of the weights file; empty for the component of the spec.
        kind, component: what the weights belong to.
        prefix: of the names of its parameters in the trained network.
    """

    suffix: str
    kind: ComponentKind
    component: ComponentSpec
    prefix: str


@runtime_checkable
class HasParts(Protocol):
    """A trained model whose weights belong to several components."""

    @property
    def parts(self) -> tuple[TrainedPart, ...]:
        """Which; the first is the one of the spec."""
