"""A spec against what is installed: checked, every default written out, versions noted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar, cast

from pydantic import BaseModel, JsonValue

from pxrdgen.errors import OptionError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.loading import options_model
from pxrdgen.plugins.registry import Registry
from pxrdgen.specs.component import ComponentSpec, nested_kinds, with_nested
from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.values.citation import Citation

AnySpec = TypeVar("AnySpec", bound=BaseModel)


def with_encoder(spec: PipelineSpec, registry: Registry) -> PipelineSpec:
    """The same run with its encoder handed to every generator that takes one and says nothing of it.

    Raises:
        OptionError: no generator takes an encoder.
    """
    if spec.encoder is None:
        return spec
    models = [options_model(registry.resolve(ComponentKind.GENERATOR, part.plugin)) for part in spec.generators]
    takes = [nested_kinds(model).get("encoder") is ComponentKind.ENCODER for model in models]
    if not any(takes):
        named = ", ".join(part.plugin for part in spec.generators)
        raise OptionError(f"got the encoder {spec.encoder.plugin!r} and no generator that takes one ({named})")
    own: dict[str, JsonValue] = {"encoder": spec.encoder.model_dump(mode="json")}
    generators = (
        part.model_copy(update={"options": own | part.options}) if taken else part
        for part, taken in zip(spec.generators, takes, strict=True)
    )
    return spec.model_copy(update={"generators": tuple(generators)})


def resolve_spec(spec: AnySpec, registry: Registry) -> AnySpec:
    """The same run with every option of every component written out, nested ones included.

    Options of a component that has weights are those of its weights, which are named as well.

    Raises:
        UnknownComponentError, AmbiguousComponentError, IncompatiblePluginError: a component or weights it names.
        OptionError: an option it gives.
        WeightsError: weights that it names.
    """
    whole = cast("AnySpec", with_encoder(spec, registry)) if isinstance(spec, PipelineSpec) else spec

    def resolved(kind: ComponentKind, each: ComponentSpec) -> ComponentSpec:
        settled = registry.settle(kind, each)
        options = resolve_spec(settled.options, registry).model_dump(mode="json", by_alias=True)
        return each.model_copy(update={"weights": settled.weights_name, "options": options})

    return with_nested(whole, resolved)


def component_versions(spec: BaseModel, registry: Registry) -> dict[str, str]:
    """``{"generator direct_space": "pxrdgen 0.1.0"}`` for each component the resolved spec uses."""
    versions = {}
    for kind, used in _components_of(resolve_spec(spec, registry), registry):
        found = registry.resolve(kind, used.plugin)
        versions[f"{kind} {used.plugin}"] = f"{found.distribution} {found.version}"
    return versions


def citations_of(spec: BaseModel, registry: Registry) -> tuple[Citation, ...]:
    """The works that the components of a spec rest on, nested ones included, each once, in the order of the spec."""
    used = _components_of(resolve_spec(spec, registry), registry)
    works = (work for kind, part in used for work in registry.resolve(kind, part.plugin).record.citations)
    return tuple(dict.fromkeys(works))


def _components_of(model: BaseModel, registry: Registry) -> Iterator[tuple[ComponentKind, ComponentSpec]]:
    for field, kind in nested_kinds(type(model)).items():
        value = getattr(model, field)
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, ComponentSpec):
                yield kind, each
                yield from _components_of(registry.settle(kind, each).options, registry)
