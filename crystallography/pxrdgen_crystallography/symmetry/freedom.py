"""What symmetry leaves free: the displacements and strains that every operation of the group keeps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal

FloatArray = NDArray[np.float64]

#: Voigt order of strain components: xx yy zz yz xz xy.
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def free_coordinates(sym: SymmetrisedCrystal) -> FloatArray:
    """[3N, P] orthonormal basis of the invariant fields of fractional displacements u [N, 3] (flattened row by row).

    The range of the projector 1/|G| sum_g, (g u)[permutation[g, i]] = R_g u[i]. Moving the atoms along any column keeps
    the space group; a polar group's free origin is included (see :func:`free_origin`).
    """
    count = len(sym.crystal)
    projector = np.zeros((count, 3, count, 3))
    columns = np.arange(count)
    for rotation, partner in zip(sym.rotations, sym.permutation, strict=True):
        projector[partner, :, columns, :] += rotation
    return _range_of(projector.reshape(3 * count, 3 * count) / sym.order)


def free_origin(sym: SymmetrisedCrystal) -> FloatArray:
    """[3, Q] orthonormal basis of the shifts of all atoms together that keep the group; none unless it is polar."""
    return _range_of(sym.rotations.mean(axis=0))


def free_strains(sym: SymmetrisedCrystal) -> FloatArray:
    """[6, Q] orthonormal basis of the symmetric Cartesian strains e that keep the cell's symmetry.

    basis' = basis @ (1 + e), rows of basis in A; components e_xx e_yy e_zz e_yz e_xz e_xy (tensor components, not
    doubled shears). Because e commutes with the point group the symmetry is kept for strains of any size.
    Q is 6 triclinic, 4 monoclinic, 3 orthorhombic, 2 uniaxial, 1 cubic.
    """
    cartesian = np.linalg.inv(sym.crystal.basis.T)
    projector = np.zeros((6, 6))
    for column in range(6):
        unit = np.zeros(6)
        unit[column] = 1.0
        strain = strain_matrix(unit)
        rotated = np.zeros((3, 3))
        for rotation in sym.rotations:
            operation = sym.crystal.basis.T @ rotation @ cartesian
            rotated += operation @ strain @ operation.T
        projector[:, column] = [rotated[i, j] for i, j in VOIGT]
    return _range_of(projector / sym.order)


def strain_matrix(components: FloatArray) -> FloatArray:
    """[3, 3] symmetric matrix of six Voigt components xx yy zz yz xz xy."""
    matrix = np.zeros((3, 3))
    for value, (i, j) in zip(components, VOIGT, strict=True):
        matrix[i, j] = matrix[j, i] = value
    return matrix


def _range_of(projector: FloatArray) -> FloatArray:
    """Orthonormal columns spanning the range of a projector; its rank is its trace, a whole number."""
    rank = int(np.rint(np.trace(projector)))
    left, _, _ = np.linalg.svd(projector)
    return np.ascontiguousarray(left[:, :rank])
