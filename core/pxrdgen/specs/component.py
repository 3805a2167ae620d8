"""A component by name, with its options, and the components nested in options."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from pxrdgen.errors import BrokenPluginError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.specs.validation import models_in

ModelT = TypeVar("ModelT", bound=BaseModel)


class ComponentSpec(BaseModel):
    """A component by name, with its options. As a field of another component's options it is built first.

    Which kind it must be is the name of the field (``encoder``, ``structure_encoder``), or, where the field is
    called something else, annotated: ``Annotated[ComponentSpec, ComponentKind.ENCODER]``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    plugin: str = Field(description="name of an installed component, or distribution:name", min_length=1)
    weights: str = Field(
        default="",
        description="what it has learned: installed weights by name, or a .safetensors file, whose own options then "
        "hold; left out: those it comes with, if any",
    )
    fixed: bool = Field(default=False, description="with weights: it stays as it is while what it is part of learns")
    options: dict[str, JsonValue] = Field(default_factory=dict, description="its options; see pxrdgen plugins show")
    label: str = Field(default="", description="what results call it; default: the plugin's name, then flow-2, ...")

    @model_validator(mode="after")
    def _something_to_fix(self) -> ComponentSpec:
        if self.fixed and not self.weights:
            raise ValueError(
                f"got {self.plugin!r} fixed without weights, which would keep it at random numbers; expected the name "
                "or file of its weights beside it, or leave 'fixed' out"
            )
        return self

    @model_serializer(mode="wrap")
    def _as_said(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if value or name in ("plugin", "options")}


def labelled(specs: Sequence[ComponentSpec]) -> tuple[tuple[str, ComponentSpec], ...]:
    """The components of one role, each under a label of its own: that given, else ``flow``, ``flow-2``, ..."""
    taken = {spec.label for spec in specs}
    found = []
    for spec in specs:
        choices = itertools.chain([spec.plugin], (f"{spec.plugin}-{number}" for number in itertools.count(2)))
        label = spec.label or next(choice for choice in choices if choice not in taken)
        taken.add(label)
        found.append((label, spec))
    return tuple(found)


def with_nested(model: ModelT, change: Callable[[ComponentKind, ComponentSpec], ComponentSpec]) -> ModelT:
    """``model`` with ``change`` of each component spec that its fields hold."""

    def changed(kind: ComponentKind, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return tuple(changed(kind, each) for each in value)
        return change(kind, value) if isinstance(value, ComponentSpec) else value

    kinds = nested_kinds(type(model))
    return model.model_copy(update={field: changed(kind, getattr(model, field)) for field, kind in kinds.items()})


def nested_kinds(model: type[BaseModel]) -> dict[str, ComponentKind]:
    """The fields of an options model that hold component specs, and the kind each must be.

    Raises:
        BrokenPluginError: such a field neither is named after a kind nor is annotated with one.
    """
    kinds = {}
    for name, field in model.model_fields.items():
        if not any(issubclass(found, ComponentSpec) for found in models_in(field.annotation)):
            continue
        annotated = [item for item in field.metadata if isinstance(item, ComponentKind)]
        named = name.replace("_", "-")
        if annotated:
            kinds[name] = annotated[0]
        elif named in {kind.value for kind in ComponentKind}:
            kinds[name] = ComponentKind(named)
        else:
            raise BrokenPluginError(
                f"field {name!r} of {model.__name__} holds a component of an unknown kind; name it after the kind, "
                f"or write Annotated[ComponentSpec, ComponentKind.ENCODER]"
            )
    return kinds
