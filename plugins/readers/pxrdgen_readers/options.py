"""Options of the readers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ReaderOptions(BaseModel):
    """What every reader heeds; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scan: int | None = Field(
        default=None, ge=1, description="Of a file of several scans, the one to read; default all."
    )


class ColumnsOptions(ReaderOptions):
    """What columns of numbers may need besides."""

    wavelength: float | None = Field(default=None, gt=0, description="A, turns an axis in Q, s or d into 2theta.")
    column: str | None = Field(default=None, description="Heading or number (from 1) of the intensity's column.")
