"""Options of the refiners; this module imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pxrdgen.errors import nearest
from pxrdgen.interfaces.refinement_options import RefinementOptions


class DistanceOption(BaseModel):
    """A distance between neighbours, as text too: ``"P-O 1.53"`` or ``"P-O 1.53 0.02"``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: str = Field(description="symbol of an element")
    second: str = Field(description="symbol of an element")
    distance: float = Field(gt=0.3, lt=10, description="A")
    su: float = Field(default=0.02, gt=0, description="how far it may be off, A")
    reach: float = Field(default=1.3, gt=1, le=3, description="pairs within this many distances are restrained")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pair, *numbers = value.split()
        symbols = pair.split("-")
        if len(symbols) != 2 or len(numbers) not in (1, 2):
            raise ValueError(f"got {value!r}, expected a pair and a distance such as 'P-O 1.53' or 'P-O 1.53 0.02'")
        return {"first": symbols[0], "second": symbols[1], **dict(zip(("distance", "su"), numbers, strict=False))}


class LeastSquaresOptions(RefinementOptions):
    """The built-in Rietveld refinement."""

    max_cycles: int = Field(default=12, ge=1, description="cycles of the last stage, all parameters together")
    refine_cell: bool = Field(default=True, description="whether the cell moves, as its symmetry allows")
    refine_widths: bool = Field(default=True, description="whether the peak widths U V W X Y move")
    refine_u_iso: bool = Field(default=True, description="whether Uiso moves, restrained")
    refine_asymmetry: bool = Field(
        default=True, description="whether low-angle asymmetry (S + H) / L is refined where that pays"
    )
    distances: tuple[DistanceOption, ...] = Field(
        default=(), description="soft restraints on neighbours, such as ['P-O 1.53 0.02']"
    )
    shift: Literal["zero", "displacement", "both"] = Field(default="zero", description="what corrects peak positions")
    also: tuple[str, ...] = Field(
        default=(), description="further corrections to refine, by name; a name that is none tells which there are"
    )
    background: Literal["given", "chebyshev"] = Field(
        default="given", description="whether the polynomial corrects the background given, or is all of it"
    )
    tolerance: float = Field(
        default=0.1, gt=0, description="converged when no shift exceeds this share of its uncertainty"
    )
    quick: bool = Field(default=False, description="few cycles, for ranking many candidates")

    @field_validator("also")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        from pxrdgen_refiners.quantities import CORRECTIONS

        known = [quantity.name for quantity in CORRECTIONS]
        for name in names:
            if name not in known:
                raise ValueError(f"got {name!r}, expected some of {', '.join(known)}{nearest(name, known)}")
        return names
