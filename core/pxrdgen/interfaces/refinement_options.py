"""What a user may ask of any refiner, whichever is installed."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class RefinementOptions(BaseModel):
    """The options of a refiner that heeds the words of ``pxrdgen refine``; one that does inherits them.

    A refiner whose options are others is never handed these words: the user is told instead.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    refine_texture: bool = Field(default=True, description="whether March-Dollase texture is tried")
    texture_axis: tuple[int, int, int] | None = Field(
        default=None,
        description="its Miller indices in the primitive cell; default: low-index axes are tried, none is taken unless "
        "it pays",
    )
    u_iso: Literal["element", "site", "overall"] = Field(
        default="element", description="which atoms share a Uiso: those of an element, of a site, or all"
    )
    background_terms: int | None = Field(
        default=None, ge=1, le=36, description="Chebyshev terms of the background; default: as many as pay"
    )
