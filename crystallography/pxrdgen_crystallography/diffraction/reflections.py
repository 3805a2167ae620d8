"""Which reflections a cell has within a range of sin(theta) / lambda."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pxrdgen.errors import CellError

#: more reflections than this in a half sphere is a cell (or a wavelength) nobody means.
MAX_REFLECTIONS = 200_000


@dataclass(frozen=True, kw_only=True)
class HklList:
    """Half-sphere Miller indices of a batch of cells; each stands for itself and its Friedel mate.

    Args:
        hkl: [B, H, 3] indices as floats, 0 where padded.
        mask: [B, H] bool.
    """

    hkl: Tensor
    mask: Tensor


def reciprocal_basis(basis: Tensor) -> Tensor:
    """[..., 3, 3] rows a*, b*, c* in 1/A of ``basis`` (rows a, b, c in A): a* = b x c / (a . b x c), and cyclic."""
    a, b, c = basis.unbind(dim=-2)
    rows = torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], dim=-2)
    return rows / (a * rows[..., 0, :]).sum(-1)[..., None, None]


def s_squared(hkl: Tensor, basis: Tensor) -> Tensor:
    """s^2 = (sin theta / lambda)^2 = 1 / (4 d^2) of ``hkl`` [B, H, 3] in cells ``basis`` [B, 3, 3]: [B, H], 1/A^2."""
    scattering = reciprocal_basis(basis).transpose(-1, -2) @ hkl.transpose(-1, -2)
    return 0.25 * scattering.square().sum(dim=-2)


def index_limits(basis: Tensor, s_max: float) -> Tensor:
    """[B, 3] largest |h|, |k|, |l| within ``s_max`` (1/A) of cells ``basis`` [B, 3, 3]: h = d* . a <= 2 s_max |a|."""
    return torch.floor(2.0 * s_max * torch.linalg.vector_norm(basis.detach(), dim=-1) + 1e-6).long()


def enumerate_hkl(basis: Tensor, s_min: float, s_max: float) -> HklList:
    """All reflections with s_min < s < s_max (1/A) of cells ``basis`` [B, 3, 3], half a sphere, (000) left out.

    Gradients do not flow through the choice of indices.

    Raises:
        CellError: a cell has more than ``MAX_REFLECTIONS`` of them.
    """
    basis = basis.detach()
    limits = [int(limit) for limit in index_limits(basis, s_max).amax(dim=0).tolist()]
    estimate = 4.0 / 3.0 * math.pi * s_max**3 * 8.0 * float(torch.linalg.det(basis).abs().max()) / 2.0
    if estimate > MAX_REFLECTIONS:
        raise CellError(
            f"got a cell with about {estimate:.0f} reflections in range, expected at most {MAX_REFLECTIONS}; "
            "shorten the 2theta range or check the cell"
        )
    box = _half_box(limits, basis.dtype, basis.device)
    reciprocal = reciprocal_basis(basis)
    metric = reciprocal @ reciprocal.transpose(-1, -2)
    first, second = box[:, (0, 1, 2, 1, 0, 0)].T, box[:, (0, 1, 2, 2, 2, 1)].T
    products = first * second
    products[3:] *= 2.0
    coefficients = metric[:, (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)]
    four_s_squared = coefficients @ products
    inside = (four_s_squared > 4.0 * s_min**2) & (four_s_squared < 4.0 * s_max**2)
    return _compact(box, inside)


def _half_box(limits: list[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """[P, 3] indices of the half space h > 0, or h = 0 and k > 0, or h = k = 0 and l > 0, within +-limits."""
    ranges = [torch.arange(-limit if axis else 0, limit + 1, device=device) for axis, limit in enumerate(limits)]
    box = torch.cartesian_prod(*ranges)
    zero_h, zero_k = box[:, 0] == 0, box[:, 1] == 0
    keep = (box[:, 0] > 0) | (zero_h & (box[:, 1] > 0)) | (zero_h & zero_k & (box[:, 2] > 0))
    return box[keep].to(dtype)


def _compact(box: Tensor, inside: Tensor) -> HklList:
    """Move the kept columns of ``inside`` [B, P] to the front: [B, H, 3] with H the largest count."""
    counts = inside.sum(dim=1)
    width = max(int(counts.max()), 1)
    mask = torch.arange(width, device=box.device)[None, :] < counts[:, None]
    place = torch.full(mask.shape, box.shape[0], device=box.device).masked_scatter_(mask, inside.nonzero()[:, 1])
    padded_box = torch.cat([box, box.new_zeros(1, 3)])
    return HklList(hkl=padded_box.index_select(0, place.flatten()).view(*mask.shape, 3), mask=mask)
