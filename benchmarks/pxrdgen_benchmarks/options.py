"""Specs and data of tasks: frozen, and nothing in them that nobody asked for."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Fields of their own in each task."""

    model_config = ConfigDict(frozen=True, extra="forbid")
