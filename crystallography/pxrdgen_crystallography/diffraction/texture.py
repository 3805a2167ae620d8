"""Preferred orientation of plate- and needle-shaped crystallites."""

from __future__ import annotations

import torch
from torch import Tensor


def march_dollase(hkl: Tensor, basis: Tensor, axis: Tensor, ratio: Tensor) -> Tensor:
    """W = (r^2 cos^2 alpha + sin^2 alpha / r)^(-3/2), alpha between the reflection and the texture axis.

    Dollase 1986, doi:10.1107/S0021889886089458. Averaging over symmetry-equivalent reflections is left to the caller's
    sum: in a list of all reflections of P1 each equivalent has an entry of its own.

    Args:
        hkl: [..., H, 3] Miller indices.
        basis: [..., 3, 3] rows a, b, c.
        axis: [..., 3] Miller indices of the plane the crystallites lie on (r < 1: plates, r > 1: needles).
        ratio: [...] r above 0.

    Returns:
        [..., H] factors, 1 everywhere for r = 1.
    """
    reciprocal = torch.linalg.inv(basis).transpose(-1, -2)
    scattering = hkl @ reciprocal
    direction = (axis[..., None, :] @ reciprocal)[..., 0, :]
    direction = direction / torch.linalg.vector_norm(direction, dim=-1, keepdim=True).clamp_min(1e-12)
    squared = (scattering * scattering).sum(-1).clamp_min(1e-12)
    cosine_squared = (scattering * direction[..., None, :]).sum(-1) ** 2 / squared
    r = ratio[..., None]
    return torch.pow(r * r * cosine_squared + (1.0 - cosine_squared) / r, -1.5)
