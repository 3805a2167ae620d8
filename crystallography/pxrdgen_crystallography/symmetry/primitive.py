"""The smallest cell of a crystal, Niggli-reduced: the description everything inside works with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import StructureError
from pxrdgen.values.crystal import Crystal


def primitive(crystal: Crystal, *, symprec: float = 0.01) -> Crystal:
    """The crystal in its primitive, Niggli-reduced cell, species sorted by atomic number.

    Lattice and positions are not idealised beyond averaging the atoms that become one.

    Args:
        crystal: in any cell.
        symprec: distance in A within which a translation counts as one.

    Raises:
        StructureError: no primitive cell is found (atoms too close to each other).
    """
    import spglib

    cell: Any = (crystal.basis, crystal.frac_coords, crystal.species)
    found = spglib.standardize_cell(cell, to_primitive=True, no_idealize=True, symprec=symprec)
    if found is None:
        raise StructureError(
            f"got {crystal.name or crystal.formula}, whose primitive cell cannot be found at {symprec:g} A; "
            "are atoms on top of each other?"
        )
    basis, coords, species = (np.asarray(part) for part in found)
    u_iso = None
    if crystal.u_iso is not None:
        u_iso = crystal.u_iso[_sources(crystal, basis, coords, species)]
    small = Crystal(species=species, frac_coords=coords, basis=basis, u_iso=u_iso, name=crystal.name)
    return small.niggli().sorted_by_species()


def _sources(
    crystal: Crystal, basis: NDArray[np.float64], coords: NDArray[np.float64], species: NDArray[np.int64]
) -> NDArray[np.intp]:
    """[N] for each atom of the primitive cell, the atom of ``crystal`` it comes from."""
    positions = coords @ basis @ np.linalg.inv(crystal.basis)
    delta = positions[:, None, :] - crystal.frac_coords[None, :, :]
    distance = np.linalg.norm((delta - np.round(delta)) @ crystal.basis, axis=-1)
    distance[species[:, None] != crystal.species[None, :]] = np.inf
    return np.asarray(distance.argmin(axis=1))
