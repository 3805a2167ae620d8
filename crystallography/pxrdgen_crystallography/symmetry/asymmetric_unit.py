"""One atom of each orbit of a space group: what a CIF lists."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import SymmetryError
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.space_group import SpaceGroup

IntArray = NDArray[np.int64]


def asymmetric_unit(crystal: Crystal, group: SpaceGroup, *, tolerance: float = 1e-2) -> tuple[IntArray, IntArray]:
    """Representatives [K] and multiplicities [K] of the orbits of the atoms of a cell, by atomic number.

    Of each orbit the atom nearest the cell's origin by x + y + z is taken, ties by x, y, z.

    Raises:
        SymmetryError: an operation carries an atom to a place more than ``tolerance`` A from any atom of its kind.
    """
    coords, species = crystal.frac_coords, crystal.species
    rounded = np.round(coords, 5) % 1.0
    unlike = np.where(species[:, None] == species[None, :], 0.0, np.inf)
    left = np.ones(len(crystal), dtype=bool)
    representatives, multiplicities = [], []
    for atom in np.lexsort((rounded[:, 2], rounded[:, 1], rounded[:, 0], np.round(rounded.sum(axis=1), 4), species)):
        if not left[atom]:
            continue
        images = group.rotations @ coords[atom] + group.translations
        delta = images[:, None, :] - coords[None, :, :]
        delta -= np.rint(delta)
        distance = np.linalg.norm(delta @ crystal.basis, axis=2) + unlike[atom]
        if distance.min(axis=1).max() > tolerance:
            raise SymmetryError(
                f"got a crystal that is not symmetric under {group}: an image of atom {atom} is "
                f"{distance.min(axis=1).max():.3g} A from the next atom of its kind, expected at most {tolerance:g} A"
            )
        orbit = np.unique(distance.argmin(axis=1))
        left[orbit] = False
        representatives.append(int(atom))
        multiplicities.append(len(orbit))
    return np.array(representatives, dtype=np.int64), np.array(multiplicities, dtype=np.int64)
