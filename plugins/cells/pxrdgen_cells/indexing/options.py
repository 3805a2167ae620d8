"""Options of classical indexing; loads no torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class IndexingOptions(BaseModel):
    """How hard to try."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lines: int = Field(default=30, ge=8, le=32, description="lines of lowest angle that trials start from")
    tolerance: float = Field(
        default=0.012, gt=0, le=0.2, description="degrees a line may be off in the first pass; later passes allow more"
    )
    passes: int = Field(default=2, ge=1, le=4, description="passes, each more tolerant, while nothing convinces")
    batches: int = Field(default=8, ge=0, le=50, description="batches of random starts at most, few if a cell fits")
    fitted: int = Field(default=200, ge=10, le=5000, description="trials of each lattice type that are fitted")
    effort: float = Field(default=1.0, gt=0, le=4, description="share of the usual number of lines that start trials")
    minimum_volume: float = Field(default=8.0, gt=0, description="smallest primitive cell, A^3")
