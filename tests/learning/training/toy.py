"""The smallest models that train, short trainings, and whether two of them left the same files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from pxrdgen_learning.training import checkpoint
from pxrdgen_learning.training.batch import TrainingBatch
from pxrdgen_learning.training.options import TrainingOptions
from pxrdgen_learning.training.simulation_options import SimulationOptions

CLEAN = SimulationOptions(clean_fraction=1.0)
QUICK = TrainingOptions(atoms=16, per_step=2, warmup=4, checkpoint_every=5, threads=1, learning_rate=1e-2)
TINY = {
    "component": {
        "plugin": "flow",
        "options": {
            "denoiser": {
                "plugin": "attention",
                "options": {"width": 16, "layers": 2, "heads": 2, "peak_width": 8, "pair_hidden": 8, "pair_width": 4},
            }
        },
    },
    "corpus": {"path": "pack.npz"},
    "training": {"steps": 96, "atoms": 12, "warmup": 4, "checkpoint_every": 4, "log_every": 1, "threads": 1},
}


@dataclass(frozen=True)
class Toy:
    """A model that only guesses a number; enough for the loop."""

    network: nn.Module

    def with_network(self, network: nn.Module) -> Toy:
        return replace(self, network=network)

    def loss(self, batch: TrainingBatch, rng: torch.Generator) -> Tensor:
        noise = torch.randn(len(batch), 4, generator=rng)
        return ((self.network(noise) - batch.crystals.volume[:, None] / 50.0) ** 2).mean(dim=1)


def toy() -> Toy:
    torch.manual_seed(0)
    return Toy(nn.Linear(4, 1))


def same_files(first: Path, second: Path) -> None:
    one, two = checkpoint.checkpoints(first)[-1], checkpoint.checkpoints(second)[-1]
    assert one.name == two.name
    for name in ("network", "average", "optimizer"):
        a, b = load_file(one / f"{name}.safetensors"), load_file(two / f"{name}.safetensors")
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a), name
