"""The 14 Bravais lattices as quadratic forms: Q = 1/d^2 = A h^2 + B k^2 + C l^2 + D kl + E hl + F hk.

In the conventional axes of each lattice (b unique in monoclinic, hexagonal axes for R) symmetry ties the six
coefficients to p free ones, and centring forbids some hkl.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.cell import UnitCell
from pxrdgen_crystallography.lattice.centring import primitive_vectors

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class CrystalSystem(StrEnum):
    """The shapes a lattice can have; an R lattice counts as hexagonal in shape and is named by its centring."""

    TRICLINIC = "triclinic"
    MONOCLINIC = "monoclinic"
    ORTHORHOMBIC = "orthorhombic"
    TETRAGONAL = "tetragonal"
    TRIGONAL = "trigonal"
    HEXAGONAL = "hexagonal"
    CUBIC = "cubic"


#: A B C D E F by free parameter.
_FREE: dict[CrystalSystem, tuple[tuple[int, ...], ...]] = {
    CrystalSystem.TRICLINIC: tuple(tuple(int(i == j) for j in range(6)) for i in range(6)),
    CrystalSystem.MONOCLINIC: ((1, 0, 0, 0, 0, 0), (0, 1, 0, 0, 0, 0), (0, 0, 1, 0, 0, 0), (0, 0, 0, 0, 1, 0)),
    CrystalSystem.ORTHORHOMBIC: ((1, 0, 0, 0, 0, 0), (0, 1, 0, 0, 0, 0), (0, 0, 1, 0, 0, 0)),
    CrystalSystem.TETRAGONAL: ((1, 1, 0, 0, 0, 0), (0, 0, 1, 0, 0, 0)),
    CrystalSystem.TRIGONAL: ((1, 1, 0, 0, 0, 1), (0, 0, 1, 0, 0, 0)),
    CrystalSystem.HEXAGONAL: ((1, 1, 0, 0, 0, 1), (0, 0, 1, 0, 0, 0)),
    CrystalSystem.CUBIC: ((1, 1, 1, 0, 0, 0),),
}


@dataclass(frozen=True, kw_only=True)
class BravaisLattice:
    """One of the 14 lattice types.

    Args:
        system: its shape.
        centring: P C I F or R.
        holohedry: Hermann-Mauguin symbol of its highest space group.
        lattice_points: in the conventional cell.
    """

    system: CrystalSystem
    centring: str
    holohedry: str
    lattice_points: int

    @property
    def free(self) -> FloatArray:
        """[p, 6] which of A B C D E F each free parameter sets."""
        return np.array(_FREE[self.system], dtype=np.float64)

    @property
    def num_free(self) -> int:
        """p: 1 for cubic to 6 for triclinic."""
        return len(_FREE[self.system])

    def allowed(self, hkl: NDArray[np.int64]) -> BoolArray:
        """[H] which of ``hkl`` [H, 3] the centring leaves."""
        h, k, l = hkl.T  # noqa: E741 - the name of the index
        match self.centring:
            case "C":
                return np.asarray((h + k) % 2 == 0)
            case "I":
                return np.asarray((h + k + l) % 2 == 0)
            case "F":
                return np.asarray(((h + k) % 2 == 0) & ((h + l) % 2 == 0))
            case "R":
                return np.asarray((-h + k + l) % 3 == 0)
            case _:
                return np.ones(len(hkl), dtype=bool)

    def design(self, hkl: NDArray[np.int64]) -> FloatArray:
        """[p, H]: Q of all ``hkl`` [H, 3] = parameters [.., p] @ design."""
        return np.asarray(self.free @ quadratic_terms(hkl).T)

    def primitive_basis(self, parameters: FloatArray) -> FloatArray:
        """[3, 3] rows of a primitive basis in A (not reduced) for one set of parameters [p].

        Raises:
            CellError: the form is not positive definite.
        """
        cell = cell_of_form(parameters @ self.free)
        return np.asarray(primitive_vectors(self.centring, cell) @ cell.basis)

    def representatives(self, hkl: NDArray[np.int64]) -> BoolArray:
        """[H] one of each set of hkl that have the same Q in every lattice of this shape; 000 is none's."""
        h, k, l = hkl.T  # noqa: E741 - the name of the index
        match self.system:
            case CrystalSystem.TRICLINIC:
                keep = (h > 0) | ((h == 0) & ((k > 0) | ((k == 0) & (l > 0))))
            case CrystalSystem.MONOCLINIC:
                keep = (k >= 0) & ((h > 0) | ((h == 0) & (l >= 0)))
            case CrystalSystem.ORTHORHOMBIC:
                keep = (h >= 0) & (k >= 0) & (l >= 0)
            case CrystalSystem.TETRAGONAL | CrystalSystem.HEXAGONAL:
                keep = (h >= k) & (k >= 0) & (l >= 0)
            case CrystalSystem.TRIGONAL:
                keep = (h >= k) & (k >= 0) & ((l >= 0) | ((h - k) % 3 != 0))
            case CrystalSystem.CUBIC:
                keep = (h >= k) & (k >= l) & (l >= 0)
        return np.asarray(keep & (np.abs(hkl).sum(axis=1) > 0))


