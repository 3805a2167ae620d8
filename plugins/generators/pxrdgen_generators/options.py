"""Options of the generators and their parts; this module imports no torch."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pxrdgen.specs.component import ComponentSpec


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DirectSpaceOptions(_Options):
    """The direct-space search."""

    symmetric_share: float = Field(
        default=0.6, ge=0, le=1, description="share of the random starts that obey a random space group"
    )
    given_group_share: float = Field(
        default=0.9, ge=0, le=1, description="share that obeys the space group, where the user gave one"
    )


class WyckoffOptions(_Options):
    """The search over Wyckoff positions."""

    share: float = Field(
        default=2.0, gt=0, le=100, description="work of a round, in units of a round of free least squares"
    )


class AttentionOptions(_Options):
    """The attention denoiser."""

    width: int = Field(default=192, gt=0, description="numbers per atom")
    layers: int = Field(default=6, gt=0, description="transformer layers; every second one looks at the peaks")
    heads: int = Field(default=8, gt=0, description="attention heads; must divide the width")
    peak_width: int = Field(default=96, gt=0, description="numbers per peak")
    pair_hidden: int = Field(default=96, gt=0, description="hidden numbers per pair of atoms")
    pair_width: int = Field(default=24, gt=0, description="numbers per pair that attention carries into the atoms")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> AttentionOptions:
        if self.width % self.heads:
            raise ValueError(f"got width {self.width} and {self.heads} heads; the heads must divide the width")
        return self


class CspNetOptions(_Options):
    """The denoiser of the published method."""

    width: int = Field(default=512, gt=0, description="numbers per atom")
    layers: int = Field(default=6, gt=0, description="rounds of messages")
    frequencies: int = Field(default=128, gt=0, description="Fourier features of each fractional difference")


class DenoisingOptions(_Options):
    """What flow and diffusion share."""

    #: how samples are drawn; all other options belong to the weights.
    adjustable: ClassVar[frozenset[str]] = frozenset({"steps", "sampler", "chunk", "device"})

    denoiser: ComponentSpec = Field(default=ComponentSpec(plugin="attention"), description="the network")
    encoder: ComponentSpec | None = Field(
        default=None, description="an encoder whose vector of the pattern the network is told"
    )
    structure_encoder: ComponentSpec | None = Field(
        default=None,
        description="a control that leaks: the network is told the features of the true structure; such a generator "
        "serves benchmarks alone",
    )
    encoder_fixed: bool = Field(
        default=False, exclude=True, description="older word for 'fixed: true' beside the weights of the encoder"
    )
    cell: Literal["given", "generated", "either"] = Field(
        default="given", description="either: one network for both, the cell dropped from half of the training"
    )
    cell_coordinates: Literal["lengths-angles", "raw"] = Field(
        default="lengths-angles", description="how a generated cell is written"
    )
    cell_weight: float = Field(default=0.3, gt=0, description="of the cell's part of the loss")
    steps: int = Field(default=25, ge=2, description="steps a sample")
    max_peaks: int = Field(default=96, ge=8, description="strongest peaks shown to the network")
    pattern_dropout: float = Field(default=0.05, ge=0, le=1, description="training crystals without their pattern")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="where samples are drawn")
    chunk: int = Field(default=40_000, ge=1, description="pairs of atoms sampled at once, which bounds the memory")

    @model_validator(mode="before")
    @classmethod
    def _say_it_of_the_encoder(cls, values: Any) -> Any:
        if not (isinstance(values, dict) and values.get("encoder_fixed")):
            return values
        named = {field: values[field] for field in ("encoder", "structure_encoder") if values.get(field)}
        if not named:
            raise ValueError("got encoder_fixed without an encoder; name the encoder and its weights, or leave it out")
        return {**values, "encoder_fixed": False, **{field: _fixed(spec) for field, spec in named.items()}}


def _fixed(spec: Any) -> dict[str, Any]:
    """The encoder of a spec of old, which may say its weights among its options."""
    said = spec.model_dump() if isinstance(spec, ComponentSpec) else dict(spec)
    options = dict(said.get("options", {}))
    weights = options.pop("weights", "")
    return {"weights": weights, **said, "options": options, "fixed": True}


class FlowOptions(DenoisingOptions):
    """The flow generator."""

    adjustable: ClassVar[frozenset[str]] = DenoisingOptions.adjustable | {"anti_annealing"}

    coupling: Literal["none", "assignment", "symmetry"] = Field(
        default="symmetry", description="which noise goes with which crystal"
    )
    sampler: Literal["stochastic", "euler"] = Field(default="stochastic", description="how states become crystals")
    anti_annealing: float = Field(default=0.0, ge=0, description="euler only: velocities are scaled by 1 + this x t")


class DiffusionOptions(DenoisingOptions):
    """The diffusion generator."""

    sampler: Literal["predictor-corrector", "ancestral", "stochastic", "euler"] = Field(
        default="ancestral", description="how states become crystals; the first is the published one, two calls a step"
    )
    sigma_min: float = Field(default=0.005, gt=0, description="noise next to the data, in fractions of the cell")
    sigma_max: float = Field(default=0.5, gt=0, le=1, description="noise at the start, in fractions of the cell")

    @model_validator(mode="after")
    def _noise_grows(self) -> DiffusionOptions:
        if self.sigma_min >= self.sigma_max:
            raise ValueError(f"got sigma_min {self.sigma_min:g}, expected it below sigma_max {self.sigma_max:g}")
        return self
