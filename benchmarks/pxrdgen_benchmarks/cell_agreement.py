"""What two cells have in common: the lattice, its lines, and the axes that look most alike."""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.cell import UnitCell

FloatArray = NDArray[np.float64]

#: tolerances of "exact".
LENGTH_TOLERANCE, ANGLE_TOLERANCE = 0.01, 1.0
#: degrees within which lines of two lattices are the same.
SAME_LINE = 0.02


def exact_cell(found: UnitCell, truth: UnitCell) -> bool:
    """Whether two primitive cells span the same lattice within 1 % and 1 degree."""
    from pymatgen.core.lattice import Lattice

    if abs(found.volume / truth.volume - 1.0) > 0.1:
        return False
    mapping = Lattice(found.basis).find_mapping(Lattice(truth.basis), ltol=LENGTH_TOLERANCE, atol=ANGLE_TOLERANCE)
    return mapping is not None and abs(abs(float(np.linalg.det(mapping[2]))) - 1.0) < 0.01


def same_lines(found: UnitCell, truth: UnitCell, wavelength: float, high: float) -> bool:
    """Whether both lattices have lines at the same angles up to ``high`` degrees, within 0.02 degrees.

    A powder pattern cannot tell such lattices apart (Mighell & Santoro 1975, doi:10.1107/S0021889875010862). The found
    one is scaled to the first line of the true one before: a difference of scale is no other lattice.
    """
    ours, theirs = (_angles(cell, wavelength, high) for cell in (found, truth))
    if ours.size == 0 or theirs.size == 0:
        return False
    ratio = np.sin(np.radians(theirs[0] / 2.0)) / np.sin(np.radians(ours[0] / 2.0))
    if abs(ratio - 1.0) > LENGTH_TOLERANCE:
        return False
    ours = np.degrees(2.0 * np.arcsin(np.minimum(ratio * np.sin(np.radians(ours / 2.0)), 1.0)))
    inside = high - 0.1
    one, other = (
        np.abs(first[:, None] - second[None, :]).min(axis=1)[first < inside] < SAME_LINE
        for first, second in ((ours, theirs), (theirs, ours))
    )
    return bool(one.all() and other.all())


def nearest_setting(cell: UnitCell, like: UnitCell) -> UnitCell:
    """The axes of the lattice of ``cell``, sums and differences of the given ones, nearest to those of ``like``.

    Reduction is not continuous: cells that differ by a hair may have angles near 60 degrees in one and near 120 in the
    other. Errors of single parameters mean something only in matching axes.
    """
    basis, wanted = cell.basis, like.basis @ like.basis.T
    metrics = np.einsum("tij,jk,tlk->til", _changes(), basis @ basis.T, _changes())
    scale = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
    distance = np.abs((metrics - wanted) / scale).sum(axis=(1, 2))
    return UnitCell.from_basis(_changes()[int(np.argmin(distance))] @ basis)


def _angles(cell: UnitCell, wavelength: float, high: float) -> FloatArray:
    from pxrdgen_crystallography.decomposition.lines import bragg_angles, lines_of, reciprocal_metric_of

    basis = cell.basis
    lines = lines_of(basis, wavelength, 1.0, high)
    return bragg_angles(lines.hkl[lines.first], reciprocal_metric_of(basis), wavelength) if len(lines) else np.zeros(0)


@lru_cache(maxsize=1)
def _changes() -> FloatArray:
    """[3480, 3, 3] matrices of -1, 0 and 1 with determinant 1."""
    every = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=9))).reshape(-1, 3, 3)
    return np.asarray(every[np.rint(np.linalg.det(every)) == 1])
