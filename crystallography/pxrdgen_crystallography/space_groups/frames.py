"""Conventional cells of a lattice for a crystal class: axes along the rotations, as the International Tables ask."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: components of conventional axes in a Niggli basis stay within this.
_REACH = 4
_ORDER_OF_TRACE = {3: 1, -1: 2, 0: 3, 1: 4, 2: 6}


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A conventional cell.

    Args:
        to_conventional: [3, 3] whole numbers; conventional basis (rows) = to_conventional @ primitive basis.
        crystal_system: triclinic, monoclinic, orthorhombic, tetragonal, trigonal, hexagonal or cubic.
        centring: P A B C I F or R (obverse).
    """

    to_conventional: IntArray
    crystal_system: str
    centring: str


def frames_of(rotations: IntArray, metric: FloatArray) -> list[Frame]:
    """Every conventional cell that the reference settings of a crystal class may need, usual choices first.

    Args:
        rotations: [H, 3, 3] the proper rotations of the class, W takes the primitive basis to W @ basis.
        metric: [3, 3] of the primitive basis, invariant under them.
    """
    system = crystal_system_of(rotations)
    orders = rotation_orders(rotations)
    match system:
        case "triclinic":
            return [Frame(to_conventional=np.eye(3, dtype=np.int64), crystal_system=system, centring="P")]
        case "monoclinic":
            axes = _monoclinic(rotations[orders == 2][0], metric)
        case "orthorhombic":
            along = sorted((_axis(w, metric) for w in rotations[orders == 2]), key=lambda axis: axis @ metric @ axis)
            axes = [_right_handed(np.array(chosen)) for chosen in permutations(along)]
        case "cubic":
            fourfold = 4 if (orders == 4).any() else 2
            along = _distinct_axes([_axis(w, metric) for w in rotations[orders == fourfold]])
            axes = [_right_handed(np.array(along))]
        case _:
            main = {"tetragonal": 4, "trigonal": 3, "hexagonal": 6}[system]
            axes = [_uniaxial(rotations[orders == main][0], main, metric)]
    return [Frame(to_conventional=cell, crystal_system=system, centring=_centring(cell)) for cell in axes]


def crystal_system_of(rotations: IntArray) -> str:
    """The crystal system of a group of proper rotations."""
    orders = rotation_orders(rotations)
    match len(rotations), int(orders.max()):
        case 1, _:
            return "triclinic"
        case 2, _:
            return "monoclinic"
        case (4, 2):
            return "orthorhombic"
        case (3, _) | (6, 3):
            return "trigonal"
        case (4 | 8, 4):
            return "tetragonal"
        case (6 | 12, 6):
            return "hexagonal"
        case _:
            return "cubic"


def rotation_orders(rotations: IntArray) -> IntArray:
    """[H] 1, 2, 3, 4 or 6."""
    return np.array([_ORDER_OF_TRACE[int(trace)] for trace in np.trace(rotations, axis1=1, axis2=2)])


def _monoclinic(twofold: IntArray, metric: FloatArray) -> list[IntArray]:
    """b along the axis, a and c any two of the three shortest vectors across it, with an obtuse angle."""
    unique = _axis(twofold, metric)
    first, second = _across(twofold, 2, metric)
    third = min((first + second, first - second), key=lambda vector: vector @ metric @ vector)
    cells = []
    for a, c in permutations((first, second, third), 2):
        obtuse = -c if a @ metric @ c > 0 else c
        cells.append(_right_handed(np.array([a, unique, obtuse]), flip=1))
    return sorted(cells, key=lambda cell: abs(_cosine(cell[0], cell[2], metric)))


def _uniaxial(rotation: IntArray, order: int, metric: FloatArray) -> IntArray:
    """c along the main axis, a the shortest vector across it, b its image under 90 or 120 degrees."""
    step = rotation if order != 6 else rotation @ rotation
    a, _ = _across(rotation, order, metric)
    cell = _right_handed(np.array([a, a @ step, _axis(rotation, metric)]))
    if _determinant(cell) == 3 and _centring(cell) != "R":
        cell[:2] *= -1
    return cell


def _axis(rotation: IntArray, metric: FloatArray) -> IntArray:
    """The shortest lattice vector that the rotation leaves alone."""
    vectors = _short_vectors()
    return np.asarray(_shortest(vectors[(vectors @ rotation == vectors).all(axis=1)], metric)[0])


def _across(rotation: IntArray, order: int, metric: FloatArray) -> tuple[IntArray, IntArray]:
    """A reduced basis of the lattice plane perpendicular to a rotation's axis."""
    total = sum((np.linalg.matrix_power(rotation, power) for power in range(order)), np.zeros((3, 3), dtype=np.int64))
    vectors = _short_vectors()
    plane = _shortest(vectors[(vectors @ total == 0).all(axis=1)], metric)
    return plane[0], next(v for v in plane[1:] if np.any(np.cross(v, plane[0])))


def _shortest(vectors: IntArray, metric: FloatArray) -> IntArray:
    lengths = np.einsum("ni,ij,nj->n", vectors, metric, vectors)
    return np.asarray(vectors[np.argsort(np.round(lengths, 6), kind="stable")])


def _distinct_axes(axes: list[IntArray]) -> list[IntArray]:
    kept: list[IntArray] = []
    for axis in axes:
        if all(np.any(np.cross(axis, other)) for other in kept):
            kept.append(axis)
    return kept


def _right_handed(cell: IntArray, *, flip: int = 2) -> IntArray:
    cell = cell.copy()
    if np.linalg.det(cell) < 0:
        cell[flip] *= -1
    return cell


def _cosine(u: IntArray, v: IntArray, metric: FloatArray) -> float:
    return float(u @ metric @ v / np.sqrt((u @ metric @ u) * (v @ metric @ v)))


def _determinant(cell: IntArray) -> int:
    return round(float(np.linalg.det(cell)))


def _centring(cell: IntArray) -> str:
    """The lattice letter, from which fractions of the cell's axes are whole lattice vectors."""
    a, b, c = cell
    match _determinant(cell):
        case 1:
            return "P"
        case 4:
            return "F"
        case 3:
            return "R" if not np.any((2 * a + b + c) % 3) else "reverse"
        case _:
            halves = {"A": b + c, "B": a + c, "C": a + b, "I": a + b + c}
            return next(letter for letter, vector in halves.items() if not np.any(vector % 2))


@lru_cache(maxsize=1)
def _short_vectors() -> IntArray:
    """Primitive lattice vectors, positive ones first, so that signs come out the same each time."""
    steps = range(-_REACH, _REACH + 1)
    found = [v for v in product(steps, repeat=3) if np.gcd.reduce(v) == 1]
    return np.array(sorted(found, key=lambda v: (sum(abs(x) for x in v), tuple(-x for x in v))), dtype=np.int64)
