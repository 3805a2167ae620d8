"""Lattice letters: the primitive vectors of a centred cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import CellError
from pxrdgen.values.cell import UnitCell

FloatArray = NDArray[np.float64]

_THIRD = 1.0 / 3.0
_PRIMITIVE: dict[str, tuple[tuple[float, float, float], ...]] = {
    "P": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "A": ((1, 0, 0), (0, 0.5, -0.5), (0, 0.5, 0.5)),
    "B": ((0.5, 0, -0.5), (0, 1, 0), (0.5, 0, 0.5)),
    "C": ((0.5, -0.5, 0), (0.5, 0.5, 0), (0, 0, 1)),
    "I": ((-0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.5, 0.5, -0.5)),
    "F": ((0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)),
    "R": ((2 * _THIRD, _THIRD, _THIRD), (-_THIRD, _THIRD, _THIRD), (-_THIRD, -2 * _THIRD, _THIRD)),
}

#: Lattice letters; R with hexagonal axes is the obverse setting (2/3 1/3 1/3, 1/3 2/3 2/3).
CENTRINGS: tuple[str, ...] = tuple(_PRIMITIVE)


def primitive_vectors(centring: str, cell: UnitCell) -> FloatArray:
    """[3, 3] rows: primitive vectors as combinations of the cell's a, b, c (primitive basis = rows @ basis).

    Raises:
        CellError: R with a cell that has neither hexagonal nor rhombohedral axes, or an unknown letter.
    """
    if centring not in _PRIMITIVE:
        raise CellError(f"got the centring {centring!r}, expected one of {' '.join(CENTRINGS)}")
    if centring == "R":
        if is_rhombohedral(cell):
            return np.eye(3)
        if not _is_hexagonal(cell):
            raise CellError(
                f"got the centring R with the cell {cell}; expected hexagonal axes (a = b, angles 90 90 120) "
                "or rhombohedral axes (a = b = c, three equal angles)"
            )
    return np.array(_PRIMITIVE[centring], dtype=np.float64)


def is_rhombohedral(cell: UnitCell, *, length_tolerance: float = 0.005, angle_tolerance: float = 0.3) -> bool:
    """Whether a = b = c and the three angles are equal, within a relative and an angular (degrees) tolerance."""
    lengths, angles = cell.parameters[:3], cell.parameters[3:]
    return (
        max(lengths) - min(lengths) <= length_tolerance * max(lengths) and max(angles) - min(angles) <= angle_tolerance
    )


def _is_hexagonal(cell: UnitCell, *, length_tolerance: float = 0.005, angle_tolerance: float = 0.3) -> bool:
    off = np.abs(np.array(cell.parameters[3:]) - (90.0, 90.0, 120.0)).max()
    return bool(abs(cell.a - cell.b) <= length_tolerance * max(cell.a, cell.b) and off <= angle_tolerance)
