"""Rotations that map a lattice onto itself; a powder pattern cannot tell a crystal from its image under one."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: the holohedry of a cubic lattice has 24 proper rotations; no lattice has more.
MAX_ROTATIONS = 24


def lattice_rotations(basis: NDArray[np.float64], tolerance: float = 0.003) -> NDArray[np.int8]:
    """Integer matrices W [R, 3, 3] with det +1 and W G W^T = G, G the metric of ``basis``; the identity is first.

    A fractional row vector x goes to x W. Entries are -1, 0 or 1, which is complete for Niggli-reduced cells.

    Args:
        basis: [3, 3] rows a, b, c in A.
        tolerance: largest relative difference of lengths, and of dot products over the product of lengths.
    """
    vectors = _short_vectors()
    metric = basis @ basis.T
    lengths = np.sqrt(np.diag(metric))
    images = vectors @ metric @ vectors.T
    norms = np.sqrt(np.diag(images))
    choices = [np.flatnonzero(np.abs(norms - length) < tolerance * length) for length in lengths]
    i, j, k = (grid.ravel() for grid in np.meshgrid(*choices, indexing="ij"))
    good = np.ones(i.size, dtype=bool)
    for left, right, a, b in ((i, j, 0, 1), (i, k, 0, 2), (j, k, 1, 2)):
        good &= np.abs(images[left, right] - metric[a, b]) < tolerance * lengths[a] * lengths[b]
    rotations = np.stack([vectors[i[good]], vectors[j[good]], vectors[k[good]]], axis=1)
    rotations = rotations[np.rint(np.linalg.det(rotations)) == 1]
    identity_first = np.argsort([not np.array_equal(rotation, np.eye(3)) for rotation in rotations], kind="stable")
    kept: NDArray[np.int8] = rotations[identity_first][:MAX_ROTATIONS].astype(np.int8)
    return kept


@lru_cache(maxsize=1)
def _short_vectors() -> NDArray[np.float64]:
    grid = np.stack(np.meshgrid(*[(-1.0, 0.0, 1.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    vectors: NDArray[np.float64] = grid[np.abs(grid).sum(axis=1) > 0]
    return vectors