def _lattice(system: CrystalSystem, centring: str, holohedry: str, points: int) -> BravaisLattice:
    return BravaisLattice(system=system, centring=centring, holohedry=holohedry, lattice_points=points)


#: Highest symmetry first.
BRAVAIS_LATTICES: tuple[BravaisLattice, ...] = (
    _lattice(CrystalSystem.CUBIC, "F", "Fm-3m", 4),
    _lattice(CrystalSystem.CUBIC, "I", "Im-3m", 2),
    _lattice(CrystalSystem.CUBIC, "P", "Pm-3m", 1),
    _lattice(CrystalSystem.HEXAGONAL, "P", "P6/mmm", 1),
    _lattice(CrystalSystem.TRIGONAL, "R", "R-3m", 3),
    _lattice(CrystalSystem.TETRAGONAL, "I", "I4/mmm", 2),
    _lattice(CrystalSystem.TETRAGONAL, "P", "P4/mmm", 1),
    _lattice(CrystalSystem.ORTHORHOMBIC, "F", "Fmmm", 4),
    _lattice(CrystalSystem.ORTHORHOMBIC, "I", "Immm", 2),
    _lattice(CrystalSystem.ORTHORHOMBIC, "C", "Cmmm", 2),
    _lattice(CrystalSystem.ORTHORHOMBIC, "P", "Pmmm", 1),
    _lattice(CrystalSystem.MONOCLINIC, "C", "C2/m", 2),
    _lattice(CrystalSystem.MONOCLINIC, "P", "P2/m", 1),
    _lattice(CrystalSystem.TRICLINIC, "P", "P-1", 1),
)


def quadratic_terms(hkl: NDArray[np.int64]) -> FloatArray:
    """[H, 6] h^2 k^2 l^2 kl hl hk of ``hkl`` [H, 3]."""
    h, k, l = np.asarray(hkl, dtype=np.float64).T  # noqa: E741 - the name of the index
    return np.stack([h * h, k * k, l * l, k * l, h * l, h * k], axis=1)


def form_of_basis(basis: FloatArray) -> FloatArray:
    """[.., 6] A B C D E F of bases [.., 3, 3] (rows a, b, c in A)."""
    metric = np.linalg.inv(basis @ np.swapaxes(basis, -1, -2))
    return np.stack(
        [
            metric[..., 0, 0],
            metric[..., 1, 1],
            metric[..., 2, 2],
            2.0 * metric[..., 1, 2],
            2.0 * metric[..., 0, 2],
            2.0 * metric[..., 0, 1],
        ],
        axis=-1,
    )


def metric_of_form(form: FloatArray) -> FloatArray:
    """[.., 3, 3] reciprocal metric of forms [.., 6]."""
    a, b, c, d, e, f = np.moveaxis(np.asarray(form, dtype=np.float64), -1, 0)
    rows = [[a, f / 2, e / 2], [f / 2, b, d / 2], [e / 2, d / 2, c]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def volume_of_form(form: FloatArray) -> FloatArray:
    """[..] cell volume in A^3 of forms [.., 6]; 0 where the form is not positive definite."""
    metric = metric_of_form(form)
    minors = (
        metric[..., 0, 0],
        metric[..., 0, 0] * metric[..., 1, 1] - metric[..., 0, 1] ** 2,
        np.linalg.det(metric),
    )
    positive = (minors[0] > 0) & (minors[1] > 0) & (minors[2] > 0)
    return np.where(positive, 1.0 / np.sqrt(np.where(positive, minors[2], 1.0)), 0.0)


def cell_of_form(form: FloatArray) -> UnitCell:
    """The cell of one form [6].

    Raises:
        CellError: the form is not positive definite or the cell is out of range.
    """
    from pxrdgen_crystallography.lattice.metric import cell_of_metric

    return cell_of_metric(np.asarray(np.linalg.inv(metric_of_form(form)), dtype=np.float64))


@lru_cache(maxsize=64)
def _box(largest: tuple[int, int, int]) -> NDArray[np.int64]:
    grids = np.meshgrid(*[np.arange(-n, n + 1) for n in largest], indexing="ij")
    return np.stack(grids, axis=-1).reshape(-1, 3)


@lru_cache(maxsize=256)
def index_list(lattice: BravaisLattice, largest: tuple[int, int, int]) -> NDArray[np.int64]:
    """[H, 3] hkl of a lattice type up to the ``largest`` |h|, |k|, |l|, one of each set that always coincides."""
    hkl = _box(largest)
    found: NDArray[np.int64] = hkl[lattice.representatives(hkl) & lattice.allowed(hkl)]
    found.setflags(write=False)
    return found
