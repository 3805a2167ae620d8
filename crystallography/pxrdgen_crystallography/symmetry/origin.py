"""Where the origin of a tabulated setting lies in a symmetric crystal: linear congruences modulo the lattice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import SymmetryError
from pxrdgen.values.space_group import SpaceGroup
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def find_origin(sym: SymmetrisedCrystal, to_setting: IntArray, space_group: SpaceGroup) -> FloatArray | None:
    """The shift s [3] that makes a crystal symmetric in a given cell, setting and origin; ``None`` when there is none.

    With primitive coordinates x the coordinates in the setting are (x + s) @ to_setting^-1. An operation (R, t) of the
    crystal becomes (R, t + (1 - R) s), which must equal the table's modulo the lattice for all operations at once.

    Args:
        sym: in a primitive cell.
        to_setting: [3, 3] whole numbers; basis of the setting (rows) = to_setting @ primitive basis.
        space_group: with the setting to be reached.
    """
    points = abs(int(np.rint(np.linalg.det(to_setting))))
    if points * sym.order != len(space_group.rotations):
        return None
    try:
        table_rotations, table_translations = space_group.operations_in(to_setting)
    except SymmetryError:
        return None
    if len(table_rotations) != sym.order:
        return None
    ours, theirs = _rotation_order(sym.rotations), _rotation_order(table_rotations)
    rotations = sym.rotations[ours]
    if not np.array_equal(rotations, table_rotations[theirs]):
        return None
    differences = table_translations[theirs] - sym.translations[ours]
    matrix = (np.eye(3, dtype=np.int64) - rotations).reshape(-1, 3)
    return solve_modulo_one(matrix, differences.reshape(-1))


def solve_modulo_one(matrix: IntArray, target: FloatArray, *, tolerance: float = 1e-5) -> FloatArray | None:
    """One solution s [3] of matrix @ s = target modulo 1 (matrix [K, 3] of whole numbers), or ``None``.

    Euclid's algorithm on the rows gives an echelon form; whole-number row operations keep congruences. Free unknowns
    are set to 0.
    """
    rows, values = matrix.astype(np.int64).copy(), np.asarray(target, dtype=np.float64).copy()
    pivots: list[tuple[int, int]] = []
    top = 0
    for column in range(3):
        while np.count_nonzero(rows[top:, column]):
            candidates = top + np.flatnonzero(rows[top:, column])
            best = candidates[np.abs(rows[candidates, column]).argmin()]
            rows[[top, best]], values[[top, best]] = rows[[best, top]], values[[best, top]]
            if len(candidates) == 1:
                pivots.append((top, column))
                top += 1
                break
            quotients = rows[top + 1 :, column] // rows[top, column]
            rows[top + 1 :] -= quotients[:, None] * rows[top]
            values[top + 1 :] = (values[top + 1 :] - quotients * values[top] + 0.5) % 1.0 - 0.5
    solution = np.zeros(3)
    for row, column in reversed(pivots):
        value = values[row] - np.rint(values[row])
        solution[column] = (value - rows[row, column + 1 :] @ solution[column + 1 :]) / rows[row, column]
    error = matrix @ solution - target
    return solution if np.abs(error - np.rint(error)).max() < tolerance else None


def _rotation_order(rotations: IntArray) -> IntArray:
    return np.lexsort(rotations.reshape(-1, 9).T)
