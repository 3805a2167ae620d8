"""A pre-norm transformer over atoms with pair bias, adaptive norm and cross-attention to the peaks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pxrdgen.interfaces.denoiser import Denoiser, Estimate
from pxrdgen_generators.conditions import PEAK_FEATURES, Condition
from pxrdgen_generators.denoisers.activations import gelu, silu
from pxrdgen_generators.denoisers.elements import ELEMENT_FEATURES, element_features
from pxrdgen_generators.denoisers.pairs import PAIR_FEATURES, PairTables, pair_features, pair_tables
from pxrdgen_generators.options import AttentionOptions

_CELL_FEATURES = 10
_TIME_FREQUENCIES = 8


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What does not change with the atoms: peaks as the layers see them, the elements, tables of the geometry.

    Args:
        keys_values: one [B, K, 2 width] a layer that looks at the peaks.
        peak_bias: [B, 1, 1, K] 0 where there is a peak, else minus infinity; the first slot is never masked. ``None``
            where there is a peak in every slot.
        pooled: [B, 2 peak_width] mean and maximum over the peaks.
        atoms: [B, n, width] embedded species.
        context: [B, n, n, pair_hidden] what a pair of elements says to the pair encoder.
        summary: [B, width] of pattern, cell and elements; ``None`` while the cell is being generated.
        tables: for the pair features; ``None`` while the cell is being generated.
    """

    keys_values: tuple[Tensor, ...]
    peak_bias: Tensor | None
    pooled: Tensor
    atoms: Tensor
    context: Tensor
    summary: Tensor | None
    tables: PairTables | None


