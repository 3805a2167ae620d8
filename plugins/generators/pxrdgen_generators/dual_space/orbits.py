"""The atoms of a map: its peaks, each snapped onto the nearest position of the space group, with all its images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from pxrdgen_generators.dual_space.reflection_symmetry import ReflectionSymmetry

FloatArray = NDArray[np.float64]

_NEIGHBOUR_CELLS = np.array(list(np.ndindex(3, 3, 3)), dtype=np.float64) - 1.0
#: peaks of a map that are looked at, and orbits kept, at most.
MOST_PEAKS, MOST_ORBITS = 700, 170
#: peaks lower than this share of the highest are noise.
FAINT = 0.01
#: A; a peak this near to its image sits on the symmetry element between them.
SNAP = 0.7
#: A; two atoms are never nearer, hydrogen aside.
APART = 0.9
#: orbits are taken until they hold so many times the atoms wanted.
SURPLUS = 2.0


@dataclass(frozen=True, kw_only=True)
class Orbit:
    """Equivalent positions of a group, movable as far as the first of them is.

    Args:
        height: of the peak.
        points: [m, 3] fractional coordinates, the first the peak's own.
        moves: [m, 3, w] how each point moves with the w free coordinates of the orbit.
    """

    height: float
    points: FloatArray
    moves: FloatArray

    def __len__(self) -> int:
        return len(self.points)


def least_distances(points: FloatArray, other: FloatArray, basis: FloatArray) -> FloatArray:
    """[...] distance in A between ``points`` [..., 3] and the nearest image of ``other`` [..., 3]."""
    apart = points - other
    apart = apart - np.round(apart)
    vectors = (apart[..., None, :] + _NEIGHBOUR_CELLS) @ basis
    return np.asarray(np.sqrt((vectors**2).sum(-1)).min(-1))


def find_orbits(
    density: FloatArray, symmetry: ReflectionSymmetry, basis: FloatArray, atoms: int, surplus: float = SURPLUS
) -> list[Orbit]:
    """The orbits of a map [X, Y, Z], highest first, until they hold ``surplus`` times the ``atoms`` wanted."""
    positions, heights = _peaks(density)
    rotations, translations = symmetry.rotations.astype(np.float64), symmetry.translations
    found: list[Orbit] = []
    taken = np.zeros((0, 3))
    total = 0
    for position, height in zip(positions, heights, strict=True):
        if height < FAINT * heights[0]:
            break
        if len(taken) and least_distances(taken, position, basis).min() < APART:
            continue
        orbit = _snapped(position, float(height), rotations, translations, basis)
        if orbit is None:
            continue
        found.append(orbit)
        taken = np.concatenate([taken, orbit.points])
        total += len(orbit)
        if (total > surplus * atoms and len(found) >= 4) or len(found) >= MOST_ORBITS:
            break
    return found


def _snapped(
    position: FloatArray, height: float, rotations: FloatArray, translations: FloatArray, basis: FloatArray
) -> Orbit | None:
    """The orbit of a peak at the mean of its near images; ``None`` where that is not a position of the group."""
    images = rotations @ position + translations
    near = least_distances(images, position, basis) < SNAP
    apart = images[near] - position
    position = position + (apart - np.round(apart)).mean(axis=0)
    images = rotations @ position + translations
    site = least_distances(images, position, basis) < 0.05
    points: list[FloatArray] = []
    operations: list[FloatArray] = []
    for image, rotation in zip(images % 1.0, rotations, strict=True):
        if not points or least_distances(np.array(points), image, basis).min() > 0.1:
            points.append(image)
            operations.append(rotation)
    if len(points) * int(site.sum()) != len(rotations):
        return None
    axes, strength, _ = np.linalg.svd(rotations[site].mean(axis=0))
    free = axes[:, strength > 0.5]
    return Orbit(height=height, points=np.array(points), moves=np.array(operations) @ free)


def _peaks(density: FloatArray) -> tuple[FloatArray, FloatArray]:
    """[P, 3] fractional positions of the maxima, by parabolas through their neighbours, and [P] heights, falling."""
    highest = density == maximum_filter(density, 3, mode="wrap")
    place, height = np.argwhere(highest), density[highest]
    order = np.argsort(-height)[:MOST_PEAKS]
    place, height = place[order], height[order]
    size = np.array(density.shape)
    position = place.astype(np.float64)
    for axis in range(3):
        step = np.zeros(3, dtype=np.int64)
        step[axis] = 1
        before = density[tuple(((place - step) % size).T)]
        after = density[tuple(((place + step) % size).T)]
        curvature = before - 2.0 * height + after
        curved = curvature < 0
        shift = np.clip(0.5 * (before - after) / np.where(curved, curvature, -1.0), -0.5, 0.5)
        position[:, axis] += np.where(curved, shift, 0.0)
    return position / size, height
