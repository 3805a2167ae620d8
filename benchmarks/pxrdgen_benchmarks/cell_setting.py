"""A cell in the axes that look most like another's.

Reduction is not continuous: cells that differ by a hair may have angles near 60 degrees in one and near 120 in the
other. Errors of single parameters mean something only in matching axes.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.cell import UnitCell

FloatArray = NDArray[np.float64]


def nearest_setting(cell: UnitCell, like: UnitCell) -> UnitCell:
    """The axes of the lattice of ``cell``, sums and differences of the given ones, nearest to those of ``like``."""
    basis, wanted = cell.basis, like.basis @ like.basis.T
    metrics = np.einsum("tij,jk,tlk->til", _changes(), basis @ basis.T, _changes())
    scale = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
    distance = np.abs((metrics - wanted) / scale).sum(axis=(1, 2))
    return UnitCell.from_basis(_changes()[int(np.argmin(distance))] @ basis)


@lru_cache(maxsize=1)
def _changes() -> FloatArray:
    """[3480, 3, 3] matrices of -1, 0 and 1 with determinant 1."""
    every = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=9))).reshape(-1, 3, 3)
    return every[np.rint(np.linalg.det(every)) == 1]
