"""Options of the scorers; this module imports nothing heavy."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FastDtwOptions(_Options):
    """The scorer ``fastdtw``."""

    implementation: Literal["dtaidistance", "fastdtw"] = Field(
        default="dtaidistance", description="exact and fast, or the published approximation"
    )
    radius: int = Field(default=1, ge=1, description="fastdtw only: how far it looks around a coarser path")
    max_peaks: int = Field(default=60, ge=4, description="observed peaks compared, lowest angles first")
    volume_weight: float = Field(default=1.0, ge=0, description="of the volume expected from the formula; 0 for none")


class LeBailOptions(_Options):
    """The scorer ``lebail``."""

    at_most: int = Field(default=8, ge=1, description="hypotheses fitted; the rest explain too few peaks to be tried")
    refine_widths: bool = Field(default=False, description="refine peak widths too: slower, seldom needed")
    volume_weight: float = Field(default=1.0, ge=0, description="of the volume expected from the formula; 0 for none")