class AttentionDenoiser(nn.Module, Denoiser):
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
        mask = condition.peak_mask
        tokens = self.peak_encoder(condition.peaks) * mask[..., None]
        pooled = torch.cat([tokens.sum(1) / mask.sum(1, keepdim=True).clamp(min=1), tokens.amax(1)], dim=-1)
        shown = mask.clone()
        shown[:, 0] = True
        bias = None
        if len(condition) == 1:
            tokens = tokens[:, shown[0]]
        else:
            bias = torch.zeros_like(shown, dtype=tokens.dtype).masked_fill_(~shown, -torch.inf)[:, None, None]
        atoms = self.element(condition.species) + self.element_properties(self.element_table[condition.species])
        finds_cell = condition.cell is not None
        return Memory(
            keys_values=tuple(layer(tokens) for layer in self.keys_values),
            peak_bias=bias,
            pooled=pooled,
            atoms=atoms,
            context=self.pairs.context(atoms),
            summary=None if finds_cell else self._summary(pooled, atoms, condition),
            tables=None if finds_cell else pair_tables(condition),
        )

    def forward(self, state: Tensor, t: Tensor, condition: Condition, memory: object | None = None) -> Estimate:
        """See :meth:`Denoiser.forward`."""
        if not isinstance(memory, Memory):
            memory = self.encode(condition)
        summary = memory.summary
        if summary is None:
            summary = self._summary(memory.pooled, memory.atoms, condition)
        if condition.vector is not None:
            summary = summary + condition.vector
        vector = functional.silu(summary + self.time(_time_features(t)))
        bias, pair_values = self.pairs(pair_features(state, condition, memory.tables), memory.context, vector)
        x = memory.atoms
        peaks = iter(memory.keys_values)
        for layer, block in enumerate(self.blocks):
            x = block(
                x, vector, bias[layer], pair_values, next(peaks) if layer in self.cross_at else None, memory.peak_bias
            )
        x = self.norm(x)
        out: Tensor = self.head(x)
        return Estimate(atoms=out - out.mean(dim=1, keepdim=True), features=x.mean(dim=1))

    def _summary(self, pooled: Tensor, atoms: Tensor, condition: Condition) -> Tensor:
        """[B, width]; peaks and elements may be those of one crystal for all cells."""
        cell = _cell_features(condition)
        both = [pooled.expand(len(cell), -1), cell, atoms.mean(1).expand(len(cell), -1)]
        summary: Tensor = self.summarise(torch.cat(both, dim=-1))
        return summary


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

    def context(self, atoms: Tensor) -> Tensor:
        """[B, n, n, hidden] from embedded species [B, n, width]."""
        by_pair: Tensor = self.receiver(atoms)[:, :, None] + self.sender(atoms)[:, None]
        return by_pair

    def forward(self, features: Tensor, context: Tensor, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Bias [L, heads, B, n, n] and values [B, n, n, pair_width]."""
        batch, size = features.shape[:2]
        told = context + self.vector(vector)[:, None, None]
        hidden = silu(self.features(features.flatten(0, 2)).view(batch, size, size, -1) + told)
        hidden = silu(self.middle(hidden.flatten(0, 2)))
        # the transposed product: one contiguous stretch for each layer, which attention then uses as it is
        out = torch.addmm(self.out.bias[:, None], self.out.weight, hidden.T).view(-1, batch, size, size)
        bias, values = out.split([self.layers * self.heads, self.pair_width])
        return bias.unflatten(0, (self.layers, self.heads)), values.permute(1, 2, 3, 0)


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
        self,
        x: Tensor,
        vector: Tensor,
        bias: Tensor,
        pair_values: Tensor,
        peaks: Tensor | None,
        peak_bias: Tensor | None,
    ) -> Tensor:
        """[B, n, width] to the same; ``x`` and ``vector`` may be one for all."""
        scale1, shift1, scale2, shift2 = self.modulation(vector)[:, None].chunk(4, dim=-1)
        x = x + self._among_atoms(_modulated(x, scale1, shift1), bias, pair_values)
        if peaks is not None and self.query is not None and self.merge_peaks is not None:
            mixed = self._look_up(self.query(functional.layer_norm(x, x.shape[-1:])), peaks, peak_bias)
            x = x + self.merge_peaks(mixed)
        out: Tensor = x + self.down(gelu(self.up(_modulated(x, scale2, shift2))))
        return out

    def _among_atoms(self, x: Tensor, bias: Tensor, pair_values: Tensor) -> Tensor:
        batch, size = bias.shape[1:3]
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 3, 0, 1, 4).contiguous()
        weights = torch.add(bias, q @ k.transpose(-1, -2), alpha=q.shape[-1] ** -0.5).softmax(dim=-1)
        mixed = (weights @ v).permute(1, 2, 0, 3).flatten(2)
        carried = (weights.permute(1, 2, 0, 3) @ pair_values).reshape(batch, size, -1)
        merged: Tensor = self.merge(torch.cat([mixed, carried], dim=-1))
        return merged

    def _look_up(self, queries: Tensor, peaks: Tensor, peak_bias: Tensor | None) -> Tensor:
        """Attention to peaks [B, K, 2 width]; those of one crystal serve the atoms of all."""
        rows = queries.reshape(len(peaks), -1, queries.shape[-1])
        q = rows.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = peaks.unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mask = None if peak_bias is None else peak_bias.expand(-1, 1, q.shape[2], -1)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return mixed.transpose(1, 2).reshape(queries.shape)


def _modulated(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """LN(x) (1 + scale) + shift, with ``scale`` and ``shift`` [B, 1, width] or the same for all crystals."""
    width = x.shape[-1]
    if len(scale) == 1:
        gain, offset = (1.0 + scale.flatten()).to(x.dtype), shift.flatten().to(x.dtype)
        return functional.layer_norm(x, (width,), weight=gain, bias=offset)
    normed = functional.layer_norm(x, (width,))
    return torch.addcmul(normed + shift, normed, scale)


def _time_features(t: Tensor) -> Tensor:
    """[B, 16] sines and cosines of t, from half a period up."""
    angles = t[:, None] * (math.pi / 2) * 2.0 ** torch.arange(_TIME_FREQUENCIES, dtype=t.dtype, device=t.device)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _cell_features(condition: Condition) -> Tensor:
    """[B, 10] logarithms of lengths, cosines of angles, atoms in the cell, space per atom."""
    lengths = torch.linalg.vector_norm(condition.basis, dim=-1)
    unit = condition.basis / lengths[..., None]
    cosines = torch.stack([(unit[:, i] * unit[:, j]).sum(-1) for i, j in ((1, 2), (0, 2), (0, 1))], dim=-1)
    size = torch.full_like(condition.length, float(condition.species.shape[1]))
    scalars = torch.stack([size.log(), 1.0 / size, condition.length.log(), condition.length / 2.5], dim=-1)
    return torch.cat([lengths.log() - 1.5, cosines, scalars], dim=-1)
