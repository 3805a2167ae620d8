"""Options of ``cellnet``; this module imports no torch."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CellNetworkOptions(_Options):
    """Sizes of the network."""

    peak_width: int = Field(default=96, gt=0, description="numbers per peak")
    peak_layers: int = Field(default=2, ge=1, description="attention layers over the peaks")
    heads: int = Field(default=4, gt=0, description="attention heads; must divide the peak width")
    condition: int = Field(default=192, gt=0, description="numbers that sum up pattern and contents")
    width: int = Field(default=256, gt=0, description="numbers per proposed cell")
    blocks: int = Field(default=3, ge=1, description="residual blocks a proposed cell goes through")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> CellNetworkOptions:
        if self.peak_width % self.heads:
            raise ValueError(
                f"got peak width {self.peak_width} and {self.heads} heads; the heads must divide the width"
            )
        return self


class PeakAugmentation(_Options):
    """What training does to the peaks of a crystal, in degrees of 2theta for Cu K-alpha."""

    zero: float = Field(default=0.03, ge=0, description="standard deviation of the zero shift")
    position: tuple[float, float] = Field(default=(0.001, 0.02), description="error of each peak, log-uniform")
    resolution: tuple[float, float] = Field(default=(0.03, 0.2), description="peaks closer than this merge")
    strain: float = Field(default=0.012, ge=0, description="spread of strains that keep the lattice's symmetry")
    intensity: float = Field(default=0.3, ge=0, description="spread of the logarithm of intensities")
    lowest: tuple[float, float] = Field(default=(5.0, 12.0), description="start of the measured range")
    highest: tuple[float, float] = Field(default=(60.0, 90.0), description="its end")
    detection: tuple[float, float] = Field(default=(3e-4, 3e-2), description="weaker shares of the strongest are lost")
    lost: float = Field(default=0.03, ge=0, le=1, description="chance of a peak to be lost besides")
    extra: float = Field(default=0.25, ge=0, le=1, description="chance of a pattern to have impurity peaks")
    clean: float = Field(default=0.3, ge=0, le=1, description="patterns left ideal")


class CellNetOptions(_Options):
    """The predictor ``cellnet``."""

    #: how cells are drawn; all other options belong to the weights.
    adjustable: ClassVar[frozenset[str]] = frozenset({"sampler", "steps", "polish", "pool", "chunk"})

    network: CellNetworkOptions = Field(default_factory=CellNetworkOptions, description="the network")
    path: Literal["flow", "diffusion"] = Field(default="flow", description="how noise becomes cells")
    sampler: Literal["ode", "ancestral"] = Field(default="ode", description="deterministic or with fresh noise")
    steps: int = Field(default=16, ge=2, description="network calls a proposal")
    max_peaks: int = Field(default=32, ge=8, description="peaks shown to the network, lowest angles first")
    draws: int = Field(default=16, ge=1, description="training states per crystal")
    contents_dropout: float = Field(default=0.3, ge=0, le=1, description="training crystals without their formula")
    z_dropout: float = Field(default=0.3, ge=0, le=1, description="of the rest, those with the formula but not Z")
    augmentation: PeakAugmentation = Field(default_factory=PeakAugmentation, description="of training peaks")
    polish: bool = Field(default=True, description="fit draws to the peaks, return the best; else draws as they come")
    pool: int = Field(default=1000, ge=1, description="draws that polished proposals are chosen from, at least")
    chunk: int = Field(default=1024, ge=1, description="proposals made at once, which bounds the memory")
