"""To and from pymatgen's structures (Ong et al. 2013, doi:10.1016/j.commatsci.2012.10.028); pymatgen loads on use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pxrdgen.errors import StructureError
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import SYMBOLS

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure


def crystal_from_pymatgen(structure: Structure, *, name: str = "") -> Crystal:
    """The same crystal as plain numbers.

    Raises:
        StructureError: sites are shared or partly filled (ordered crystals only), or hold a dummy species.
    """
    if not structure.is_ordered:
        raise StructureError(
            f"got {structure.composition.formula} with shared or partly filled sites: ordered crystals only"
        )
    species = [getattr(site.specie, "Z", 0) for site in structure]
    if not all(isinstance(number, int) and number > 0 for number in species):
        raise StructureError(f"got {structure.composition.formula} with a dummy species; expected chemical elements")
    return Crystal(
        species=np.array(species, dtype=np.int64),
        frac_coords=np.array(structure.frac_coords, dtype=np.float64),
        basis=np.array(structure.lattice.matrix, dtype=np.float64),
        name=name,
    )


def crystal_to_pymatgen(crystal: Crystal) -> Structure:
    """The same crystal as a pymatgen ``Structure``; ``u_iso`` becomes a site property."""
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    return Structure(
        Lattice(crystal.basis),
        [SYMBOLS[number] for number in crystal.species.tolist()],
        crystal.frac_coords,
        site_properties=None if crystal.u_iso is None else {"u_iso": crystal.u_iso.tolist()},
    )
