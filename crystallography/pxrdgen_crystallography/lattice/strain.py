"""Deformations of a cell that keep the symmetry of its lattice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def strain_basis(basis: FloatArray, rotations: NDArray[np.int64]) -> FloatArray:
    """[Q, 3, 3] orthonormal symmetric strains e (Cartesian) that the ``rotations`` [G, 3, 3] leave unchanged.

    A strained basis is ``basis @ (1 + sum_q p_q e_q)``; Q is 1 for cubic and 6 for triclinic lattices.
    """
    inverse = np.linalg.inv(basis)
    symmetric = []
    for i in range(3):
        for j in range(i, 3):
            unit = np.zeros((3, 3))
            unit[i, j] = unit[j, i] = 1.0 if i == j else np.sqrt(0.5)
            symmetric.append(unit)
    projector = np.zeros((6, 6))
    for rotation in rotations:
        cartesian = inverse @ rotation @ basis
        u, _, vt = np.linalg.svd(cartesian)
        orthogonal = u @ vt
        for column, unit in enumerate(symmetric):
            turned = orthogonal.T @ unit @ orthogonal
            projector[:, column] += [float(np.sum(turned * other)) for other in symmetric]
    projector /= len(rotations)
    u, values, _ = np.linalg.svd(projector)
    kept = u[:, values > 0.5]
    return np.asarray(np.einsum("cq,cij->qij", kept, np.array(symmetric)), dtype=np.float64)
