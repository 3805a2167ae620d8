"""The network: attention over the peaks sums up a pattern, residual blocks say how a noisy cell should move."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from pxrdgen_cells.cellnet.misfit import MISFIT_FEATURES, misfit_features
from pxrdgen_cells.cellnet.options import CellNetworkOptions
from pxrdgen_cells.cellnet.peaks import PEAK_FEATURES, Condition

_ELEMENTS, _ELEMENT_WIDTH, _SCALARS = 119, 32, 5
_NOISE_FEATURES = 16


@final
class CellNetwork(nn.Module):
    """Velocity of states of a cell (see :func:`pxrdgen_learning.generative.paths.unit_variance`), given a pattern."""

    def __init__(self, options: CellNetworkOptions) -> None:
        super().__init__()
        self.encoder = _PatternEncoder(options)
        self.enter = nn.Linear(6 + MISFIT_FEATURES + _NOISE_FEATURES, options.width)
        self.from_condition = nn.Linear(options.condition, options.width)
        self.blocks = nn.ModuleList(_Block(options.width, options.condition) for _ in range(options.blocks))
        self.norm = nn.LayerNorm(options.width)
        self.leave = nn.Linear(options.width, 6)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def encode(self, condition: Condition) -> Tensor:
        """[B, C] what is remembered of the patterns."""
        memory: Tensor = self.encoder(condition)
        return memory

    def forward(self, state: Tensor, log_ratio: Tensor, condition: Condition, memory: Tensor | None = None) -> Tensor:
        """[B, S, 6] velocities of ``state`` [B, S, 6] at ``log_ratio`` [B, S]; ``memory`` spares encoding again."""
        memory = self.encode(condition) if memory is None else memory
        misfit = misfit_features(state, log_ratio, condition.q, condition.mask)
        hidden = self.enter(torch.cat([state, misfit, _noise_features(log_ratio)], dim=-1))
        hidden = hidden + self.from_condition(memory)[:, None]
        for block in self.blocks:
            hidden = block(hidden, memory)
        velocity: Tensor = self.leave(self.norm(hidden))
        return velocity


def _noise_features(log_ratio: Tensor) -> Tensor:
    """[..., 16] Fourier features of ln(sigma / alpha)."""
    scaled = log_ratio[..., None] * (math.pi / 12.0 * 2.0 ** (torch.arange(8, dtype=log_ratio.dtype) / 2.0))
    return torch.cat([scaled.sin(), scaled.cos()], dim=-1)


@final
class _Block(nn.Module):
    """h + W2 silu(W1 (norm(h) (1 + g) + b)), g and b from the pattern."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(condition, 2 * width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, hidden: Tensor, memory: Tensor) -> Tensor:
        """[B, S, W] from [B, S, W] and [B, C]."""
        gain, shift = self.modulation(memory)[:, None].chunk(2, dim=-1)
        inner = F.silu(self.first(self.norm(hidden) * (1.0 + gain) + shift))
        moved: Tensor = hidden + self.second(inner)
        return moved


@final
class _PatternEncoder(nn.Module):
    """Peaks attend to each other; their mean, a summary token and the contents of the cell become one vector."""

    def __init__(self, options: CellNetworkOptions) -> None:
        super().__init__()
        width = options.peak_width
        self.enter = nn.Sequential(nn.Linear(PEAK_FEATURES, width), nn.SiLU(), nn.Linear(width, width))
        self.summary = nn.Parameter(0.02 * torch.randn(width))
        self.layers = nn.ModuleList(_PeakLayer(width, options.heads) for _ in range(options.peak_layers))
        self.norm = nn.LayerNorm(2 * width)
        self.elements = nn.Embedding(_ELEMENTS, _ELEMENT_WIDTH, padding_idx=0)
        self.contents = nn.Sequential(nn.Linear(_ELEMENT_WIDTH + _SCALARS, width), nn.SiLU(), nn.Linear(width, width))
        self.leave = nn.Sequential(
            nn.Linear(3 * width, options.condition), nn.SiLU(), nn.Linear(options.condition, options.condition)
        )

    def forward(self, condition: Condition) -> Tensor:
        """[B, C]."""
        batch = len(condition)
        contents = self._contents(condition)
        tokens = self.enter(condition.peak_features())
        tokens = torch.cat([(self.summary + contents)[:, None], tokens], dim=1)
        mask = torch.cat([torch.ones(batch, 1, dtype=torch.bool), condition.mask], dim=1)
        for layer in self.layers:
            tokens = layer(tokens, mask)
        weights = condition.mask.to(tokens.dtype)[..., None]
        mean = (tokens[:, 1:] * weights).sum(1) / weights.sum(1).clamp(min=1.0)
        pooled = self.norm(torch.cat([tokens[:, 0], mean], dim=-1))
        memory: Tensor = self.leave(torch.cat([pooled, contents], dim=-1))
        return memory

    def _contents(self, condition: Condition) -> Tensor:
        present = (condition.species > 0).to(condition.volume.dtype)
        mean = self.elements(condition.species).sum(1) / present.sum(1, keepdim=True).clamp(min=1.0)
        mean = mean * condition.formula_known.to(mean.dtype)[:, None]
        encoded: Tensor = self.contents(torch.cat([mean, condition.contents_scalars()], dim=-1))
        return encoded


@final
class _PeakLayer(nn.Module):
    """A pre-norm transformer layer (Vaswani et al. 2017, arXiv:1706.03762)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm_hidden = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.hidden = nn.Sequential(nn.Linear(width, 3 * width), nn.SiLU(), nn.Linear(3 * width, width))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """[B, K, W] from [B, K, W] and [B, K] bool."""
        batch, count, width = tokens.shape
        parts = self.project(self.norm(tokens)).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        tokens = tokens + self.join(mixed.transpose(1, 2).reshape(batch, count, width))
        moved: Tensor = tokens + self.hidden(self.norm_hidden(tokens))
        return moved
