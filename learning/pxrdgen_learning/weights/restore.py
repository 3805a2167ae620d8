"""Weights back into the components they were learned by; the one place that does it. Listing loads no torch."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, final, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from pxrdgen.errors import WeightsError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.weights import BuiltT, Weights
from pxrdgen_learning.weights.weights import WeightsCard, check_owner, load_weights, read_card

if TYPE_CHECKING:
    from torch import Tensor, nn


@runtime_checkable
class HasNetwork(Protocol):
    """A component around a network, where it is no ``torch.nn.Module`` itself."""

    @property
    def network(self) -> nn.Module:
        """What the weights go into."""


@runtime_checkable
class HasCard(Protocol):
    """A component that wants to know what its weights were trained on."""

    card: WeightsCard | None


class WeightsFile(Weights, ABC):
    """Weights in a safetensors file with its card beside it."""

    def options(self, kind: ComponentKind, component: str) -> Mapping[str, JsonValue]:
        """See :class:`Weights`."""
        card = read_card(self.path)
        check_owner(card, self.path, kind=kind, component=component)
        return card.options

    def restored(self, kind: ComponentKind, component: str, make: Callable[[], BuiltT], *, fixed: bool) -> BuiltT:
        """See :class:`Weights`."""
        import torch

        card, tensors = load_weights(self.path, kind=kind, component=component)
        with torch.random.fork_rng():
            built = make()
        network = built if isinstance(built, torch.nn.Module) else getattr(built, "network", None)
        if not isinstance(network, torch.nn.Module):
            raise WeightsError(
                f"got the weights {self.path.name} for the {kind} {component!r}, which is no torch module and has none "
                "as its 'network'; leave the weights out"
            )
        _fill(network, tensors, self.path)
        network.eval()
        if fixed:
            network.requires_grad_(False)
        if isinstance(built, HasCard):
            built.card = card
        return built


class FileOptions(BaseModel):
    """Which file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path = Field(description="a .safetensors file with its card beside it")


@final
class NamedFile(WeightsFile):
    """Weights that nobody installed, by their path."""

    def __init__(self, options: FileOptions) -> None:
        self._path = options.path.expanduser()
        if not self._path.is_file():
            raise WeightsError(f"got the weights {self._path}, where there is no file")

    @property
    def path(self) -> Path:
        """See :class:`Weights`."""
        return self._path


def lasting_tensors(network: nn.Module) -> dict[str, Tensor]:
    """What weights hold of a network: each parameter once, and the buffers that it keeps (statistics of a norm)."""
    kept = network.state_dict().keys()
    buffers = {name: value for name, value in network.named_buffers() if name in kept}
    return {**dict(network.named_parameters()), **buffers}


def _fill(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load ``tensors`` into every parameter and every lasting buffer of ``network``.

    Raises:
        WeightsError: names or shapes differ.
    """
    expected = {name: value.shape for name, value in lasting_tensors(network).items()}
    found = {name: value.shape for name, value in tensors.items()}
    if expected != found:
        odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise WeightsError(f"got weights {path} that do not fit their own card (first: {odd[0]}); download them again")
    network.load_state_dict(dict(tensors), strict=False)
