"""Reflections as a crystallographer lists them: symmetry-equivalent ones merged into one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal

if TYPE_CHECKING:
    from pxrdgen_crystallography.diffraction import ReflectionList

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: |F|^2 below this fraction of the largest is rounding.
_ABSENT = 1e-10


@dataclass(frozen=True, kw_only=True)
class LineList:
    """L lines by rising angle.

    Args:
        hkl: [L, 3] indices of one of the equivalent reflections: fewest negative, then largest h, k, l.
        d: [L] spacing, A.
        two_theta: [L] degrees, first wavelength.
        multiplicity: [L] equivalent reflections, Friedel mates included.
        f_squared: [L] |F|^2, electrons^2.
        intensity: [L] integrated, all equivalents together.
    """

    hkl: IntArray
    d: FloatArray
    two_theta: FloatArray
    multiplicity: IntArray
    f_squared: FloatArray
    intensity: FloatArray

    def __len__(self) -> int:
        return int(self.d.size)


def merged_lines(crystal: Crystal, reflections: ReflectionList, *, symprec: float = 1e-3) -> LineList:
    """The reflections of one crystal (row 0) with those merged that its Laue group makes equivalent.

    Lines without intensity (systematic absences) are left out.

    Args:
        symprec: distance in A within which symmetry is looked for; 1e-3 finds that of an exact structure.
    """
    keep = reflections.mask[0]
    hkl = np.rint(reflections.hkl[0][keep].double().cpu().numpy()).astype(np.int64)
    columns = {
        name: getattr(reflections, name)[0][keep].double().cpu().numpy()
        for name in ("d", "two_theta", "multiplicity", "f_squared", "intensity")
    }
    chosen, inverse = np.unique(_representatives(hkl, _rotations(crystal, symprec)), axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    members = np.bincount(inverse, minlength=len(chosen))
    total: dict[str, FloatArray] = {
        name: np.bincount(inverse, weights=values, minlength=len(chosen)).astype(np.float64)
        for name, values in columns.items()
    }
    mean = {name: values / np.maximum(members, 1) for name, values in total.items()}
    present = np.flatnonzero(mean["f_squared"] > _ABSENT * mean["f_squared"].max(initial=0.0))
    order = present[np.lexsort((*(-chosen[present].T), mean["two_theta"][present].round(6)))]
    return LineList(
        hkl=chosen[order],
        d=mean["d"][order],
        two_theta=mean["two_theta"][order],
        multiplicity=np.rint(total["multiplicity"][order]).astype(np.int64),
        f_squared=mean["f_squared"][order],
        intensity=total["intensity"][order],
    )


def _rotations(crystal: Crystal, symprec: float) -> IntArray:
    """[R, 3, 3] rotation parts of the crystal's symmetry; the identity alone where none is found."""
    import spglib

    cell: Any = (crystal.basis, crystal.frac_coords, crystal.species)
    found = spglib.get_symmetry(cell, symprec=symprec)
    if found is None:
        return np.eye(3, dtype=np.int64)[None]
    rotations: IntArray = np.unique(np.asarray(found["rotations"], dtype=np.int64), axis=0)
    return rotations


def _representatives(hkl: IntArray, rotations: IntArray) -> IntArray:
    """[H, 3] of all +-(h R), the one with the fewest negative indices, then the largest h, then k, then l."""
    if not hkl.size:
        return hkl
    span = 2 * int(np.abs(hkl[None] @ rotations).max()) + 1
    weights = np.array([span * span, span, 1], dtype=np.int64)

    def rank(indices: IntArray) -> IntArray:
        ranked: IntArray = indices @ weights - 2 * span**3 * (indices < 0).sum(axis=1)
        return ranked

    best, best_rank = hkl, rank(hkl)
    for rotation in (*rotations, *(-rotations)):
        image = hkl @ rotation
        image_rank = rank(image)
        larger = image_rank > best_rank
        best = np.where(larger[:, None], image, best)
        best_rank = np.where(larger, image_rank, best_rank)
    return best
