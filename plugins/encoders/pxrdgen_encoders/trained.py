"""Encoders from weights files: options from the card, tensors into the module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from pxrdgen.errors import OptionError, WeightsError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen_encoders.options import EncoderOptions
from pxrdgen_learning.weights.weights import find_weights, load_weights

OptionsT = TypeVar("OptionsT", bound=EncoderOptions)


def options_and_tensors(
    options: OptionsT, kind: ComponentKind, name: str
) -> tuple[OptionsT, Mapping[str, Tensor] | None]:
    """The options a network is to be built with, and what is to be loaded into it; ``None`` for an untrained one.

    Raises:
        WeightsError, UnknownComponentError: the weights are missing, damaged, or another component's.
        OptionError: an option is given and differs from that of the weights.
    """
    if not options.weights:
        return options, None
    card, tensors = load_weights(find_weights(options.weights), kind=kind, component=name)
    trained = type(options).model_validate(card.options)
    defaults = type(options)()
    for field in options.model_fields_set - {"weights"}:
        given, theirs = getattr(options, field), getattr(trained, field)
        if given not in (theirs, getattr(defaults, field)):  # a resolved spec has every default written out
            raise OptionError(
                f"got {field}={given!r} for the {kind} {name!r}, whose weights {options.weights!r} have {theirs!r}; "
                "leave it out"
            )
    return trained, tensors


def fill(network: nn.Module, tensors: Mapping[str, Tensor] | None, weights: str) -> None:
    """Load ``tensors`` into every parameter of ``network``.

    Raises:
        WeightsError: names or shapes differ.
    """
    if tensors is None:
        return
    expected = {name: value.shape for name, value in network.named_parameters()}
    found = {name: value.shape for name, value in tensors.items()}
    if expected != found:
        odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise WeightsError(
            f"got weights {Path(weights).name} that do not fit their own card (first: {odd[0]}); download them again"
        )
    network.load_state_dict(dict(tensors), strict=False)
