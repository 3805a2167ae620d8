"""The JSON schema of a spec file, built from what is installed: editors complete names and options from it."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo

from pxrdgen.errors import BrokenPluginError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.loading import Compatibility, Component, options_model
from pxrdgen.plugins.registry import Registry
from pxrdgen.specs.component import ComponentSpec, nested_kinds
from pxrdgen.specs.pipeline import PipelineSpec

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(registry: Registry) -> dict[str, Any]:
    """The schema of :class:`~pxrdgen.specs.pipeline.PipelineSpec` in which each component brings its own options.

    ``plugin`` decides which options are allowed. Components that cannot be loaded or are incompatible are left out;
    a kind without any component is left general.
    """
    model = _SchemaModels(registry).specialised(PipelineSpec)
    schema = model.model_json_schema()
    return {"$schema": SCHEMA_DIALECT, **schema, "title": "pxrdgen pipeline spec"}


class _SchemaModels:
    """Copies of the spec models in which a nested component is a union over what is installed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._unions: dict[ComponentKind, Any] = {}
        self._open: set[ComponentKind] = set()

    def specialised(self, model: type[BaseModel]) -> type[BaseModel]:
        """``model`` with its component fields replaced; ``model`` itself where it has none."""
        fields = {}
        for name, kind in nested_kinds(model).items():
            field = model.model_fields[name]
            annotation = _substituted(field.annotation, self._union(kind))
            fields[name] = (_bounded(annotation, field), _described(field))
        if not fields:
            return model
        return cast("type[BaseModel]", create_model(model.__name__, __base__=model, **cast(Any, fields)))

    def _union(self, kind: ComponentKind) -> Any:
        if kind in self._open:  # a component that nests its own kind: the innermost stays general
            return ComponentSpec
        if kind not in self._unions:
            self._open.add(kind)
            usable = [c for c in self._registry.components(kind) if c.compatibility is not Compatibility.INCOMPATIBLE]
            claims = Counter(component.record.name for component in usable)
            members = [self._member(component, claims[component.record.name] == 1) for component in usable]
            self._open.discard(kind)
            self._unions[kind] = _one_of([member for member in members if member is not None])
        return self._unions[kind]

    def _member(self, component: Component, short_name_is_enough: bool) -> type[BaseModel] | None:
        try:
            options = _closed(self.specialised(options_model(component)))
        except BrokenPluginError:
            return None
        names = [component.record.name] if short_name_is_enough else []
        names.append(component.qualified_name)
        needs_options = any(field.is_required() for field in options.model_fields.values())
        return create_model(
            f"{component.record.kind}_{component.distribution}_{component.record.name}".replace("-", "_"),
            __config__=ConfigDict(extra="forbid"),
            __doc__=component.record.summary or None,
            plugin=(cast(Any, Literal[tuple(names)]), Field(description="name of the component")),
            weights=(str, ComponentSpec.model_fields["weights"]),
            fixed=(bool, ComponentSpec.model_fields["fixed"]),
            options=(options, Field(description="its options") if needs_options else Field(default={})),
            label=(str, ComponentSpec.model_fields["label"]),
        )


def _closed(model: type[BaseModel]) -> type[BaseModel]:
    """``model`` refusing unknown keys, as the registry does whatever the plugin's own policy."""
    if model.model_config.get("extra") == "forbid":
        return model
    closed = create_model(model.__name__, __base__=model)
    closed.model_config["extra"] = "forbid"
    closed.model_rebuild(force=True)
    return closed


def _one_of(members: list[type[BaseModel]]) -> Any:
    if not members:
        return ComponentSpec
    if len(members) == 1:
        return members[0]
    return Annotated[Union[tuple(members)], Field(discriminator="plugin")]  # noqa: UP007 (a union made at run time)


def _substituted(annotation: Any, union: Any) -> Any:
    """``annotation`` with ComponentSpec replaced, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, ComponentSpec):
        return union
    arguments = get_args(annotation)
    if not arguments:
        return annotation
    replaced = tuple(_substituted(argument, union) for argument in arguments)
    origin = get_origin(annotation)
    if origin in (list, tuple):
        return origin[replaced]
    return Union[replaced]  # noqa: UP007


def _bounded(annotation: Any, field: FieldInfo) -> Any:
    """The new annotation under the old bounds (a minimal length, say)."""
    bounds = [item for item in field.metadata if not isinstance(item, ComponentKind)]
    return Annotated[(annotation, *bounds)] if bounds else annotation


def _described(field: FieldInfo) -> Any:
    """The old description, and the old default where there is one."""
    if field.is_required():
        return Field(description=field.description)
    default = field.get_default(call_default_factory=True, validated_data={})
    return Field(default=_plain(default), description=field.description)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
