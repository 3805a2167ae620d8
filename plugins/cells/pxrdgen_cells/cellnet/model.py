"""The generative model: a Gaussian path, the network and a sampler, composed. Flow and diffusion differ by the path."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from pxrdgen_cells.cellnet.coordinates import to_basis
from pxrdgen_cells.cellnet.feed import CellBatch
from pxrdgen_cells.cellnet.network import CellNetwork
from pxrdgen_cells.cellnet.options import CellNetOptions
from pxrdgen_cells.cellnet.peaks import Condition
from pxrdgen_learning.generative.paths import (
    LARGEST_RATIO,
    SMALLEST_RATIO,
    CosineDiffusionPath,
    FlowPath,
    GaussianPath,
    clean_from,
    unit_variance,
)
from pxrdgen_learning.generative.samplers import AncestralSampler, OdeSampler, Sampler

#: training states: mean and spread of ln(sigma / alpha), and the share drawn evenly over the whole range instead.
_MEAN, _SPREAD, _EVEN = -1.5, 1.3, 0.3


@dataclass(frozen=True, kw_only=True)
class CellModel:
    """Cells by flow matching or diffusion, in the coordinates of :mod:`pxrdgen_cells.cellnet.coordinates`."""

    path: GaussianPath
    sampler: Sampler
    network: nn.Module
    draws: int
    contents_dropout: float
    z_dropout: float
    max_peaks: int

    @classmethod
    def from_options(cls, options: CellNetOptions) -> CellModel:
        """Build every part; the network's weights come from torch's global generator."""
        paths: dict[str, GaussianPath] = {"flow": FlowPath(), "diffusion": CosineDiffusionPath()}
        samplers: dict[str, Sampler] = {
            "ode": OdeSampler(steps=options.steps),
            "ancestral": AncestralSampler(steps=options.steps),
        }
        return cls(
            path=paths[options.path],
            sampler=samplers[options.sampler],
            network=CellNetwork(options.network),
            draws=options.draws,
            contents_dropout=options.contents_dropout,
            z_dropout=options.z_dropout,
            max_peaks=options.max_peaks,
        )

    def with_network(self, network: nn.Module) -> CellModel:
        """The same model around another network (averaged, or wrapped for a device)."""
        return replace(self, network=network)

    def loss(self, batch: CellBatch, rng: torch.Generator) -> Tensor:
        """[B] mean squared error of the velocity over ``draws`` states of each cell.

        The network is trained on states at unit variance by their ratio of noise to data, which all paths share.
        """
        count, draws = len(batch), self.draws
        condition = batch.condition.with_dropout(self.contents_dropout, self.z_dropout, rng)
        normal = _MEAN + _SPREAD * torch.randn(count, draws, generator=rng)
        lowest, highest = torch.tensor([SMALLEST_RATIO, LARGEST_RATIO]).log().tolist()
        even = lowest + (highest - lowest) * torch.rand(count, draws, generator=rng)
        log_ratio = torch.where(torch.rand(count, draws, generator=rng) < _EVEN, even, normal).clamp(lowest, highest)
        clean = batch.coordinates[:, None].expand(-1, draws, -1).reshape(-1, 6)
        noise = torch.randn(count * draws, 6, generator=rng)
        state, velocity = unit_variance(clean, noise, log_ratio.reshape(-1))
        estimate = self.network(state.view(count, draws, 6), log_ratio, condition)
        squared: Tensor = (estimate - velocity.view(count, draws, 6)) ** 2
        return squared.mean(dim=(1, 2))

    @torch.no_grad()
    def sample(self, condition: Condition, count: int, rng: torch.Generator) -> Tensor:
        """``count`` bases [count, 3, 3] (lower triangular, A) for the one pattern of ``condition``."""
        network = self.network
        if not isinstance(network, CellNetwork):
            raise TypeError(f"got a {type(network).__name__}, expected the bare network to sample with")
        memory = network.encode(condition)

        def estimate(state: Tensor, log_ratio: Tensor) -> Tensor:
            velocity = network(state[None], log_ratio[None], condition, memory)[0]
            return clean_from(state, velocity, log_ratio)

        noise = torch.randn(count, 6, generator=rng)
        return to_basis(self.sampler.run(estimate, self.path, noise, rng))
