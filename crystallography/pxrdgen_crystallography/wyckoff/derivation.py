"""All Wyckoff positions of a space group from its operations, by fixed-point analysis.

A Wyckoff position is a class of points whose site-symmetry groups are conjugate under the space group (International
Tables A, 1.4.4). The points fixed by a site-symmetry group form a point, a line, a plane, or all space; starting from
all of space, each subspace found is cut with the fixed points of every operation until nothing new turns up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: lattice translations tried beside each operation: an image of a point of the cell lies at most this far outside.
_SHIFTS = np.array(list(product(range(-2, 3), repeat=3)), dtype=np.float64)
#: a point of no special kind, for asking what is true on a whole subspace.
_GENERIC = np.array([0.13717, 0.28391, 0.41913])
_CLOSE = 1e-6


@dataclass(frozen=True, kw_only=True)
class SiteFamily:
    """Points directions @ u + origin, u of ``freedom`` numbers, that share a site symmetry.

    Args:
        multiplicity: points of an orbit in the cell.
        directions: [3, freedom] columns.
        origin: [3] in [0, 1).
    """

    multiplicity: int
    directions: FloatArray
    origin: FloatArray

    @property
    def freedom(self) -> int:
        """Free coordinates, 0 to 3."""
        return int(self.directions.shape[1])

    def generic_point(self) -> FloatArray:
        """[3] a point of the family and of no smaller one."""
        return np.asarray(self.directions @ _GENERIC[: self.freedom] + self.origin)


def derive_positions(rotations: IntArray, translations: FloatArray) -> list[SiteFamily]:
    """Every Wyckoff position once, general position last; multiplicities count points in the cell of the operations.

    Args:
        rotations, translations: [G, 3, 3] and [G, 3], operations x' = R x + t of a whole group modulo the lattice.
    """
    found = [_family(rotations, translations, np.eye(3), np.zeros(3))]
    queue = list(found)
    while queue:
        family = queue.pop()
        for rotation, translation in zip(rotations, translations, strict=True):
            for origin, directions in _cuts(family, rotation, translation):
                part = _family(rotations, translations, directions, origin)
                if not any(
                    in_family(part.generic_point(), known, rotations, translations)
                    for known in found
                    if known.multiplicity == part.multiplicity and known.freedom == part.freedom
                ):
                    found.append(part)
                    queue.append(part)
    return sorted(found, key=lambda family: (family.multiplicity, family.freedom))


def in_family(point: FloatArray, family: SiteFamily, rotations: IntArray, translations: FloatArray) -> bool:
    """Whether some image of ``point`` [3] lies on the family's subspace, modulo the lattice."""
    images = rotations @ point + translations - family.origin
    shifted = images[:, None, :] + _SHIFTS[None]
    if family.freedom:
        projector = family.directions @ np.linalg.pinv(family.directions)
        shifted = shifted - shifted @ projector.T
    else:
        shifted = images - np.rint(images)
    return bool(np.abs(shifted).max(axis=-1).min() < _CLOSE)


def _cuts(family: SiteFamily, rotation: IntArray, translation: FloatArray) -> Sequence[tuple[FloatArray, FloatArray]]:
    """(origin, directions) of the parts of a family that an operation, with any translation, leaves in place."""
    if family.freedom == 0:
        return []
    change = rotation - np.eye(3)
    matrix = change @ family.directions
    if np.abs(matrix).max() < _CLOSE:
        return []
    right = -(translation + _SHIFTS + change @ family.origin)
    solution = right @ np.linalg.pinv(matrix).T
    solved = np.abs(solution @ matrix.T - right).max(axis=1) < _CLOSE
    _, values, basis = np.linalg.svd(matrix)
    rank = int((values > _CLOSE).sum())
    directions = family.directions @ basis[rank:].T
    origins = solution[solved] @ family.directions.T + family.origin
    cuts = {}
    for origin in origins:
        tidy = _tidy(directions, origin)
        cuts[tuple(np.round(tidy[0], 6))] = tidy
    return list(cuts.values())


def _family(rotations: IntArray, translations: FloatArray, directions: FloatArray, origin: FloatArray) -> SiteFamily:
    """The family of all points with the site symmetry of a generic point of a subspace."""
    point = directions @ _GENERIC[: directions.shape[1]] + origin
    images = rotations @ point + translations - point
    stabiliser = np.abs(images - np.rint(images)).max(axis=1) < _CLOSE
    origin, directions = _tidy(directions, origin)
    return SiteFamily(multiplicity=len(rotations) // int(stabiliser.sum()), directions=directions, origin=origin)


def _tidy(directions: FloatArray, origin: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same subspace with directions in echelon form (``x``, ``x,2x``) and an origin that is 0 where they lead."""
    rows = directions.T.copy()
    pivots = []
    for row in range(len(rows)):
        left = [column for column in range(3) if column not in pivots and np.abs(rows[row:, column]).max() > _CLOSE]
        column = left[0]
        best = row + int(np.abs(rows[row:, column]).argmax())
        rows[[row, best]] = rows[[best, row]]
        rows[row] /= rows[row, column]
        for other in range(len(rows)):
            if other != row:
                rows[other] -= rows[other, column] * rows[row]
        pivots.append(column)
    origin = origin - origin[pivots] @ rows if pivots else origin
    # a line along (1, 1/2) is better walked in whole steps
    rows = rows * np.where(np.abs(rows - np.rint(rows)).max(axis=1, initial=0.0) > _CLOSE, 2.0, 1.0)[:, None]
    return np.rint(origin * 24.0) / 24.0 % 1.0, np.rint(rows.T)
