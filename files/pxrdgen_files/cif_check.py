"""Does a CIF mean the crystal it was written from? Read as a stranger would, from operators and listed atoms alone."""

from __future__ import annotations

import math

import gemmi
import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import ATOMIC_NUMBERS

FloatArray = NDArray[np.float64]

#: Images of one listed atom nearer than this (A) are one atom.
_MERGE = 0.02


def expansion_error(text: str, crystal: Crystal) -> float:
    """Largest distance (A) between an atom of the expanded CIF and the crystal's; infinite when their numbers differ.

    Cell lengths and angles must agree to 0.1 % and 0.05 degrees, else the error is infinite too.
    """
    block = gemmi.cif.read_string(text).sole_block()
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    cell = np.array([gemmi.cif.as_number(block.find_value(f"_cell_{name}")) for name in names])
    given = np.array(crystal.cell.parameters)
    if np.any(np.abs(cell - given) > [*(1e-3 * given[:3]), 0.05, 0.05, 0.05]):
        return math.inf
    basis = UnitCell.from_numbers(cell.tolist()).basis
    species, coords = _expanded(block, basis)
    if sorted(species.tolist()) != sorted(crystal.species.tolist()):
        return math.inf
    delta = coords[:, None, :] - crystal.frac_coords[None, :, :]
    delta -= np.rint(delta)
    distance = np.linalg.norm(delta @ basis, axis=2)
    distance[species[:, None] != crystal.species[None, :]] = np.inf
    return float(max(distance.min(axis=0).max(), distance.min(axis=1).max()))


def _expanded(block: gemmi.cif.Block, basis: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    operations = [gemmi.Op(row.str(0)) for row in block.find(["_space_group_symop_operation_xyz"])]
    table = block.find("_atom_site_", ["type_symbol", "fract_x", "fract_y", "fract_z"])
    species: list[int] = []
    coords: list[FloatArray] = []
    for row in table:
        place = [gemmi.cif.as_number(row[column]) for column in (1, 2, 3)]
        kept: list[FloatArray] = []
        for operation in operations:
            image = np.array(operation.apply_to_xyz(place))
            delta = np.array(kept).reshape(-1, 3) - image
            delta -= np.rint(delta)
            if not (np.linalg.norm(delta @ basis, axis=1) < _MERGE).any():
                kept.append(image)
        coords += kept
        species += [ATOMIC_NUMBERS[row.str(0)]] * len(kept)
    return np.array(species, dtype=np.int64), np.array(coords, dtype=np.float64)
