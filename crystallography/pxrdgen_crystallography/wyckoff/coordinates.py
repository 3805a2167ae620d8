"""The atoms of an assignment as a linear map of its free coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from pxrdgen_crystallography.structure_fit.orbit_model import OrbitMap
from pxrdgen_crystallography.wyckoff.positions import CellGroup


def orbit_map(group: CellGroup, orbits: Sequence[Sequence[int]]) -> OrbitMap:
    """Atoms element by element in the order of ``orbits`` [E][positions]; each orbit has columns of its own."""
    families = [group.families[index] for chosen in orbits for index in chosen]
    atoms, columns = sum(f.multiplicity for f in families), sum(f.freedom for f in families)
    linear, constant = np.zeros((atoms, 3, columns)), np.zeros((atoms, 3))
    orbit = np.repeat(np.arange(len(families)), [f.multiplicity for f in families])
    atom = column = 0
    for family in families:
        rows = slice(atom, atom + family.multiplicity)
        linear[rows, :, column : column + family.freedom] = family.linear
        constant[rows] = family.constant
        atom, column = atom + family.multiplicity, column + family.freedom
    return OrbitMap(
        linear=torch.as_tensor(linear, dtype=torch.float32),
        constant=torch.as_tensor(constant, dtype=torch.float32),
        orbit=torch.as_tensor(orbit),
    )
