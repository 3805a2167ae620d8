"""The options of a component that has weights: the network's are those it was trained with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.specs.component import ComponentSpec, nested_kinds, with_nested

OptionsT = TypeVar("OptionsT", bound=BaseModel)
Checked = Callable[[ComponentKind, ComponentSpec], BaseModel]


def combined(given: OptionsT, trained: OptionsT) -> OptionsT:
    """``trained``, but how the network is used (the model's ``adjustable`` options) as ``given``."""
    return trained.model_copy(update={field: getattr(given, field) for field in _adjustable(given)})


def without_weights(options: OptionsT, checked: Checked) -> OptionsT:
    """The same components nested in ``options``, every option written out, their numbers to come from elsewhere."""

    def bare(kind: ComponentKind, spec: ComponentSpec) -> ComponentSpec:
        inner = without_weights(checked(kind, spec), checked)
        return ComponentSpec(plugin=spec.plugin, options=inner.model_dump(mode="json", by_alias=True))

    return with_nested(options, bare)


def difference(given: BaseModel, trained: BaseModel, checked: Checked) -> tuple[str, Any, Any] | None:
    """The first option said in ``given`` that is neither that of ``trained`` nor the default: its path and the two.

    Defaults pass since they may have been written out by a resolved spec.
    """
    kinds = nested_kinds(type(given))
    for field in sorted(given.model_fields_set - _adjustable(given)):
        ours, theirs = getattr(given, field), getattr(trained, field)
        default = type(given).model_fields[field].get_default(call_default_factory=True, validated_data={})
        if ours in (theirs, default):
            continue
        if isinstance(ours, ComponentSpec) and isinstance(theirs, ComponentSpec) and ours.plugin == theirs.plugin:
            inner = difference(checked(kinds[field], ours), checked(kinds[field], theirs), checked)
            if inner is None:
                continue
            return f"{field}.{inner[0]}", *inner[1:]
        return field, ours, theirs
    return None


def _adjustable(options: BaseModel) -> frozenset[str]:
    """The options that say how a trained network is used; all others say what it is."""
    return frozenset(getattr(type(options), "adjustable", ()))
