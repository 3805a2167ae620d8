"""Options of the scorer ``figure_of_merit``; loads no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class FigureOfMeritOptions(BaseModel):
    """Which figure, over how many lines."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    merit: Literal["m", "f", "log_odds"] = Field(
        default="m", description="m: ln M_N (de Wolff), f: ln F_N (Smith & Snyder), log_odds: of all lines"
    )
    lines: int = Field(default=20, ge=4, le=60, description="N, lines of lowest angle that M_N and F_N count")
    coarse: bool = Field(default=True, description="fit cells that may be off by a percent or two to the peaks first")
