"""Options of the encoders; this module imports no torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class EncoderOptions(BaseModel):
    """What every encoder has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(default=256, gt=0, description="numbers in the vector")


class PeaksOptions(EncoderOptions):
    """The encoder of peak lists."""

    width: int = Field(default=128, gt=0, description="numbers in the vector")
    hidden: int = Field(default=96, gt=0, description="numbers per peak")
    layers: int = Field(default=1, ge=0, description="transformer layers among the peaks")
    heads: int = Field(default=4, gt=0, description="attention heads; must divide the hidden width")
    seeds: int = Field(default=8, gt=0, description="learned questions asked of the peaks in the end")
    bins: int = Field(default=256, ge=0, description="of 1/d, for a histogram of the lines; 0: none")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="in training")

    @model_validator(mode="after")
    def _heads_divide_hidden(self) -> PeaksOptions:
        if self.hidden % self.heads:
            raise ValueError(f"got hidden {self.hidden} and {self.heads} heads; the heads must divide it")
        return self


class CnnOptions(EncoderOptions):
    """The convolutional encoder of profiles."""

    channels: tuple[int, ...] = Field(
        default=(16, 16, 32, 32, 64, 64, 128, 128, 256),
        min_length=1,
        description="of the stages, each halves the points",
    )
    dropout: float = Field(default=0.2, ge=0, lt=1, description="in training")
    points: int = Field(default=7500, ge=64, description="points of the profile")
    show_range: bool = Field(default=True, description="a second channel says what was measured; published: false")

    @model_validator(mode="after")
    def _points_last(self) -> CnnOptions:
        if self.points >> len(self.channels) == 0:
            raise ValueError(f"got {self.points} points and {len(self.channels)} stages; none would be left")
        return self


class TransformerOptions(EncoderOptions):
    """The transformer encoder of profiles."""

    patch: int = Field(default=10, gt=0, description="points a token")
    points: int = Field(default=7500, ge=64, description="points of the profile; a multiple of the patch")
    hidden: int = Field(default=128, gt=0, description="numbers a token")
    layers: int = Field(default=4, gt=0, description="transformer layers")
    heads: int = Field(default=4, gt=0, description="attention heads; must divide the hidden width")
    show_range: bool = Field(default=True, description="tokens say what was measured; published: false")
    feed_forward: int = Field(default=2048, gt=0, description="hidden numbers of the feed-forward parts")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="in training")

    @model_validator(mode="after")
    def _divide(self) -> TransformerOptions:
        if self.hidden % self.heads or self.hidden % 2:
            raise ValueError(f"got hidden {self.hidden} and {self.heads} heads; it must be even, the heads divide it")
        if self.points % self.patch:
            raise ValueError(f"got {self.points} points in patches of {self.patch}; the patch must divide the points")
        return self


class CspNetOptions(EncoderOptions):
    """The structure encoder on fully connected atoms."""

    width: int = Field(default=128, gt=0, description="numbers in the vector")
    hidden: int = Field(default=128, gt=0, description="numbers per atom")
    layers: int = Field(default=4, gt=0, description="rounds of messages")
    frequencies: int = Field(default=10, gt=0, description="Fourier features of each fractional difference")
    edge_layers: int = Field(default=2, ge=1, le=2, description="layers of the message network; 1 is cheaper")
    reciprocal: bool = Field(
        default=False,
        description="show the network the lattice's lines (not their intensities), and norm every layer",
    )


class E3nnOptions(EncoderOptions):
    """The structure encoder on tensor products over spherical harmonics."""

    width: int = Field(default=128, gt=0, description="numbers in the vector")
    channels: int = Field(default=32, gt=0, description="scalars per atom; half as many vectors, a quarter of l = 2")
    l_max: int = Field(default=2, ge=0, le=3, description="highest degree of the spherical harmonics")
    layers: int = Field(default=2, gt=0, description="rounds of messages")
    cutoff: float = Field(default=5.0, gt=0.5, le=12, description="longest edge, A")
    neighbours: int = Field(default=24, gt=0, description="edges an atom receives on average, for scale")
    radial: int = Field(default=8, gt=0, description="radial functions of an edge")
