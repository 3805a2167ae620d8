"""The denoiser of the published method: messages between all atoms along fractional differences."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pxrdgen.interfaces.denoiser import Denoiser, Estimate
from pxrdgen_generators.conditions import Condition
from pxrdgen_generators.denoisers.activations import silu
from pxrdgen_generators.denoisers.pair_lists import half_of_pairs
from pxrdgen_generators.options import CspNetOptions
from pxrdgen_learning.training.workers import full_precision

#: rows of the embedding of elements.
_ELEMENTS = 128
#: length of the sinusoidal embedding of time, and how many levels t is counted in.
_TIME_WIDTH, _TIME_LEVELS = 256, 1000.0


@dataclass(frozen=True, kw_only=True)
class Memory:
    """[B, n, width] atoms before they know the time."""

    atoms: Tensor


class CspNetDenoiser(nn.Module, Denoiser):
    """Jiao et al. 2023 (arXiv:2309.04475), as in Li et al. 2025 (doi:10.1038/s41467-025-62708-8).

    Edges between all atoms, self included, see both atoms, the metric tensor and Fourier features of the fractional
    difference; means of messages update the atoms. The first layer of the edge network is a sum of one term an atom,
    one a pair and one a cell instead of one product with all of them concatenated, and the Fourier features are
    computed once a call: the same function with a third of the arithmetic. No distances, no peaks: the pattern
    enters as the encoder's vector, once, at the input.
    """

    def __init__(self, options: CspNetOptions) -> None:
        super().__init__()
        width = options.width
        self._width, self.frequencies = width, options.frequencies
        self.element = nn.Embedding(_ELEMENTS, width)
        self.atom_in = nn.Linear(width, width)
        self.time_in = nn.Linear(_TIME_WIDTH, width, bias=False)
        self.layers = nn.ModuleList([_Layer(width, 6 * options.frequencies) for _ in range(options.layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3, bias=False)

    @property
    def width(self) -> int:
        """See :class:`Denoiser`."""
        return self._width

    def encode(self, condition: Condition) -> Memory:
        """See :meth:`Denoiser.encode`."""
        return Memory(atoms=self.atom_in(self.element(condition.species)))

    def forward(self, state: Tensor, t: Tensor, condition: Condition, memory: object | None = None) -> Estimate:
        """See :meth:`Denoiser.forward`; the answer for the atoms is in the cell's own axes."""
        if not isinstance(memory, Memory):
            memory = self.encode(condition)
        x = memory.atoms + self.time_in(_time_features(t))[:, None]
        if condition.vector is not None:
            x = x + condition.vector[:, None]
        with full_precision(state):
            metric = (condition.basis @ condition.basis.transpose(-1, -2)).flatten(1)
        fourier = _pair_features(state, self.frequencies)
        for layer in self.layers:
            x = layer(x, fourier, metric)
        x = self.norm(x)
        out: Tensor = self.head(x)
        return Estimate(atoms=out - out.mean(dim=1, keepdim=True), features=x.mean(dim=1))


class _Layer(nn.Module):
    """m_ij = phi(h_i, h_j, f_ij, cell), averaged over j; h_i + psi(h_i, m_i)."""

    def __init__(self, width: int, fourier: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.receiver, self.sender = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.pair, self.cell = nn.Linear(fourier, width, bias=False), nn.Linear(9, width, bias=False)
        self.edge = nn.Linear(width, width)
        self.node = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, x: Tensor, fourier: tuple[Tensor, Tensor], metric: Tensor) -> Tensor:
        """[B, n, width] to the same; ``x`` and ``metric`` may be one for all."""
        h = self.norm(x)
        by_atom = (self.receiver(h) + self.cell(metric)[:, None])[:, :, None] + self.sender(h)[:, None]
        messages = silu(self.edge(silu(self._by_pair(fourier, x.shape[1]).add_(by_atom))))
        received = messages.mean(dim=2)
        out: Tensor = x + self.node(torch.cat([h.expand_as(received), received], dim=-1))
        return out

    def _by_pair(self, fourier: tuple[Tensor, Tensor], size: int) -> Tensor:
        """[B, n, n, width] of all pairs, from the sines and cosines of half of them: the sines change sign."""
        sine, cosine = (part @ weight.T for part, weight in zip(fourier, self.pair.weight.chunk(2, dim=1), strict=True))
        either = half_of_pairs(size, sine.device).either
        return torch.cat([cosine + sine, cosine - sine], dim=1).index_select(1, either).unflatten(1, (size, size))


@torch.no_grad()
def _pair_features(state: Tensor, frequencies: int) -> tuple[Tensor, Tensor]:
    """[B, P, 3 F] sines and cosines of 2 pi k (x_j - x_i), k from 1, for i <= j."""
    pairs = half_of_pairs(state.shape[1], state.device)
    difference = state[:, pairs.second] - state[:, pairs.first]
    harmonics = 2.0 * math.pi * torch.arange(1, frequencies + 1, dtype=state.dtype, device=state.device)
    angles = (difference[..., None] * harmonics).flatten(-2)
    return angles.sin(), angles.cos()


def _time_features(t: Tensor) -> Tensor:
    """[B, 256] sines and cosines of t counted in thousandths (Vaswani et al. 2017, arXiv:1706.03762)."""
    half = _TIME_WIDTH // 2
    falling = torch.arange(half, dtype=t.dtype, device=t.device) * (-math.log(10_000.0) / (half - 1))
    angles = _TIME_LEVELS * t[:, None] * falling.exp()
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
