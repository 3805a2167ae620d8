"""A cell as six unbounded numbers.

The basis of a cell, rows a, b, c, is lower triangular (a along x, b in the xy plane). Its coordinates are

    ln B11, ln B22, ln B33, B21 / B11, B31 / B11, B32 / B22:

logarithms of the box and three shears. The first three sum to ln V; scaling a cell shifts them alike; the shears of a
reduced cell lie within about +-0.5. Models see them standardised over the training crystals.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: mean and standard deviation of the coordinates over the training crystals (Niggli cells of at most 20 atoms).
MEAN = (1.5236, 1.6033, 1.8345, 0.0407, 0.0530, -0.0501)
SPREAD = (0.2365, 0.2909, 0.3823, 0.3331, 0.3225, 0.3016)


def to_coordinates(basis: Tensor) -> Tensor:
    """[..., 6] standardised coordinates of lower-triangular bases [..., 3, 3] in A."""
    diagonal = torch.diagonal(basis, dim1=-2, dim2=-1)
    shears = torch.stack(
        [
            basis[..., 1, 0] / diagonal[..., 0],
            basis[..., 2, 0] / diagonal[..., 0],
            basis[..., 2, 1] / diagonal[..., 1],
        ],
        dim=-1,
    )
    raw = torch.cat([diagonal.log(), shears], dim=-1)
    return (raw - raw.new_tensor(MEAN)) / raw.new_tensor(SPREAD)


def to_basis(coordinates: Tensor) -> Tensor:
    """[..., 3, 3] lower-triangular bases in A: the inverse of :func:`to_coordinates`."""
    raw = coordinates * coordinates.new_tensor(SPREAD) + coordinates.new_tensor(MEAN)
    box = raw[..., :3].clamp(-1.0, 5.0).exp()
    basis = torch.zeros(*raw.shape[:-1], 3, 3, dtype=raw.dtype)
    basis[..., 0, 0], basis[..., 1, 1], basis[..., 2, 2] = box.unbind(-1)
    basis[..., 1, 0] = raw[..., 3] * box[..., 0]
    basis[..., 2, 0] = raw[..., 4] * box[..., 0]
    basis[..., 2, 1] = raw[..., 5] * box[..., 1]
    return basis


def triangular(metric: Tensor) -> Tensor:
    """The lower-triangular basis [..., 3, 3] of a metric tensor [..., 3, 3] in A^2."""
    basis: Tensor = torch.linalg.cholesky(metric)
    return basis
