"""Options of the encoder; this module imports nothing heavy."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class MyEncoderOptions(BaseModel):
    """What a spec may say about it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(default=64, ge=2, description="length of the vector")
    octaves: int = Field(default=8, ge=1, le=12, description="frequencies that 1/d^2 is looked at with")
