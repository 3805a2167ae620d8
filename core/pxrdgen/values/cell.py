"""Unit cells: six numbers, their basis, and reduction (delegated to spglib)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import CellError

FloatArray = NDArray[np.float64]

_NAMES = ("a", "b", "c", "alpha", "beta", "gamma")


@dataclass(frozen=True)
class UnitCell:
    """Lengths in A and angles in degrees.

    Raises:
        CellError: a value is not finite or out of range, or the angles span no volume.
    """

    a: float
    b: float
    c: float
    alpha: float = 90.0
    beta: float = 90.0
    gamma: float = 90.0

    def __post_init__(self) -> None:
        for name, value in zip(_NAMES, self.parameters, strict=True):
            if not math.isfinite(value):
                raise CellError(f"got {name} = {value}, expected a finite number")
            if name in "abc" and not 0.5 <= value <= 500.0:
                raise CellError(f"got {name} = {value:g} A, expected 0.5 to 500 A; are the lengths in A?")
            if name not in "abc" and not 5.0 <= value <= 175.0:
                raise CellError(
                    f"got {name} = {value:g}, expected 5 to 175 degrees; the order is a b c alpha beta gamma"
                )
        if self._gram_determinant() < 1e-6:
            raise CellError(
                f"got angles {self.alpha:g} {self.beta:g} {self.gamma:g}, which span no volume; "
                "each must be smaller than the sum of the other two"
            )

    @property
    def parameters(self) -> tuple[float, float, float, float, float, float]:
        """(a, b, c, alpha, beta, gamma)."""
        return (self.a, self.b, self.c, self.alpha, self.beta, self.gamma)

    def _gram_determinant(self) -> float:
        cosines = [math.cos(math.radians(angle)) for angle in (self.alpha, self.beta, self.gamma)]
        return 1.0 - sum(c * c for c in cosines) + 2.0 * cosines[0] * cosines[1] * cosines[2]

    @property
    def volume(self) -> float:
        """V = abc sqrt(1 - sum cos^2 + 2 prod cos), in A^3."""
        return self.a * self.b * self.c * math.sqrt(self._gram_determinant())

    @property
    def basis(self) -> FloatArray:
        """[3, 3] rows a, b, c in A; a along x, b in the xy plane."""
        ca, cb, cg = (math.cos(math.radians(angle)) for angle in (self.alpha, self.beta, self.gamma))
        sg = math.sin(math.radians(self.gamma))
        cx, cy = cb, (ca - cb * cg) / sg
        cz = math.sqrt(max(1.0 - cx * cx - cy * cy, 0.0))
        rows = [[self.a, 0.0, 0.0], [self.b * cg, self.b * sg, 0.0], [self.c * cx, self.c * cy, self.c * cz]]
        return np.array(rows, dtype=np.float64)

    @classmethod
    def from_basis(cls, basis: FloatArray) -> UnitCell:
        """The cell of a [3, 3] basis, rows a, b, c in A."""
        a, b, c = (float(np.linalg.norm(row)) for row in basis)

        def angle(u: FloatArray, v: FloatArray) -> float:
            cosine = float(u @ v / (np.linalg.norm(u) * np.linalg.norm(v)))
            return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))

        return cls(a, b, c, angle(basis[1], basis[2]), angle(basis[0], basis[2]), angle(basis[0], basis[1]))

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> UnitCell:
        """A cell from six numbers a b c alpha beta gamma.

        Raises:
            CellError: not six numbers, or no cell.
        """
        if len(numbers) != 6:
            raise CellError(
                f"got {len(numbers)} value(s), expected six: a b c in A, then alpha beta gamma in degrees "
                "(for a cubic cell of 5.4 A: 5.4 5.4 5.4 90 90 90)"
            )
        return cls(*(float(number) for number in numbers))

    def niggli(self) -> tuple[UnitCell, NDArray[np.int64]]:
        """The Niggli-reduced cell and the integer matrix P [3, 3] with reduced basis = P @ basis.

        Grosse-Kunstleve, Sauter & Adams 2004, doi:10.1107/S010876730302186X.

        Raises:
            CellError: reduction failed (a degenerate cell).
        """
        import spglib

        # at a boundary between two reduced forms the algorithm may not end with one tolerance and does with another
        found = (spglib.niggli_reduce(self.basis, eps=eps) for eps in (1e-5, 1e-4, 1e-3, 1e-6))
        reduced = next((basis for basis in found if basis is not None), None)
        if reduced is None:
            raise CellError(f"got the cell {self}, which cannot be Niggli-reduced; check its lengths and angles")
        transform = np.rint(reduced @ np.linalg.inv(self.basis)).astype(np.int64)
        if np.linalg.det(transform) < 0:
            transform = -transform
        return UnitCell.from_basis(transform @ self.basis), transform

    def __str__(self) -> str:
        return (
            f"{self.a:.4f} {self.b:.4f} {self.c:.4f} A  {self.alpha:.3f} {self.beta:.3f} {self.gamma:.3f} deg  "
            f"V {self.volume:.2f} A^3"
        )
