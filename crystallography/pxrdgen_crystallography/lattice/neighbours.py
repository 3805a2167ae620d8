"""Atoms around an atom, images of the cell included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Every pair of atoms within a distance, in both directions, without an atom's pair with itself in place.

    Args:
        first, second: [M] indices of the atoms.
        vectors: [M, 3] from the first to the image of the second, A.
    """

    first: IntArray
    second: IntArray
    vectors: FloatArray

    @property
    def distances(self) -> FloatArray:
        """[M] in A."""
        return np.asarray(np.linalg.norm(self.vectors, axis=1))

    def kept(self, mask: NDArray[np.bool_]) -> Neighbours:
        """The pairs of a mask [M]."""
        return Neighbours(first=self.first[mask], second=self.second[mask], vectors=self.vectors[mask])


def find_neighbours(crystal: Crystal, reach: float) -> Neighbours:
    """All pairs no farther apart than ``reach`` (A)."""
    heights = 1.0 / np.linalg.norm(np.linalg.inv(crystal.basis), axis=0)
    most = np.ceil(reach / heights).astype(int) + 1
    axes = [np.arange(-m, m + 1) for m in most]
    images = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) @ crystal.basis
    coords = crystal.frac_coords @ crystal.basis
    between = coords[None, :] - coords[:, None]
    found = []
    for image in images:
        vectors = between + image
        squared = (vectors**2).sum(axis=2)
        rows, columns = np.nonzero((squared <= reach**2) & (squared > 1e-6))
        found.append((rows, columns, vectors[rows, columns]))
    first, second, vectors = (np.concatenate(part) for part in zip(*found, strict=True))
    return Neighbours(first=first, second=second, vectors=vectors)
