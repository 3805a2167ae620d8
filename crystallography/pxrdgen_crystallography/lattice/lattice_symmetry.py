"""Which integer matrices map a lattice onto itself; a powder pattern cannot tell a crystal from its image under one."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: the holohedry of a cubic lattice has 24 proper rotations; no lattice has more.
MAX_ROTATIONS = 24


def lattice_point_group(basis: FloatArray, tolerance: float = 2e-3) -> NDArray[np.int64]:
    """[G, 3, 3] integer matrices W, det +1 or -1, with W basis = basis R for a rotation R: the holohedry.

    Entries -1, 0, 1 are enough for a reduced cell (Le Page 1982, doi:10.1107/S0021889882011959).

    Args:
        basis: [3, 3] rows a, b, c in A.
        tolerance: largest strain; metric components may change by twice as much of their lengths' product.
    """
    return _isometries(basis, (1.0 - 2.0 * tolerance, 1.0 + 2.0 * tolerance), 2.0 * tolerance)


def proper_rotations(basis: FloatArray, tolerance: float = 0.003) -> NDArray[np.int8]:
    """The matrices W [R, 3, 3] of the point group with det +1, the identity first: what a chiral crystal may turn by.

    A fractional row vector x goes to x W.

    Args:
        basis: [3, 3] rows a, b, c in A.
        tolerance: largest relative difference of lengths, and of dot products over the product of lengths.
    """
    rotations = _isometries(basis, ((1.0 - tolerance) ** 2, (1.0 + tolerance) ** 2), tolerance)
    rotations = rotations[np.rint(np.linalg.det(rotations)) == 1]
    identity_first = np.argsort([not np.array_equal(rotation, np.eye(3)) for rotation in rotations], kind="stable")
    kept: NDArray[np.int8] = rotations[identity_first][:MAX_ROTATIONS].astype(np.int8)
    return kept


def _isometries(basis: FloatArray, squares: tuple[float, float], products: float) -> NDArray[np.int64]:
    """[G, 3, 3] unimodular matrices W of -1, 0, 1 with W G W^T = G, G the metric of ``basis``.

    A squared length may become between ``squares`` of itself, a dot product change by ``products`` of the lengths'.
    """
    vectors = _short_vectors()
    metric = basis @ basis.T
    images = vectors @ metric @ vectors.T
    norms, (low, high) = np.diag(images), squares
    choices = [np.flatnonzero((norms > low * norm) & (norms < high * norm)) for norm in np.diag(metric)]
    i, j, k = (grid.ravel() for grid in np.meshgrid(*choices, indexing="ij"))
    good = np.ones(i.size, dtype=bool)
    for left, right, a, b in ((i, j, 0, 1), (i, k, 0, 2), (j, k, 1, 2)):
        scale = float(np.sqrt(metric[a, a] * metric[b, b]))
        good &= np.abs(images[left, right] - metric[a, b]) <= products * scale
    found = np.stack([vectors[i[good]], vectors[j[good]], vectors[k[good]]], axis=1)
    unimodular: NDArray[np.int64] = found[np.abs(np.rint(np.linalg.det(found))) == 1].astype(np.int64)
    return unimodular


@lru_cache(maxsize=1)
def _short_vectors() -> FloatArray:
    grid = np.stack(np.meshgrid(*[(-1.0, 0.0, 1.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    vectors: FloatArray = grid[np.abs(grid).sum(axis=1) > 0]
    return vectors
