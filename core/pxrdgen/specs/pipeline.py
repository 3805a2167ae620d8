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

from pathlib import Path
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
)

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.specs.component import ComponentSpec
from pxrdgen.specs.validation import validated


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


def spec_to_yaml(spec: PipelineSpec) -> str:
    """The spec as YAML, every field written out."""
    import yaml

    return yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False)


def spec_from_yaml(text: str) -> PipelineSpec:
    """The spec a YAML text describes; fields left out take their defaults.

    Raises:
        OptionError: :func:`~pxrdgen.specs.yaml_page.load_page` refuses it, or it holds unknown or invalid fields.
    """
    from pxrdgen.specs.yaml_page import load_page

    return validated(PipelineSpec, load_page(text, "the spec"), "spec")


def read_spec(path: Path) -> PipelineSpec:
    """The spec in a YAML file.

    Raises:
        OptionError: the file cannot be read, or it holds unknown or invalid fields.
    """
    from pxrdgen.specs.yaml_page import read_page

    return validated(PipelineSpec, read_page(path, "spec"), f"{path}: spec")
