"""Whether atoms fit on a Wyckoff position: how far apart the atoms of one orbit can be at best."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from pxrdgen_crystallography.wyckoff.positions import OrbitFamily

FloatArray = NDArray[np.float64]

#: places tried along the free coordinates of a position.
_SAMPLES = 96
_STEPS = np.array(list(product((-1.0, 0.0, 1.0), repeat=3)))


def widest_spacing(family: OrbitFamily, basis: FloatArray) -> float:
    """Largest shortest distance (A) between atoms of one orbit, over orbits on the position; infinite for one atom.

    Args:
        basis: [3, 3] rows of the Niggli-reduced primitive cell in A.
    """
    if family.multiplicity == 1:
        return float("inf")
    # quasi-random points fill the cell evenly (Roberts 2018)
    free = (np.arange(_SAMPLES)[:, None] * np.array([0.8191725, 0.6710436, 0.5497005])[: family.freedom] + 0.31) % 1.0
    places = family.places(free if family.freedom else np.zeros((1, 0)))
    apart = places[:, 1:] - places[:, :1]
    apart -= np.rint(apart)
    vectors = (apart[:, :, None, :] + _STEPS) @ basis
    shortest = np.sqrt((vectors**2).sum(axis=-1)).min(axis=(1, 2))
    return float(shortest.max())
