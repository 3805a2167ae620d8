"""Crystals a second in training: our denoiser on batches of one size against the published arithmetic, padded.

Forward and backward passes of both in turns, on the same crystals at equal width.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn
from torch.nn import functional

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.task import Task
from pxrdgen.plugins.registry import default_registry
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.options import Options
from pxrdgen_benchmarks.subject import Subject
from pxrdgen_benchmarks.subsets import shared_folder
from pxrdgen_learning.data.dataset_sources import read_dataset

#: atoms that every crystal is padded to.
PADDED = 20


class TrainingSpeedSpec(Options):
    """The network, the same on both sides."""

    width: int = Field(default=256, ge=8, description="numbers per atom")
    layers: int = Field(default=6, ge=1)
    frequencies: int = Field(default=128, ge=1, description="of the Fourier features")
    repeats: int = Field(default=5, ge=1, description="timed steps of each; the median counts")


class TrainingSpeedData(Options):
    """Random crystals of the data's own distribution of sizes."""

    crystals: Path | None = Field(default=None, description="table or pack; default: the shared data folder's")
    count: int = Field(default=64, ge=1, description="of its train split")


@dataclass(frozen=True, kw_only=True)
class TrainingSpeedRow:
    """Crystals per CPU second, medians over the repeats.

    Args:
        ours: our denoiser, batches of one size.
        padded: the published arithmetic, every crystal padded.
        padded_by_size: the same on batches of one size.
        ratio: of the first two.
    """

    ours: float
    padded: float
    padded_by_size: float
    ratio: float


class TrainingSpeed(Task):
    """Ours beside the published arithmetic."""

    spec_model: ClassVar[type[BaseModel]] = TrainingSpeedSpec
    data_model: ClassVar[type[BaseModel]] = TrainingSpeedData
    headline: ClassVar[str] = "ratio"
    card_values: ClassVar[tuple[str, ...]] = ("ours", "padded", "padded_by_size", "ratio")

    def cases(self, data: Any) -> Sequence[Subject[TrainingSpeedData]]:
        """The one batch."""
        return [Subject(what=data, column="forward and backward")]

    def measure(self, case: Any, spec: Any) -> TrainingSpeedRow:
        """Time both networks in turns, after one step that warms up."""
        rng, crystals = torch.Generator().manual_seed(0), _crystals(case.what)
        options = spec.model_dump(include={"width", "layers", "frequencies"})
        ours: Any = default_registry().build(ComponentKind.DENOISER, "cspnet", options)
        padded = PaddedCspNet(**options)
        sizes = sorted({len(crystal) for crystal in crystals})
        by_size = [_tensors([each for each in crystals if len(each) == size], size, rng) for size in sizes]
        together = [_tensors(crystals, PADDED, rng)]
        steps: list[Callable[[], None]] = [
            lambda: _step_ours(ours, by_size),
            lambda: _step_padded(padded, together),
            lambda: _step_padded(padded, by_size),
        ]
        times = [[_seconds(step) for step in steps] for _ in range(spec.repeats + 1)]
        speeds = [len(crystals) / median(each) for each in zip(*times[1:], strict=True)]
        return TrainingSpeedRow(ours=speeds[0], padded=speeds[1], padded_by_size=speeds[2], ratio=speeds[0] / speeds[1])


def _crystals(data: TrainingSpeedData) -> list[Crystal]:
    dataset = read_dataset(data.crystals or shared_folder() / "crystals.parquet").dataset
    dataset = dataset.select(split="train", max_atoms=PADDED)
    return [*dataset.take(np.random.default_rng(0).permutation(len(dataset))[: data.count])]


class PaddedCspNet(nn.Module):
    """CSPNet as it is published (Jiao et al. 2023, arXiv:2309.04475), on crystals padded to a fixed number of atoms.

    The first edge layer is one product with everything concatenated, and each layer computes the Fourier features
    again.
    """

    def __init__(self, width: int, layers: int, frequencies: int) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.element = nn.Embedding(128, width)
        self.time = nn.Linear(256, width)
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(layers)])
        edge = 2 * width + 9 + 6 * frequencies
        self.edges = nn.ModuleList([_two_layers(edge, width) for _ in range(layers)])
        self.nodes = nn.ModuleList([_two_layers(2 * width, width) for _ in range(layers)])
        self.head = nn.Linear(width, 3, bias=False)

    def forward(self, species: Tensor, coords: Tensor, basis: Tensor, mask: Tensor, t: Tensor) -> Tensor:
        """[B, N, 3] for padded crystals; ``mask`` [B, N] is 1 where there is an atom."""
        size = coords.shape[1]
        metric = (basis @ basis.transpose(-1, -2)).flatten(1)[:, None, None].expand(-1, size, size, -1)
        x = self.element(species) + self.time(t)[:, None]
        for norm, edge, node in zip(self.norms, self.edges, self.nodes, strict=True):
            h = norm(x)
            harmonics = 2.0 * math.pi * torch.arange(1, self.frequencies + 1)
            angles = ((coords[:, None] - coords[:, :, None])[..., None] * harmonics).flatten(-2)
            ends = (h[:, :, None].expand(-1, -1, size, -1), h[:, None].expand(-1, size, -1, -1))
            messages = edge(torch.cat([*ends, metric, angles.sin(), angles.cos()], dim=-1)) * mask[:, None, :, None]
            mean = messages.sum(2) / mask.sum(1)[:, None, None]
            x = x + node(torch.cat([h, mean], dim=-1))
        out: Tensor = self.head(functional.layer_norm(x, x.shape[-1:])) * mask[..., None]
        return out


def _two_layers(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())


@dataclass(frozen=True, kw_only=True)
class _Batch:
    species: Tensor
    coords: Tensor
    basis: Tensor
    mask: Tensor
    t: Tensor
    target: Tensor


def _tensors(crystals: Sequence[Crystal], size: int, rng: torch.Generator) -> _Batch:
    count = len(crystals)
    species, mask = torch.zeros(count, size, dtype=torch.long), torch.zeros(count, size)
    coords = torch.rand(count, size, 3, generator=rng)
    for row, crystal in enumerate(crystals):
        atoms = len(crystal.species)
        species[row, :atoms] = torch.as_tensor(crystal.species)
        mask[row, :atoms] = 1.0
    basis = torch.stack([torch.as_tensor(crystal.basis, dtype=torch.float32) for crystal in crystals])
    t = torch.rand(count, generator=rng)
    return _Batch(species=species, coords=coords, basis=basis, mask=mask, t=t, target=torch.zeros(count, size, 3))


def _step_ours(network: Any, batches: list[_Batch]) -> None:
    network.zero_grad(set_to_none=True)
    for batch in batches:
        told = SimpleNamespace(species=batch.species, basis=batch.basis, vector=None, cell=None)
        functional.mse_loss(network(batch.coords, batch.t, told).atoms, batch.target).backward()  # type: ignore[no-untyped-call]


def _step_padded(network: PaddedCspNet, batches: list[_Batch]) -> None:
    network.zero_grad(set_to_none=True)
    for batch in batches:
        t = batch.t[:, None].expand(-1, 256)
        out = network(batch.species, batch.coords, batch.basis, batch.mask, t)
        functional.mse_loss(out, batch.target).backward()  # type: ignore[no-untyped-call]


def _seconds(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
