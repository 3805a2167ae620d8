"""The structure encoder on fully connected atoms, after PXRDGen's (Li et al. 2025) and DiffCSP's CSPNet."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from pxrdgen.interfaces.structure_encoder import StructureEncoder
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen_crystallography.scattering.amplitudes import LAST_ELEMENT, check_species
from pxrdgen_encoders.fourier import POSITION_FEATURES, position_features
from pxrdgen_encoders.histogram import line_histogram
from pxrdgen_encoders.options import CspNetOptions
from pxrdgen_learning.training.workers import full_precision

#: half of the non-zero indices up to 3; those up to 1 come first.
_INDICES = sorted(
    (hkl for hkl in itertools.product(range(-3, 4), repeat=3) if hkl > (0, 0, 0)),
    key=lambda hkl: (max(map(abs, hkl)), hkl),
)
#: how many have entries -1, 0, 1 only.
_SHORT = 13
#: bins of the histogram of the lattice's lines.
_BINS = 256
_CELL_SCALARS = 4


class CspNetEncoder(nn.Module, StructureEncoder):
    """Messages between all atoms of a cell, self included, along Fourier features of fractional differences.

    Jiao et al. 2023 (arXiv:2309.04475). The first layer of the message network is a sum of one term an atom, one a
    pair and one a cell instead of one product with all of them concatenated, and the Fourier features are computed
    once; batches need no padding, but may have it.
    """

    indices: Tensor

    def __init__(self, options: CspNetOptions) -> None:
        super().__init__()
        hidden, fourier = options.hidden, 6 * options.frequencies
        self._width, self.frequencies, self.reciprocal = options.width, options.frequencies, options.reciprocal
        self.element = nn.Embedding(LAST_ELEMENT + 1, hidden)
        if options.reciprocal:
            shown = 9 + _SHORT * POSITION_FEATURES + _BINS + _CELL_SCALARS
            self.cell: nn.Module = nn.Sequential(*_perceptron(shown, hidden), nn.SiLU())
            self.head: nn.Module = nn.Sequential(nn.LayerNorm(3 * hidden), *_perceptron(3 * hidden, options.width))
        else:
            self.cell, self.head = nn.Identity(), nn.Linear(hidden, options.width)
        cell = hidden if options.reciprocal else 9
        self.layers = nn.ModuleList(
            _Layer(hidden, fourier, cell, edge_layers=options.edge_layers, normed=options.reciprocal)
            for _ in range(options.layers)
        )
        self.register_buffer("indices", torch.tensor(_INDICES, dtype=torch.float32), persistent=False)

    @property
    def width(self) -> int:
        """See :class:`StructureEncoder`."""
        return self._width

    def encode(self, crystals: CrystalBatch) -> Tensor:
        """See :class:`StructureEncoder`.

        Raises:
            StructureError: an element beyond the tables.
        """
        check_species(crystals.species)
        atoms = crystals.mask.to(crystals.frac_coords.dtype)
        count = atoms.sum(1, keepdim=True).clamp(min=1.0)
        with full_precision(crystals.basis):
            shown, fourier = self._cell_features(crystals), self._pair_features(crystals.frac_coords)
        cell = self.cell(shown)
        x = self.element(crystals.species)
        for layer in self.layers:
            x = layer(x, fourier, cell, atoms, count)
        pooled = (x * atoms[..., None]).sum(1) / count
        if self.reciprocal:
            highest = x.masked_fill(~crystals.mask[..., None], -torch.inf).amax(1)
            pooled = torch.cat([pooled, highest, cell], dim=-1)
        vector: Tensor = self.head(pooled)
        return vector

    def _pair_features(self, coords: Tensor) -> Tensor:
        """[B, N, N, 6 F] sines and cosines of 2 pi k (x_j - x_i)."""
        difference = coords[:, None] - coords[:, :, None]
        harmonics = 2.0 * math.pi * torch.arange(1, self.frequencies + 1, dtype=coords.dtype, device=coords.device)
        angles = (difference[..., None] * harmonics).flatten(-2)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    def _cell_features(self, crystals: CrystalBatch) -> Tensor:
        """[B, C] metric tensor (A^2; scaled where the lattice's lines are shown as well)."""
        metric = crystals.basis @ crystals.basis.transpose(-1, -2)
        if not self.reciprocal:
            return metric.flatten(1)
        inverse_d_squared = ((self.indices @ torch.linalg.inv(metric)) * self.indices).sum(-1).clamp(min=0.0)
        lines = torch.log1p(line_histogram(inverse_d_squared.sqrt(), torch.ones_like(inverse_d_squared), _BINS))
        short = position_features(inverse_d_squared[:, :_SHORT]).flatten(1)
        volume, count = crystals.volume, crystals.num_atoms.to(metric.dtype)
        scalars = torch.stack([volume.log() - 5.0, count.log(), (volume / count).log() - 3.0, volume / 200.0], dim=-1)
        return torch.cat([metric.flatten(1) / 30.0, short, lines, scalars], dim=-1)


def _perceptron(entering: int, leaving: int) -> nn.Sequential:
    """One hidden layer, twice as wide as what leaves."""
    return nn.Sequential(nn.Linear(entering, 2 * leaving), nn.SiLU(), nn.Linear(2 * leaving, leaving))


class _Layer(nn.Module):
    """m_ij = phi(h_i, h_j, f_ij, cell), averaged over j; h_i + psi(h_i, m_i)."""

    def __init__(self, hidden: int, fourier: int, cell: int, *, edge_layers: int, normed: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden) if normed else nn.Identity()
        self.receiver, self.sender = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden, bias=False)
        self.pair, self.cell = nn.Linear(fourier, hidden, bias=False), nn.Linear(cell, hidden, bias=False)
        self.edge = nn.Linear(hidden, hidden) if edge_layers == 2 else None
        self.node = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())

    def forward(self, x: Tensor, fourier: Tensor, cell: Tensor, atoms: Tensor, count: Tensor) -> Tensor:
        """[B, N, hidden] to the same; ``atoms`` [B, N] is 1 where there is one, ``count`` [B, 1] how many."""
        h = self.norm(x)
        by_atom = (self.receiver(h) + self.cell(cell)[:, None])[:, :, None] + self.sender(h)[:, None]
        messages = functional.silu(self.pair(fourier) + by_atom)
        if self.edge is not None:
            messages = functional.silu(self.edge(messages))
        mean = torch.einsum("bijh,bj->bih", messages, atoms) / count[..., None]
        out: Tensor = x + self.node(torch.cat([h, mean], dim=-1))
        return out
