"""The structure encoder on tensor products over spherical harmonics; the one place that imports e3nn."""

from __future__ import annotations

import math

import torch
from e3nn import o3
from e3nn.nn import Gate
from torch import Tensor, nn
from torch.nn import functional

from pxrdgen.interfaces.structure_encoder import StructureEncoder
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen_crystallography.scattering.amplitudes import LAST_ELEMENT, check_species
from pxrdgen_encoders.options import E3nnOptions
from pxrdgen_encoders.periodic_edges import Edges, periodic_edges


class E3nnEncoder(nn.Module, StructureEncoder):
    """Equivariant messages along periodic edges (Batzner et al. 2022, doi:10.1038/s41467-022-29939-5).

    Features are scalars, vectors and l = 2 tensors of the atoms; what is pooled is the scalars and the volume an
    atom has. Rotations and inversions of the crystal, the choice of the cell, supercells included, and the origin
    make no difference.
    """

    def __init__(self, options: E3nnOptions) -> None:
        super().__init__()
        self._width, self.cutoff, self.radial = options.width, options.cutoff, options.radial
        harmonics = o3.Irreps.spherical_harmonics(options.l_max)
        self.harmonics = o3.SphericalHarmonics(harmonics, normalize=True, normalization="component")
        self.element = nn.Embedding(LAST_ELEMENT + 1, options.channels)
        irreps = o3.Irreps(f"{options.channels}x0e")
        layers = []
        for _ in range(options.layers):
            layer = _Layer(irreps, harmonics, options)
            layers.append(layer)
            irreps = layer.leaving
        self.layers = nn.ModuleList(layers)
        self.scalars = sum(part.mul for part in irreps if part.ir.l == 0)
        self.head = nn.Sequential(
            nn.Linear(self.scalars + 1, 2 * options.width), nn.SiLU(), nn.Linear(2 * options.width, options.width)
        )

    @property
    def width(self) -> int:
        """See :class:`StructureEncoder`."""
        return self._width

    def encode(self, crystals: CrystalBatch) -> Tensor:
        """See :class:`StructureEncoder`.

        Raises:
            StructureError: an element beyond the tables, a cell too flat for its images to be listed.
        """
        check_species(crystals.species)
        batch, size = crystals.species.shape
        edges = periodic_edges(crystals, self.cutoff)
        angular = self.harmonics(edges.vector)
        radial = _radial(edges.length, self.cutoff, self.radial)
        x = self.element(crystals.species).flatten(0, 1)
        for layer in self.layers:
            x = layer(x, edges, angular, radial)
        atoms = crystals.mask.to(x.dtype)
        count = atoms.sum(1, keepdim=True).clamp(min=1.0)
        scalars = x[:, : self.scalars].reshape(batch, size, -1)
        pooled = (scalars * atoms[..., None]).sum(1) / count
        space = torch.log(crystals.volume[:, None] / count) - 3.0
        vector: Tensor = self.head(torch.cat([pooled, space], dim=-1))
        return vector


class _Layer(nn.Module):
    """Sum over edges of (feature of the sender) x (harmonics of the edge), weighted by its length; linear; gate."""

    def __init__(self, entering: o3.Irreps, harmonics: o3.Irreps, options: E3nnOptions) -> None:
        super().__init__()
        shares = {0: options.channels, 1: max(1, options.channels // 2), 2: max(1, options.channels // 4), 3: 4}
        gated = o3.Irreps([(shares[degree], (degree, (-1) ** degree)) for degree in range(1, options.l_max + 1)])
        scalars = o3.Irreps(f"{options.channels}x0e")
        gates = o3.Irreps(f"{gated.num_irreps}x0e")
        self.gate = Gate(scalars, [functional.silu], gates, [torch.sigmoid], gated)
        self.leaving = self.gate.irreps_out
        allowed = {part.ir for part in self.gate.irreps_in}
        products: list[tuple[int, o3.Irrep]] = []
        instructions: list[tuple[int, int, int, str, bool]] = []
        for i, (mul, left) in enumerate(entering):
            for j, (_, right) in enumerate(harmonics):
                for out in left * right:
                    if out in allowed:
                        instructions.append((i, j, len(products), "uvu", True))
                        products.append((mul, out))
        self.product = o3.TensorProduct(
            entering, harmonics, o3.Irreps(products), instructions, shared_weights=False, internal_weights=False
        )
        self.weights = nn.Sequential(  # without biases, so that an edge at the cutoff weighs nothing
            nn.Linear(options.radial, 32, bias=False), nn.SiLU(), nn.Linear(32, self.product.weight_numel, bias=False)
        )
        self.merge = o3.Linear(o3.Irreps(products).simplify(), self.gate.irreps_in)
        self.keep = o3.Linear(entering, self.gate.irreps_in)
        self.scale = options.neighbours**-0.5

    def forward(self, x: Tensor, edges: Edges, angular: Tensor, radial: Tensor) -> Tensor:
        """[B N, entering] to [B N, leaving]."""
        messages = self.product(x[edges.sender], angular, self.weights(radial))
        collected = messages.new_zeros(len(x), messages.shape[1]).index_add_(0, edges.receiver, messages)
        out: Tensor = self.gate(self.merge(collected * self.scale) + self.keep(x))
        return out


def _radial(length: Tensor, cutoff: float, count: int) -> Tensor:
    """[E, count] sin(n pi r / c) / r, smoothly zero at the cutoff (Gasteiger et al. 2020, arXiv:2003.03123)."""
    u = length / cutoff
    n = torch.arange(1, count + 1, dtype=length.dtype, device=length.device)
    envelope = 1.0 - 28.0 * u**6 + 48.0 * u**7 - 21.0 * u**8
    waves = torch.sin(math.pi * n * u[:, None]) / length[:, None]
    return waves * envelope[:, None] * math.sqrt(2.0 * cutoff)
