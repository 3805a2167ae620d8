"""Hydrogen atoms half-way between two like atoms that an operation of the group exchanges: O-H-O and F-H-F."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.lattice.neighbours import find_neighbours

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: A: longest distance of two atoms that share a hydrogen atom evenly (Emsley 1980, doi:10.1039/CS9800900091).
_LONGEST = {8: 2.65, 9: 2.45}
#: A: closer ones are bonded to each other.
_SHORTEST = 2.1
#: A between images of a midpoint that are one.
_SAME = 0.05


@dataclass(frozen=True, kw_only=True)
class SharedOrbit:
    """Midpoints that the group carries onto one another.

    Args:
        frac_coords: [m, 3] of the midpoints.
        ends: [2 m] atoms on either side.
    """

    frac_coords: FloatArray
    ends: IntArray


def shared_orbits(
    heavy: Crystal, rotations: IntArray, translations: FloatArray, lacking: FloatArray
) -> list[SharedOrbit]:
    """Orbits of such midpoints, those first whose ends lack most valence."""
    pairs = find_neighbours(heavy, max(_LONGEST.values()))
    species = heavy.species
    longest = np.array([_LONGEST.get(int(z), 0.0) for z in species])
    like = (species[pairs.first] == species[pairs.second]) & (pairs.distances > _SHORTEST)
    pairs = pairs.kept(like & (pairs.distances < longest[pairs.first]))
    found: list[tuple[float, SharedOrbit]] = []
    seen = np.zeros((0, 3))
    for first, second, vector in zip(pairs.first, pairs.second, pairs.vectors, strict=True):
        half = 0.5 * vector @ np.linalg.inv(heavy.basis)
        middle = heavy.frac_coords[first] + half
        if len(seen) and _apart(seen, middle, heavy.basis).min() < _SAME:
            continue
        images = rotations @ middle + translations
        stays = _apart(images, middle, heavy.basis) < _SAME
        orbit: list[FloatArray] = []
        for image in images:
            if not orbit or _apart(np.array(orbit), image, heavy.basis).min() > _SAME:
                orbit.append(image)
        seen = np.concatenate([seen, orbit])
        if not (np.abs(rotations[stays] @ half + half).max(axis=1) < 1e-3).any():
            continue
        near = np.array([_apart(heavy.frac_coords, point, heavy.basis) for point in orbit])
        ends = np.argsort(near, axis=1, kind="stable")[:, :2].reshape(-1)
        missing = float(lacking[first] + lacking[second])
        found.append((-missing, SharedOrbit(frac_coords=np.array(orbit), ends=ends)))
    return [orbit for _, orbit in sorted(found, key=lambda entry: entry[0])]


def _apart(points: FloatArray, point: FloatArray, basis: FloatArray) -> FloatArray:
    """[K] distances (A) of points [K, 3] to the nearest image of another."""
    delta = points - point
    return np.asarray(np.linalg.norm((delta - np.rint(delta)) @ basis, axis=1))
