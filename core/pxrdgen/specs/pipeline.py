"""A run as a value: which components, with which options. It prints, stores, loads and repeats.

generators:
- plugin: wyckoff
  options: {}
- plugin: dual_space
  options: {}
- plugin: direct_space
  options: {}
- plugin: flow
  options: {}
refiner:
  plugin: least_squares
  options: {}
candidates: 20
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from pxrdgen.errors import BrokenPluginError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.specs.validation import models_in, validated
from pxrdgen.specs.yaml_page import load_page, read_page

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


class PipelineSpec(BaseModel):
    """How a structure is solved: who proposes, who refines, how much is tried."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    generators: Annotated[tuple[ComponentSpec, ...], ComponentKind.GENERATOR] = Field(
        default=tuple(ComponentSpec(plugin=name) for name in ("wyckoff", "dual_space", "direct_space", "flow")),
        min_length=1,
        description="propose candidate structures, all into one pool",
    )
    refiner: Annotated[ComponentSpec, ComponentKind.REFINER] = Field(
        default=ComponentSpec(plugin="least_squares"), description="fits the best candidates to the whole profile"
    )
    cell_predictors: Annotated[tuple[ComponentSpec, ...], ComponentKind.CELL_PREDICTOR] = Field(
        default=(ComponentSpec(plugin="indexing"),),
        description="propose unit cells where none is given",
    )
    cell_scorers: Annotated[tuple[ComponentSpec, ...], ComponentKind.CELL_SCORER] = Field(
        default=(), description="their scores are added to what the peak positions say of proposed cells"
    )
    encoder: ComponentSpec | None = Field(
        default=None, description="is handed to every generator that takes an encoder and whose own option is left open"
    )
    cells: int = Field(default=3, ge=1, le=20, description="unit cells that are tried where none is given")
    candidates: int = Field(default=20, ge=1, le=1_000_000, description="candidates asked of each generator")
    refine_best: int = Field(default=5, ge=1, le=1000, description="candidates that are refined on the whole profile")
    budget_s: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="time budget in seconds")
    rounds: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="rounds of each search instead of seconds: the same answer on any machine, at any load",
    )
    searches: int = Field(
        default=0,
        ge=0,
        le=256,
        description="searches of one cell from seeds of their own; 0: one a process, two where rounds are counted",
    )
    stop_when_solved: bool = Field(
        default=True, description="end the search of a cell early once its answer is called solved"
    )
    processes: int = Field(
        default=0, ge=0, le=256, description="processes that search at the same time; 0: one for each core"
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="of all randomness")

    @field_validator("generators", "cell_predictors", "cell_scorers")
    @classmethod
    def _labels_differ(cls, specs: tuple[ComponentSpec, ...]) -> tuple[ComponentSpec, ...]:
        given = [spec.label for spec in specs if spec.label]
        for label in given:
            if given.count(label) > 1:
                raise ValueError(f"got {given.count(label)} components labelled {label!r}, expected labels that differ")
        return specs


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


def spec_to_yaml(spec: PipelineSpec) -> str:
    """The spec as YAML, every field written out."""
    return yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False)


def spec_from_yaml(text: str) -> PipelineSpec:
    """The spec a YAML text describes; fields left out take their defaults.

    Raises:
        OptionError: :func:`~pxrdgen.specs.yaml_page.load_page` refuses it, or it holds unknown or invalid fields.
    """
    return validated(PipelineSpec, load_page(text, "the spec"), "spec")


def read_spec(path: Path) -> PipelineSpec:
    """The spec in a YAML file.

    Raises:
        OptionError: the file cannot be read, or it holds unknown or invalid fields.
    """
    return validated(PipelineSpec, read_page(path, "spec"), f"{path}: spec")
