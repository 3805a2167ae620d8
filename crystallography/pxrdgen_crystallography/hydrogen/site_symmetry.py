"""Orbits of the heavier atoms under a group, and the operations that keep each atom in place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: A by which an atom may miss its image: twice the tolerance of a loosely found group.
_MISS = 0.3


@dataclass(frozen=True, kw_only=True)
class Orbit:
    """Atoms that the group carries onto one another.

    Args:
        members: [m] indices of the atoms; the first stands for all.
        carriers: [m, 3, 3] Cartesian rotations (columns) that carry the first's surroundings onto each member's.
        carriers_frac: [m, 3, 3] the same for fractional coordinates, whole numbers.
        stabiliser: [k, 3, 3] Cartesian rotations of the first atom's site symmetry.
    """

    members: IntArray
    carriers: FloatArray
    carriers_frac: FloatArray
    stabiliser: FloatArray


def find_orbits(crystal: Crystal, rotations: IntArray, translations: FloatArray) -> tuple[Orbit, ...]:
    """Orbits of all atoms; empty where an operation misses an atom."""
    to_cartesian = crystal.basis.T
    cartesian = to_cartesian @ rotations @ np.linalg.inv(to_cartesian)
    coords, species = crystal.frac_coords, crystal.species
    free = np.ones(len(species), dtype=bool)
    orbits = []
    for atom in range(len(species)):
        if not free[atom]:
            continue
        delta = (rotations @ coords[atom] + translations)[:, None, :] - coords[None, :, :]
        distance = np.linalg.norm((delta - np.rint(delta)) @ crystal.basis, axis=2)
        distance[:, species != species[atom]] = np.inf
        partner = distance.argmin(axis=1)
        if distance[np.arange(len(partner)), partner].max() > _MISS:
            return ()
        members, carrier = np.unique(partner, return_index=True)
        order = np.argsort(members != atom, kind="stable")
        members, carrier = members[order], carrier[order]
        carrier[0] = np.flatnonzero((rotations == np.eye(3)).all(axis=(1, 2)) & (partner == atom))[0]
        free[members] = False
        orbits.append(
            Orbit(
                members=members,
                carriers=cartesian[carrier],
                carriers_frac=rotations[carrier].astype(np.float64),
                stabiliser=cartesian[partner == atom],
            )
        )
    return tuple(orbits)
