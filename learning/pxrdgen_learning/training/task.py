"""What the training loop asks of a model: a network, a loss, and the weights that come out."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.specs.pipeline import ComponentSpec

BatchT_contra = TypeVar("BatchT_contra", bound=Sized, contravariant=True)


class Trainable(Protocol[BatchT_contra]):
    """A model the loop can train: a network and a loss per crystal.

    All randomness of a loss comes from ``rng``; torch's global generator, which dropout draws from, is seeded by
    the loop before each step.
    """

    @property
    def network(self) -> nn.Module:
        """The part that learns."""

    def with_network(self, network: nn.Module) -> Self:
        """The same model around a wrapped network."""

    def loss(self, batch: BatchT_contra, rng: torch.Generator) -> Tensor:
        """[B] loss of each crystal of a micro-batch, whatever the feed makes of one (``TrainingBatch`` by default)."""


@runtime_checkable
class JointTrainable(Protocol[BatchT_contra]):
    """A model whose loss couples all crystals of a step, such as a contrastive one; otherwise a :class:`Trainable`."""

    @property
    def network(self) -> nn.Module:
        """The part that learns."""

    def with_network(self, network: nn.Module) -> Self:
        """The same model around a wrapped network."""

    def joint_loss(self, batches: Sequence[BatchT_contra], rng: torch.Generator) -> Tensor:
        """[B] loss of each crystal of all micro-batches of a step, in their order."""


@runtime_checkable
class Preparing(Protocol):
    """A :class:`Trainable` whose loss begins without the network: ``loss(b, rng) = prepared_loss(prepare(b, rng))``.

    The loop may prepare coming micro-batches on other threads.
    """

    def prepare(self, batch: Any, rng: torch.Generator) -> Any:
        """All that the network is not needed for; all randomness is drawn here."""

    def prepared_loss(self, prepared: Any) -> Tensor:
        """[B] loss of each crystal."""


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
