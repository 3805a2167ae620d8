"""The Bravais type of a lattice from its metric, as two letters: ``cF``, ``oP``, ``mC``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pxrdgen_crystallography.space_groups.frames import frames_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_FAMILIES = {
    "triclinic": "a",
    "monoclinic": "m",
    "orthorhombic": "o",
    "tetragonal": "t",
    "trigonal": "h",
    "hexagonal": "h",
    "cubic": "c",
}


def lattice_type(basis: FloatArray, rotations: IntArray) -> str:
    """Bravais type of a lattice with these proper ``rotations`` [R, 3, 3]; one centred face is C whichever it is."""
    metric = basis @ basis.T
    averaged = np.einsum("gij,jk,glk->il", rotations, metric, rotations) / len(rotations)
    frame = frames_of(rotations, averaged)[0]
    one_face = frame.centring in ("A", "B", "C") or (frame.crystal_system == "monoclinic" and frame.centring == "I")
    return _FAMILIES[frame.crystal_system] + ("C" if one_face else frame.centring)
