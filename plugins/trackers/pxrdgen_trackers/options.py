"""Options of the trackers; loads no mlflow."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class JsonlOptions(BaseModel):
    """Where the runs go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path = Field(default=Path("runs/tracking"), description="made if it is not there")


class MlflowOptions(BaseModel):
    """Which store; without a URI, an SQLite file with a folder of artifacts beside it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uri: str = Field(default="", description="a tracking URI (http://..., sqlite:///...); empty for the folder's own")
    folder: Path = Field(
        default=Path("runs/mlflow"), description="mlflow.db and artifacts lie here when there is no URI"
    )
    artifacts: str = Field(
        default="", description="artifact location of new experiments; empty: the folder's, or the server's choice"
    )
