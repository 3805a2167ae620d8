"""Pairs of atoms of a crystal, all periodic images within a cutoff."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pxrdgen.errors import StructureError
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen_crystallography.diffraction.reflections import reciprocal_basis

#: an atom and itself.
_SAME = 1e-4
#: more pairs than this are no crystal, or far too large a cutoff.
_MAX_PAIRS = 50_000_000


@dataclass(frozen=True, kw_only=True)
class Edges:
    """E directed edges of a batch whose atoms are numbered b N + i.

    Args:
        receiver, sender: [E] numbers of the atoms.
        vector: [E, 3] from receiver to sender, A.
        length: [E] A.
    """

    receiver: Tensor
    sender: Tensor
    vector: Tensor
    length: Tensor


def periodic_edges(crystals: CrystalBatch, cutoff: float) -> Edges:
    """All edges shorter than ``cutoff`` (A), self-images included, an atom and itself left out.

    As many images are looked at along each axis as the spacing of the lattice planes asks for.

    Raises:
        StructureError: a cell so flat or a cutoff so long that the images cannot be listed.
    """
    size = crystals.species.shape[1]
    wrapped = crystals.frac_coords - torch.floor(crystals.frac_coords)
    per_angstrom = torch.linalg.vector_norm(reciprocal_basis(crystals.basis), dim=-1).amax(0)
    limits = torch.ceil(cutoff * per_angstrom.detach()).long().tolist()
    count = math.prod(2 * limit + 1 for limit in limits)
    if count * len(crystals) * size**2 > _MAX_PAIRS:
        raise StructureError(
            f"got cells with {count} periodic images within {cutoff:g} A, too many to list for "
            f"{len(crystals)} crystals of {size} atoms; use smaller batches or a shorter cutoff"
        )
    ranges = [torch.arange(-limit, limit + 1, device=wrapped.device) for limit in limits]
    images = torch.cartesian_prod(*ranges).to(wrapped.dtype)
    direct = (wrapped[:, None] - wrapped[:, :, None]) @ crystals.basis[:, None]
    shifts = images @ crystals.basis
    vectors = direct[:, :, :, None] + shifts[:, None, None]
    squared = (vectors * vectors).sum(-1)
    pairs = (crystals.mask[:, :, None] & crystals.mask[:, None])[..., None]
    kept = (squared < cutoff * cutoff) & (squared > _SAME) & pairs
    batch, receiver, sender, _ = torch.nonzero(kept, as_tuple=True)
    vector = vectors[kept]
    return Edges(
        receiver=batch * size + receiver,
        sender=batch * size + sender,
        vector=vector,
        length=torch.linalg.vector_norm(vector, dim=-1),
    )
