"""Hydrogen that the pattern does not see, put into a refined structure by geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pxrdgen.values.refinement import RefinementResult
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_crystallography.hydrogen.place import place_hydrogens
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry

#: A; operations that a structure obeys exactly are found with this.
_EXACT = 0.01
PLACED = "hydrogen is hardly seen: it was placed by bond lengths, valences and contacts, and not refined"
LEFT_OUT = "hydrogen is hardly seen, and no place for all of it was found: the structure is given without it"


def with_hydrogens(
    refinement: RefinementResult, symmetry: SymmetrisedCrystal | None, count: int
) -> tuple[RefinementResult, SymmetrisedCrystal | None, str]:
    """The refinement with ``count`` hydrogen atoms before the others, as its atoms are ordered; its group; a remark.

    What was put there has no uncertainties. Where no place is found all stays as it was.
    """
    held = None if symmetry is None else replace(symmetry, crystal=refinement.crystal)
    full = place_hydrogens(refinement.crystal, held, count)
    if full is None:
        return refinement, symmetry, LEFT_OUT
    coordinate_su, u_su = refinement.coordinate_su, refinement.u_iso_su
    placed = replace(
        refinement,
        crystal=full,
        coordinate_su=None if coordinate_su is None else np.concatenate([np.zeros((count, 3)), coordinate_su]),
        u_iso_su=None if u_su is None else np.concatenate([np.zeros(count), u_su]),
    )
    return placed, None if symmetry is None else find_symmetry(full, _EXACT), PLACED
