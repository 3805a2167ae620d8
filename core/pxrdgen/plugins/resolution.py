"""A spec against what is installed: checked, every default written out, versions noted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import Registry
from pxrdgen.specs.pipeline import ComponentSpec, nested_kinds

AnySpec = TypeVar("AnySpec", bound=BaseModel)


def resolve_spec(spec: AnySpec, registry: Registry) -> AnySpec:
    """The same run with every option of every component written out, nested ones included.

    Raises:
        UnknownComponentError, AmbiguousComponentError, IncompatiblePluginError: a component it names.
        OptionError: an option it gives.
    """
    return spec.model_copy(update=_resolved_fields(spec, registry))


def component_versions(spec: BaseModel, registry: Registry) -> dict[str, str]:
    """``{"generator direct_space": "pxrdgen 0.1.0"}`` for each component the resolved spec uses."""
    versions = {}
    for kind, used in _components_of(resolve_spec(spec, registry), registry):
        found = registry.resolve(kind, used.plugin)
        versions[f"{kind} {used.plugin}"] = f"{found.distribution} {found.version}"
    return versions


def _resolved_fields(model: BaseModel, registry: Registry) -> dict[str, Any]:
    kinds = nested_kinds(type(model))
    return {field: _resolved(getattr(model, field), kind, registry) for field, kind in kinds.items()}


def _resolved(value: Any, kind: ComponentKind, registry: Registry) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_resolved(each, kind, registry) for each in value)
    if not isinstance(value, ComponentSpec):
        return value
    options = registry.options(kind, value.plugin, value.options)
    complete = options.model_copy(update=_resolved_fields(options, registry))
    return value.model_copy(update={"options": complete.model_dump(mode="json", by_alias=True)})


def _components_of(model: BaseModel, registry: Registry) -> Iterator[tuple[ComponentKind, ComponentSpec]]:
    for field, kind in nested_kinds(type(model)).items():
        value = getattr(model, field)
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, ComponentSpec):
                yield kind, each
                yield from _components_of(registry.options(kind, each.plugin, each.options), registry)
