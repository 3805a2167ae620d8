"""Options of the refiners; this module imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LeastSquaresOptions(BaseModel):
    """The built-in Rietveld refinement."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_cycles: int = Field(default=12, ge=1, description="cycles of the last stage, all parameters together")
    refine_cell: bool = Field(default=True, description="whether the cell moves, as its symmetry allows")
    refine_widths: bool = Field(default=True, description="whether the peak widths U V W X Y move")
    refine_u_iso: bool = Field(default=True, description="whether Uiso moves, one number an element, restrained")
    refine_texture: bool = Field(default=True, description="whether March-Dollase texture is tried on low-index axes")
    shift: Literal["zero", "displacement", "both"] = Field(default="zero", description="what corrects peak positions")
    background_terms: int | None = Field(
        default=None,
        ge=1,
        le=24,
        description="Chebyshev terms on top of the given background; default 6 to 18 as the fit asks",
    )
    tolerance: float = Field(
        default=0.1, gt=0, description="converged when no shift exceeds this share of its uncertainty"
    )
    quick: bool = Field(default=False, description="few cycles, for ranking many candidates")
