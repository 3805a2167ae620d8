"""Deformations of a cell that keep the symmetry of its lattice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: a lattice counts as symmetric when the operation changes its metric by less than this fraction.
METRIC_TOLERANCE = 2e-3


def lattice_rotations(basis: FloatArray, tolerance: float = METRIC_TOLERANCE) -> NDArray[np.int64]:
    """[G, 3, 3] integer matrices W with W basis = basis R for a rotation R: the lattice's point group.

    Entries -1, 0, 1 are enough for a reduced cell (Le Page 1982, doi:10.1107/S0021889882011959).
    """
    metric = basis @ basis.T
    triples = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    lengths = np.einsum("ni,ij,nj->n", triples, metric, triples)
    scale = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    rows = [triples[np.abs(lengths - metric[i, i]) < 2.0 * tolerance * metric[i, i]] for i in range(3)]
    found = []
    for a in rows[0]:
        for b in rows[1]:
            if abs(a @ metric @ b - metric[0, 1]) > 2.0 * tolerance * scale[0, 1]:
                continue
            for c in rows[2]:
                candidate = np.array([a, b, c])
                if abs(round(float(np.linalg.det(candidate)))) != 1:
                    continue
                if np.all(np.abs(candidate @ metric @ candidate.T - metric) <= 2.0 * tolerance * scale):
                    found.append(candidate)
    return np.array(found, dtype=np.int64)


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
