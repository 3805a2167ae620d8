"""Options of the readers: none of them needs any."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class NoOptions(BaseModel):
    """A component without options; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
