"""The flat torus of fractional coordinates, with distances measured in the cell."""

from __future__ import annotations

import torch
from torch import Tensor


def wrap(frac: Tensor) -> Tensor:
    """x mod 1, in [0, 1)."""
    wrapped = frac - torch.floor(frac)
    return torch.where(wrapped >= 1.0, torch.zeros_like(wrapped), wrapped)


def log_map(start: Tensor, end: Tensor) -> Tensor:
    """Shortest fractional displacement from ``start`` to ``end``, each component in [-0.5, 0.5]."""
    difference = end - start
    return difference - torch.round(difference)


def minimum_image(frac: Tensor, basis: Tensor) -> Tensor:
    """The shortest Cartesian vector (A) among all lattice translates of ``frac`` [B, ..., 3] in ``basis`` [B, 3, 3].

    Exact for Niggli-reduced cells: the 27 translates around the rounded one are compared.
    """
    return nearest_image(images(frac, basis))


def images(frac: Tensor, basis: Tensor) -> Tensor:
    """[B, ..., 27, 3] Cartesian vectors of ``frac`` [B, ..., 3] and its neighbouring lattice translates."""
    flat = (frac - torch.round(frac)).reshape(frac.shape[0], -1, 3) @ basis
    cell_shifts = shifts(frac) @ basis
    return (flat[:, :, None, :] + cell_shifts[:, None]).reshape(*frac.shape[:-1], 27, 3)


def nearest_image(vectors: Tensor) -> Tensor:
    """The shortest of ``vectors`` [..., 27, 3]."""
    best = (vectors * vectors).sum(-1).argmin(dim=-1)
    return vectors.gather(-2, best[..., None, None].expand(*best.shape, 1, 3)).squeeze(-2)


def shifts(like: Tensor) -> Tensor:
    """[27, 3] translations by -1, 0, 1 along each axis."""
    one = torch.arange(-1, 2, dtype=like.dtype, device=like.device)  # made there: a copy would be waited for
    return torch.cartesian_prod(one, one, one)


def atomic_length(basis: Tensor, num_atoms: int) -> Tensor:
    """[B] (V / n)^(1/3) in A: the length that displacements are measured in."""
    return torch.pow(torch.linalg.det(basis).abs() / num_atoms, 1.0 / 3.0)


def to_fractional(cartesian: Tensor, basis: Tensor) -> Tensor:
    """Cartesian displacements [B, n, 3] (A) in fractions of the cell."""
    return torch.matmul(cartesian, inverse(basis))


def inverse(basis: Tensor) -> Tensor:
    """Of [..., 3, 3], without the check for singular ones, for which a device would have to be waited for."""
    inverted: Tensor = torch.linalg.inv_ex(basis).inverse
    return inverted
