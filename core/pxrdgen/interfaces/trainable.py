"""Components that learn: what the training loop asks of them. All are protocols, to be fitted without inheriting.

A component class that learns has ``trainable`` (:class:`TrainableComponent`); ``pxrdgen train`` does the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

#: whatever a model's loss takes; its length is the number of crystals.
BatchT_contra = TypeVar("BatchT_contra", bound=Sized, contravariant=True)
BatchT_co = TypeVar("BatchT_co", bound=Sized, covariant=True)


class Learning(Protocol):
    """A model with a network that learns."""

    @property
    def network(self) -> nn.Module:
        """The part that learns."""

    def with_network(self, network: nn.Module) -> Self:
        """The same model around a wrapped network."""


class Trainable(Learning, Protocol[BatchT_contra]):
    """A model the loop can train: a network and a loss per crystal.

    All randomness of a loss comes from ``rng``; torch's global generator, which dropout draws from, is seeded by
    the loop before each step.
    """

    def loss(self, batch: BatchT_contra, rng: torch.Generator) -> Tensor:
        """[B] loss of each crystal of a micro-batch, whatever the feed makes of one (``TrainingBatch`` by default)."""


@runtime_checkable
class JointTrainable(Learning, Protocol[BatchT_contra]):
    """A model whose loss couples all crystals of a step, such as a contrastive one; otherwise a :class:`Trainable`."""

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


@runtime_checkable
class TrainableComponent(Protocol):
    """A component class whose instances are made from trained weights."""

    @classmethod
    def trainable(cls, options: Any, **nested: Any) -> Trainable[Any]:
        """An untrained model; its weights come from torch's global generator. ``nested`` are components it holds."""


class Feed(Protocol[BatchT_co]):
    """Micro-batches by epoch; order and content follow from seeds alone."""

    def order(self, options: Any, epoch: int) -> Iterator[tuple[Any, ...]]:
        """The steps of one epoch, as the rows of their micro-batches; the same for the same ``options.seed``."""

    def batch(self, rows: Any, options: Any, rng: torch.Generator) -> BatchT_co:
        """One micro-batch; all randomness comes from ``rng``."""


@runtime_checkable
class FeedingComponent(Protocol):
    """A component class that is trained on micro-batches of its own kind."""

    @classmethod
    def feed(cls, corpus: Any, options: Any) -> Feed[Any]:
        """The micro-batches its loss takes, of a ``pxrdgen_learning.training.corpus.Corpus``."""
