"""Options of the generators and their parts; this module imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


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


class FlowOptions(_Options):
    """The flow generator."""

    denoiser: AttentionOptions = Field(default_factory=AttentionOptions, description="the network")
    coupling: Literal["none", "symmetry"] = Field(default="symmetry", description="which noise goes with which crystal")
    sampler: Literal["stochastic", "euler"] = Field(default="stochastic", description="how states become crystals")
    steps: int = Field(default=25, ge=2, description="network calls a sample")
    anti_annealing: float = Field(default=0.0, ge=0, description="euler only: velocities are scaled by 1 + this x t")
    max_peaks: int = Field(default=96, ge=8, description="strongest peaks shown to the network")
    pattern_dropout: float = Field(default=0.05, ge=0, le=1, description="training crystals without their pattern")
    chunk: int = Field(default=40_000, ge=1, description="pairs of atoms sampled at once, which bounds the memory")
    weights: str = Field(default="flow", description="installed weights by name, or a .safetensors file")
