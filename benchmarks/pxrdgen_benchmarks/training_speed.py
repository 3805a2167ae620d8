"""Crystals a second in training: our denoiser on batches of one size against the published arithmetic, padded.

``python -m pxrdgen_benchmarks.training_speed DATA`` times forward and backward passes of both in turns, on the same
crystals at equal width, and prints the ratio of the medians.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import torch
import typer
from torch import Tensor, nn
from torch.nn import functional

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import default_registry
from pxrdgen_learning.data.dataset import CrystalDataset
from pxrdgen_learning.data.dataset_sources import read_dataset

#: atoms that every crystal is padded to.
PADDED = 20


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
        self.edges = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(edge, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
                for _ in range(layers)
            ]
        )
        self.nodes = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
                for _ in range(layers)
            ]
        )
        self.head = nn.Linear(width, 3, bias=False)

    def forward(self, species: Tensor, coords: Tensor, basis: Tensor, mask: Tensor, t: Tensor) -> Tensor:
        """[B, N, 3] for padded crystals; ``mask`` [B, N] is 1 where there is an atom."""
        size = coords.shape[1]
        metric = (basis @ basis.transpose(-1, -2)).flatten(1)[:, None, None].expand(-1, size, size, -1)
        x = self.element(species) + self.time(t)[:, None]
        for norm, edge, node in zip(self.norms, self.edges, self.nodes, strict=True):
            h = norm(x)
            difference = coords[:, None] - coords[:, :, None]
            harmonics = 2.0 * math.pi * torch.arange(1, self.frequencies + 1)
            angles = (difference[..., None] * harmonics).flatten(-2)
            pairs = [
                h[:, :, None].expand(-1, -1, size, -1),
                h[:, None].expand(-1, size, -1, -1),
                metric,
                angles.sin(),
                angles.cos(),
            ]
            messages = edge(torch.cat(pairs, dim=-1)) * mask[:, None, :, None]
            mean = messages.sum(2) / mask.sum(1)[:, None, None]
            x = x + node(torch.cat([h, mean], dim=-1))
        out: Tensor = self.head(functional.layer_norm(x, x.shape[-1:])) * mask[..., None]
        return out


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Crystals a second, medians over the repeats."""

    ours: float
    padded: float
    padded_bucketed: float

    @property
    def ratio(self) -> float:
        """How many times faster ours trains than the padded network."""
        return self.ours / self.padded


def measure(
    dataset: CrystalDataset, *, width: int, layers: int, frequencies: int, repeats: int, seed: int = 0
) -> Speed:
    """Time both networks in turns on random crystals of the data's own distribution of sizes."""
    rng = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(dataset), generator=rng)[:64].tolist()
    crystals = [dataset[row] for row in chosen]
    ours = default_registry().build(
        ComponentKind.DENOISER, "cspnet", {"width": width, "layers": layers, "frequencies": frequencies}
    )
    padded = PaddedCspNet(width, layers, frequencies)
    buckets: dict[int, list[Any]] = {}
    for crystal in crystals:
        buckets.setdefault(len(crystal.species), []).append(crystal)
    by_size = [_tensors(group, size, rng) for size, group in sorted(buckets.items())]
    all_padded = [_tensors(crystals, PADDED, rng)]
    times: dict[str, list[float]] = {"ours": [], "padded": [], "bucketed": []}
    for _ in range(repeats + 1):
        times["ours"].append(_seconds(lambda: _step_ours(ours, by_size)))
        times["padded"].append(_seconds(lambda: _step_padded(padded, all_padded)))
        times["bucketed"].append(_seconds(lambda: _step_padded(padded, by_size)))
    median = {name: len(crystals) / statistics.median(values[1:]) for name, values in times.items()}
    return Speed(ours=median["ours"], padded=median["padded"], padded_bucketed=median["bucketed"])


@dataclass(frozen=True, kw_only=True)
class _Batch:
    species: Tensor
    coords: Tensor
    basis: Tensor
    mask: Tensor
    t: Tensor
    target: Tensor


def _tensors(crystals: list[Any], size: int, rng: torch.Generator) -> _Batch:
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
        functional.mse_loss(network(batch.coords, batch.t, told).atoms, batch.target).backward()


def _step_padded(network: PaddedCspNet, batches: list[_Batch]) -> None:
    network.zero_grad(set_to_none=True)
    for batch in batches:
        t = batch.t[:, None].expand(-1, 256)
        out = network(batch.species, batch.coords, batch.basis, batch.mask, t)
        functional.mse_loss(out, batch.target).backward()


def _seconds(work: Any) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main(
    data: Annotated[Path, typer.Argument(help="Crystals: anything 'pxrdgen data pack' reads.")],
    width: Annotated[int, typer.Option(min=8, help="Numbers per atom.")] = 256,
    layers: Annotated[int, typer.Option(min=1)] = 6,
    frequencies: Annotated[int, typer.Option(min=1)] = 128,
    repeats: Annotated[int, typer.Option(min=1, help="Timed steps of each.")] = 5,
) -> None:
    """Compare the denoiser's training speed with the published arithmetic, in CPU seconds.

    Examples:

      python -m pxrdgen_benchmarks.training_speed crystals.parquet

      python -m pxrdgen_benchmarks.training_speed crystals.parquet --width 512 --repeats 3
    """
    dataset = read_dataset(data).dataset.select(split="train", max_atoms=PADDED)
    found = measure(dataset, width=width, layers=layers, frequencies=frequencies, repeats=repeats)
    typer.echo(f"ours, one size a batch        {found.ours:8.1f} crystals per CPU second")
    typer.echo(f"published arithmetic, padded  {found.padded:8.1f}")
    typer.echo(f"the same, one size a batch    {found.padded_bucketed:8.1f}")
    typer.echo(f"ratio                         {found.ratio:8.2f}")


if __name__ == "__main__":
    typer.run(main)
