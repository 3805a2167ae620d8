"""Options of the dual-space search; this module imports nothing heavy."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DualSpaceOptions(BaseModel):
    """How much a round does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tries: int = Field(default=24, ge=2, le=4096, description="random phase sets flipped at once")
    kept: int = Field(default=5, ge=1, le=64, description="most skewed maps of a round that are developed")
    recycled: int = Field(default=4, ge=0, le=64, description="developed maps of a round that go through all cycles")
    improved: int = Field(default=3, ge=0, le=32, description="best arrangements of all rounds that are mended")
    patience: int = Field(default=6, ge=1, le=100, description="vain mendings in a row after which one is left alone")
    without_group: float = Field(
        default=0.25, ge=0, le=1, description="share of rounds that flip without symmetry and look for the origin"
    )
    groups_a_map: int = Field(default=3, ge=1, le=16, description="groups that a map without symmetry is tried in")
