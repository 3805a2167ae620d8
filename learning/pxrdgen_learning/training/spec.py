"""A training run as a value: which component, on which crystals, how. Torch-free."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.specs.component import ComponentSpec
from pxrdgen.specs.validation import validated
from pxrdgen.specs.yaml_page import read_page
from pxrdgen_learning.training.options import TrainingOptions


class CorpusOptions(BaseModel):
    """Which crystals are trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path = Field(description="anything 'pxrdgen data pack' reads; relative to the spec")
    split: str = Field(default="train", description="only this split; empty for all")
    max_atoms: int = Field(default=20, ge=2, description="larger cells are left out")
    max_volume: float = Field(default=700.0, gt=0, description="larger cells (A^3) are left out")
    weights: dict[str, float] = Field(
        default_factory=lambda: {"wbm_val": 0.5}, description="chance of taking part in an epoch, by source"
    )
    description: str = Field(default="", description="what the data are, for the card of the weights")


class ContrastiveOptions(BaseModel):
    """What a pattern encoder is pre-trained against."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    structure_encoder: ComponentSpec = Field(
        default=ComponentSpec(plugin="cspnet"), description="the encoder of the crystals, and its options"
    )
    temperature: float = Field(default=0.05, gt=0, le=10, description="that cosines are divided by")
    learn_temperature: bool = Field(default=False, description="start there and learn it")


class TrainingSpec(BaseModel):
    """What is trained, on what, how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ComponentKind = Field(default=ComponentKind.GENERATOR, description="kind of the component")
    component: ComponentSpec = Field(description="the component and its options")
    corpus: CorpusOptions
    training: TrainingOptions = Field(default_factory=TrainingOptions)
    contrastive: ContrastiveOptions | None = Field(default=None, description="encoders only; left out: the defaults")


def read_training_spec(path: Path) -> TrainingSpec:
    """Read a YAML or JSON spec; a relative corpus path is taken from the spec's folder.

    Raises:
        OptionError: not readable, or an option is unknown or out of range.
    """
    spec = validated(TrainingSpec, read_page(path, "training spec"), f"{path}: training spec")
    absolute = (path.parent / spec.corpus.path).resolve()
    return spec.model_copy(update={"corpus": spec.corpus.model_copy(update={"path": absolute})})
