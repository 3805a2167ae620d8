"""The encoder of peak lists: a small transformer over peaks."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.values.pattern_batch import PatternBatch, PatternFeatures
from pxrdgen_encoders.fourier import POSITION_FEATURES, position_features
from pxrdgen_encoders.histogram import line_histogram, measured_bins
from pxrdgen_encoders.options import PeaksOptions

_FEATURES = POSITION_FEATURES + 3
#: intensities below this share of the strongest peak look alike.
_FLOOR = 1e-4


class PeaksEncoder(nn.Module, PatternEncoder):
    """Peaks as tokens, weak ones included: Fourier features of 1/d^2 and 1/d, I, sqrt I, log I.

    The tokens attend to each other; learned questions collect the answers into one vector, together with a histogram
    of the lines and the range that was measured, so that peaks beyond it are unknown and not absent.
    """

    def __init__(self, options: PeaksOptions) -> None:
        super().__init__()
        hidden = options.hidden
        self._width, self.bins = options.width, options.bins
        self.embed = nn.Sequential(nn.Linear(_FEATURES, 2 * hidden), nn.SiLU(), nn.Linear(2 * hidden, hidden))
        self.range = nn.Linear(2 * POSITION_FEATURES + 1, hidden)
        self.blocks = nn.ModuleList([_Block(hidden, options.heads, options.dropout) for _ in range(options.layers)])
        self.norm = nn.LayerNorm(hidden)
        self.seeds = nn.Parameter(torch.randn(options.seeds, hidden) * hidden**-0.5)
        self.key_value = nn.Linear(hidden, 2 * hidden)
        self.overview = nn.Sequential(nn.Linear(3 * options.bins, 2 * hidden), nn.SiLU()) if options.bins else None
        collected = (options.seeds + 2 + 2 * (options.bins > 0)) * hidden
        self.head = nn.Sequential(
            nn.LayerNorm(collected),
            nn.Linear(collected, 2 * options.width),
            nn.SiLU(),
            nn.Dropout(options.dropout),
            nn.Linear(2 * options.width, options.width),
        )

    @property
    def width(self) -> int:
        """See :class:`PatternEncoder`."""
        return self._width

    def encode(self, patterns: PatternBatch) -> PatternFeatures:
        """See :class:`PatternEncoder`; the tokens are the peaks."""
        mask = patterns.peak_mask
        share = patterns.peaks[..., 1]
        strengths = torch.stack([share, share.sqrt(), torch.log(share + _FLOOR) / 3.0 + 1.0], dim=-1)
        tokens = self.embed(torch.cat([position_features(patterns.peaks[..., 0]), strengths], dim=-1))
        measured = self.range(self._range_features(patterns))
        tokens = tokens + measured[:, None]
        bias = torch.zeros_like(share).masked_fill_(~mask, -1e9)[:, None, None, :]
        for block in self.blocks:
            tokens = block(tokens, bias)
        tokens = self.norm(tokens) * mask[..., None]
        summaries = [measured] if self.overview is None else [measured, self.overview(self._overview(patterns))]
        return PatternFeatures(vector=self._collect(tokens, mask, summaries), tokens=tokens, token_mask=mask)

    def _range_features(self, patterns: PatternBatch) -> Tensor:
        ends = position_features((patterns.q_range / (2.0 * math.pi)) ** 2).flatten(1)
        return torch.cat([ends, torch.log1p(patterns.peak_mask.sum(1, keepdim=True).to(ends.dtype)) / 3.0], dim=-1)

    def _overview(self, patterns: PatternBatch) -> Tensor:
        """[B, 3 bins] square roots of intensities, whether there are lines, what was measured."""
        inverse_d, present = patterns.peaks[..., 0].clamp(min=0.0).sqrt(), patterns.peak_mask.to(patterns.peaks.dtype)
        strong = line_histogram(inverse_d, patterns.peaks[..., 1].sqrt() * present, self.bins)
        lines = line_histogram(inverse_d, present, self.bins)
        return torch.cat([strong, lines, measured_bins(patterns.q_range, self.bins)], dim=-1)

    def _collect(self, tokens: Tensor, mask: Tensor, summaries: list[Tensor]) -> Tensor:
        key, value = self.key_value(tokens).chunk(2, dim=-1)
        scores = torch.einsum("bph,sh->bsp", key, self.seeds)
        weights = scores.masked_fill(~mask[:, None], -1e9).softmax(dim=-1)
        answers = (weights @ value).flatten(1)
        mean = tokens.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        vector: Tensor = self.head(torch.cat([answers, mean, *summaries], dim=-1))
        return vector


class _Block(nn.Module):
    """Pre-norm self-attention and feed-forward."""

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.qkv, self.merge = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.up, self.down = nn.Linear(hidden, 2 * hidden), nn.Linear(2 * hidden, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """[B, P, hidden] to the same; ``bias`` [B, 1, 1, P] is added to the scores."""
        batch, size, hidden = x.shape
        q, k, v = self.qkv(self.first(x)).reshape(batch, size, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias.expand(batch, 1, size, size))
        x = x + self.dropout(self.merge(mixed.transpose(1, 2).reshape(batch, size, hidden)))
        out: Tensor = x + self.dropout(self.down(functional.silu(self.up(self.second(x)))))
        return out
