"""Weights files: safetensors with a JSON card beside, which says what they are and proves they are whole.

``flow.safetensors`` has its card in ``flow.json``. Listing cards loads no torch.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from pxrdgen.errors import OutputError, WeightsError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import WEIGHTS_SUFFIX

if TYPE_CHECKING:
    from torch import Tensor

#: the newest format of cards this version reads; anything an older reader would misread raises it.
WEIGHTS_FORMAT = 1
MAX_WEIGHTS_BYTES = 2 * 2**30
_MAX_CARD_BYTES = 256 * 1024


class LargerThanTrainedWarning(UserWarning):
    """A cell holds more atoms than any the weights were trained on."""


class WeightsCard(BaseModel):
    """What a weights file is for, where it comes from, and what it can do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = Field(default=WEIGHTS_FORMAT, ge=1, description="version of this card")
    kind: ComponentKind = Field(description="kind of the component the weights belong to")
    component: str = Field(min_length=1, description="name of that component")
    options: dict[str, JsonValue] = Field(description="options the network is built with")
    sha256: str = Field(default="", description="of the weights file")
    max_atoms: int = Field(ge=1, description="largest cell it was trained on")
    elements: list[int] = Field(default_factory=list, description="atomic numbers it was trained on")
    data: str = Field(description="what it was trained on, under which licences, what was left out")
    training: dict[str, JsonValue] = Field(
        default_factory=dict, description="steps, crystals, time, hardware, settings"
    )
    metrics: dict[str, JsonValue] = Field(default_factory=dict, description="what was measured with it, on what")
    licence: str = Field(default="MIT", description="of the weights")
    version: str = Field(default="", description="of the software that wrote it")


def warn_if_larger_than_trained(card: WeightsCard | None, num_atoms: int, *, stacklevel: int) -> None:
    """Warn of a primitive cell of ``num_atoms`` that is larger than any the card's weights were trained on.

    Args:
        card: nothing is said without one.
        num_atoms: in the primitive cell.
        stacklevel: of :func:`warnings.warn`, as if it stood in place of this call.
    """
    if card is None or num_atoms <= card.max_atoms:
        return
    warnings.warn(
        f"{num_atoms} atoms in the primitive cell; the weights were trained on at most {card.max_atoms}: "
        f"proposals of {card.component!r} are less reliable here",
        LargerThanTrainedWarning,
        stacklevel=stacklevel + 1,
    )


def card_path(weights: Path) -> Path:
    """Where the card of a weights file lies."""
    return weights.with_suffix(".json")


def read_card(weights: Path) -> WeightsCard:
    """The card of a weights file; nothing is said about the file itself.

    Raises:
        WeightsError: no card, not a card, or one of a newer format.
    """
    path = card_path(weights)
    try:
        if path.stat().st_size > _MAX_CARD_BYTES:
            raise WeightsError(
                f"got the card {path}, larger than {_MAX_CARD_BYTES // 1024} KiB; expected a page of JSON"
            )
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(
            f"got {weights} without a readable card {path.name} ({error.strerror}); keep the two together"
        ) from error
    except ValueError as error:
        raise WeightsError(f"got the card {path}, which is not JSON ({error}); download the weights again") from error
    found = content.get("format") if isinstance(content, dict) else None
    if isinstance(found, int) and found > WEIGHTS_FORMAT:
        raise WeightsError(
            f"got weights of format {found} in {weights}, expected at most {WEIGHTS_FORMAT}; update pxrdgen to use them"
        )
    try:
        return WeightsCard.model_validate(content)
    except ValidationError as error:
        raise WeightsError(f"got the card {path}, which is not one: {error}") from error


def verify_weights(weights: Path) -> WeightsCard:
    """The card, after checking that the file is the one it describes.

    Raises:
        WeightsError: the file is missing, too large, truncated or altered, or the card is unusable.
    """
    card = read_card(weights)
    try:
        if weights.stat().st_size > MAX_WEIGHTS_BYTES:
            raise WeightsError(f"got {weights}, larger than {MAX_WEIGHTS_BYTES >> 30} GiB; expected a weights file")
        with weights.open("rb") as handle:
            found = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"got the weights {weights}, which cannot be read ({error.strerror})") from error
    if found != card.sha256:
        raise WeightsError(
            f"got {weights} with SHA-256 {found[:12]}..., its card says {card.sha256[:12]}...; "
            "it is truncated or altered: download it again"
        )
    return card


def check_owner(card: WeightsCard, weights: Path, *, kind: ComponentKind, component: str) -> None:
    """Refuse weights of another component.

    Raises:
        WeightsError: they are.
    """
    if (card.kind, card.component) != (kind, component):
        raise WeightsError(
            f"got weights of the {card.kind} {card.component!r} in {weights}, "
            f"expected those of the {kind} {component!r}"
        )


def load_weights(weights: Path, *, kind: ComponentKind, component: str) -> tuple[WeightsCard, dict[str, Tensor]]:
    """Verified tensors for a component.

    Raises:
        WeightsError: as :func:`verify_weights`, or the weights belong to another component.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    card = verify_weights(weights)
    check_owner(card, weights, kind=kind, component=component)
    try:
        return card, load_file(weights)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"got {weights}, which is not a safetensors file ({error}); download it again") from error


def save_weights(weights: Path, tensors: Mapping[str, Tensor], card: WeightsCard) -> WeightsCard:
    """Write a weights file and its card; returns the card with the checksum filled in.

    Raises:
        OutputError: the folder cannot be written.
    """
    from safetensors.torch import save_file

    if weights.suffix != WEIGHTS_SUFFIX:
        raise OutputError(f"got {weights} for a weights file, expected a name that ends in {WEIGHTS_SUFFIX}")
    partial = weights.with_name(f".{weights.name}.part")
    try:
        save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, partial)
        with partial.open("rb") as handle:
            card = card.model_copy(update={"sha256": hashlib.file_digest(handle, "sha256").hexdigest()})
        partial.chmod(0o644)
        partial.replace(weights)
        card_path(weights).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"got {weights}, which cannot be written ({error.strerror})") from error
    return card
