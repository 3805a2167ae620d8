"""A pre-norm transformer over atoms with pair bias, adaptive norm and cross-attention to the peaks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pxrdgen_generators.conditions import PEAK_FEATURES, Condition
from pxrdgen_generators.denoisers.base import Denoiser, Estimate
from pxrdgen_generators.denoisers.elements import ELEMENT_FEATURES, element_features
from pxrdgen_generators.denoisers.pairs import PAIR_FEATURES, pair_features
from pxrdgen_generators.options import AttentionOptions

_CELL_FEATURES = 10
_TIME_FREQUENCIES = 8


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Peaks as the layers see them, and a summary of all that does not change with the atoms.

    Args:
        keys_values: one [B, K, 2, width] a layer that looks at the peaks.
        peak_bias: [B, 1, 1, K] 0 where there is a peak, else minus infinity; the first slot is never masked.
        summary: [B, width].
        atoms: [B, n, width] embedded species.
    """

    keys_values: tuple[Tensor, ...]
    peak_bias: Tensor
    summary: Tensor
    atoms: Tensor


class AttentionDenoiser(Denoiser):
    """Atoms attend to each other, biased by geometry and the Patterson function, and to the peaks.

    The bias and the pair values (which carry directions into the atoms) are computed once a call for all layers;
    time, cell and pattern enter every layer by an adaptive layer norm.
    """

    element_table: Tensor

    def __init__(self, options: AttentionOptions) -> None:
        super().__init__()
        width, layers, heads = options.width, options.layers, options.heads
        self.heads, self.layers, self.pair_width = heads, layers, options.pair_width
        self.element = nn.Embedding(128, width)
        self.element_properties = nn.Linear(ELEMENT_FEATURES, width)
        self.peak_encoder = nn.Sequential(
            nn.Linear(PEAK_FEATURES, options.peak_width),
            nn.SiLU(),
            nn.Linear(options.peak_width, options.peak_width),
            nn.SiLU(),
            nn.LayerNorm(options.peak_width),
        )
        self.summarise = nn.Sequential(
            nn.Linear(2 * options.peak_width + _CELL_FEATURES + width, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.time = nn.Sequential(nn.Linear(2 * _TIME_FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))
        self.cross_at = tuple(range(1, layers, 2))
        self.keys_values = nn.ModuleList([nn.Linear(options.peak_width, 2 * width) for _ in self.cross_at])
        self.pairs = _PairEncoder(width, layers, heads, options.pair_hidden, options.pair_width)
        self.blocks = nn.ModuleList(
            [_Block(width, heads, layers, options.pair_width, cross=layer in self.cross_at) for layer in range(layers)]
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("element_table", element_features(128), persistent=False)

    @property
    def width(self) -> int:
        """See :class:`Denoiser`."""
        return self.head.in_features

    def encode(self, condition: Condition) -> Memory:
        """See :meth:`Denoiser.encode`."""
        tokens = self.peak_encoder(condition.peaks) * condition.peak_mask[..., None]
        count = condition.peak_mask.sum(1, keepdim=True).clamp(min=1)
        atoms = self.element(condition.species) + self.element_properties(self.element_table[condition.species])
        parts = [tokens.sum(1) / count, tokens.amax(1), _cell_features(condition), atoms.mean(1)]
        masked = ~condition.peak_mask
        masked[:, 0] = False
        bias = torch.zeros_like(masked, dtype=tokens.dtype).masked_fill_(masked, -torch.inf)[:, None, None]
        summary = self.summarise(torch.cat(parts, dim=-1))
        return Memory(
            keys_values=tuple(layer(tokens) for layer in self.keys_values),
            peak_bias=bias,
            summary=summary if condition.vector is None else summary + condition.vector,
            atoms=atoms,
        )

    def forward(self, state: Tensor, t: Tensor, condition: Condition, memory: object | None = None) -> Estimate:
        """See :meth:`Denoiser.forward`."""
        if not isinstance(memory, Memory):
            memory = self.encode(condition)
        batch = state.shape[0]
        vector = functional.silu(memory.summary + self.time(_time_features(t)))
        x = memory.atoms.expand(batch, -1, -1)
        bias, pair_values = self.pairs(pair_features(state, condition), x, vector)
        peaks = iter(memory.keys_values)
        for layer, block in enumerate(self.blocks):
            x = block(
                x, vector, bias[layer], pair_values, next(peaks) if layer in self.cross_at else None, memory.peak_bias
            )
        x = self.norm(x)
        out: Tensor = self.head(x)
        return Estimate(atoms=out - out.mean(dim=1, keepdim=True), features=x.mean(dim=1))


class _PairEncoder(nn.Module):
    """Pair features to an attention bias for every layer and head, and to values that attention can carry."""

    def __init__(self, width: int, layers: int, heads: int, hidden: int, pair_width: int) -> None:
        super().__init__()
        self.layers, self.heads, self.pair_width = layers, heads, pair_width
        self.features = nn.Linear(PAIR_FEATURES, hidden)
        self.sender, self.receiver = nn.Linear(width, hidden, bias=False), nn.Linear(width, hidden, bias=False)
        self.vector = nn.Linear(width, hidden)
        self.middle = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, layers * heads + pair_width)

    def forward(self, features: Tensor, atoms: Tensor, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Bias [L, B, heads, n, n] and values [B, n, n, pair_width]."""
        batch, size = features.shape[:2]
        context = (self.receiver(atoms) + self.vector(vector)[:, None])[:, :, None] + self.sender(atoms)[:, None]
        hidden = functional.silu(self.features(features) + context)
        hidden = functional.silu(self.middle(hidden))
        out = self.out(hidden)
        bias = out[..., : self.layers * self.heads].reshape(batch, size, size, self.layers, self.heads)
        return bias.permute(3, 0, 4, 1, 2), out[..., self.layers * self.heads :]


class _Block(nn.Module):
    """Self-attention with pair bias and pair values, cross-attention to the peaks, feed-forward."""

    def __init__(self, width: int, heads: int, layers: int, pair_width: int, *, cross: bool) -> None:
        super().__init__()
        self.heads = heads
        self.modulation = nn.Linear(width, 4 * width)
        self.qkv = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width + heads * pair_width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.query = nn.Linear(width, width) if cross else None
        self.merge_peaks = nn.Linear(width, width) if cross else None
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        for layer in (self.merge, self.down, self.merge_peaks):
            if layer is not None:
                nn.init.normal_(layer.weight, std=(layer.in_features * 2 * layers) ** -0.5)
                nn.init.zeros_(layer.bias)

    def forward(
        self, x: Tensor, vector: Tensor, bias: Tensor, pair_values: Tensor, peaks: Tensor | None, peak_bias: Tensor
    ) -> Tensor:
        """[B, n, width] to the same."""
        width = x.shape[-1]
        scale1, shift1, scale2, shift2 = self.modulation(vector)[:, None].chunk(4, dim=-1)
        normed = functional.layer_norm(x, (width,))
        x = x + self._among_atoms(torch.addcmul(normed + shift1, normed, scale1), bias, pair_values)
        if peaks is not None and self.query is not None and self.merge_peaks is not None:
            mixed = self._look_up(self.query(functional.layer_norm(x, (width,))), peaks, peak_bias)
            x = x + self.merge_peaks(mixed)
        normed = functional.layer_norm(x, (width,))
        widened = functional.gelu(self.up(torch.addcmul(normed + shift2, normed, scale2)), approximate="tanh")
        out: Tensor = x + self.down(widened)
        return out

    def _among_atoms(self, x: Tensor, bias: Tensor, pair_values: Tensor) -> Tensor:
        batch, size, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, size, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias
        weights = scores.softmax(dim=-1)
        mixed = (weights @ v).transpose(1, 2).reshape(batch, size, width)
        carried = (weights.transpose(1, 2) @ pair_values).reshape(batch, size, -1)
        merged: Tensor = self.merge(torch.cat([mixed, carried], dim=-1))
        return merged

    def _look_up(self, queries: Tensor, peaks: Tensor, peak_bias: Tensor) -> Tensor:
        batch, size, width = queries.shape
        q = queries.reshape(batch, size, self.heads, -1).transpose(1, 2)
        stored = peaks.reshape(peaks.shape[0], peaks.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        k, v = stored[0].expand(batch, -1, -1, -1), stored[1].expand(batch, -1, -1, -1)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=peak_bias.expand(batch, 1, size, -1))
        return mixed.transpose(1, 2).reshape(batch, size, width)


def _time_features(t: Tensor) -> Tensor:
    """[B, 16] sines and cosines of t, from half a period up."""
    angles = t[:, None] * (math.pi / 2) * 2.0 ** torch.arange(_TIME_FREQUENCIES, dtype=t.dtype)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _cell_features(condition: Condition) -> Tensor:
    """[B, 10] logarithms of lengths, cosines of angles, atoms in the cell, space per atom."""
    lengths = torch.linalg.vector_norm(condition.basis, dim=-1)
    unit = condition.basis / lengths[..., None]
    cosines = torch.stack([(unit[:, i] * unit[:, j]).sum(-1) for i, j in ((1, 2), (0, 2), (0, 1))], dim=-1)
    size = torch.full_like(condition.length, float(condition.species.shape[1]))
    scalars = torch.stack([size.log(), 1.0 / size, condition.length.log(), condition.length / 2.5], dim=-1)
    return torch.cat([lengths.log() - 1.5, cosines, scalars], dim=-1)
