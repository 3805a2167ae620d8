"""How a model is trained; torch-free."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pxrdgen_learning.training.simulation_options import SimulationOptions


class TrainingOptions(BaseModel):
    """Optimiser, schedule and bookkeeping of one training run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(default=0, ge=0, description="of everything: weights, order, noise, augmentation")
    steps: int = Field(default=1_000_000, gt=0, description="steps at constant rate before the run ends by itself")
    learning_rate: float = Field(default=1e-3, gt=0, description="AdamW, after warm-up")
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: int = Field(default=200, ge=1, description="steps of linear warm-up")
    clip: float = Field(default=1.0, gt=0, description="norm the gradient is clipped to")
    ema: float = Field(default=0.999, ge=0, lt=1, description="decay of the averaged weights")
    atoms: int = Field(default=640, ge=1, description="atoms a micro-batch, about")
    max_crystals: int = Field(default=128, ge=1, description="crystals a micro-batch of small cells, at most")
    crystals: int = Field(default=64, ge=1, description="crystals a micro-batch, where atoms do not matter")
    per_step: int = Field(default=2, ge=1, description="micro-batches a step, each of one crystal size")
    checkpoint_every: int = Field(default=200, ge=1, description="steps between checkpoints")
    keep_every: int = Field(default=1000, ge=1, description="checkpoints at multiples of this are never deleted")
    log_every: int = Field(default=20, ge=1, description="steps between log lines")
    threads: int = Field(default=2, ge=1, description="CPU threads of each process")
    processes: int = Field(default=1, ge=1, description="that share each step's micro-batches; must divide per_step")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="where networks and simulated patterns live")
    prefetch: int = Field(
        default=0,
        ge=0,
        description="threads that make coming micro-batches ready while the device works; changes no number",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="of the products inside networks; geometry and losses are always float32"
    )
    simulation: SimulationOptions = Field(default_factory=SimulationOptions, description="patterns and augmentation")
