"""Which reflections a space group extinguishes, and how strong the others are on average."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def reflection_conditions(
    hkl: IntArray, rotations: IntArray, translations: FloatArray
) -> tuple[NDArray[np.bool_], IntArray]:
    """Absent [H] bool and epsilon [H] of reflections ``hkl`` [H, 3] under operations x' = R x + t of a primitive cell.

    An operation with h R = h multiplies F(h) by exp(2 pi i h t): F vanishes unless all these factors are 1. Epsilon
    counts such operations: the mean of |F|^2 over random structures is epsilon sum f^2 (International Tables B 2.1).
    """
    hkl = np.asarray(hkl, dtype=np.int64)
    fixed = (np.einsum("hi,kij->khj", hkl, rotations) == hkl).all(axis=2)
    phase = hkl @ translations.T
    shifted = (np.abs(phase - np.rint(phase)) > 1e-3).T
    return (fixed & shifted).any(axis=0), fixed.sum(axis=0)
