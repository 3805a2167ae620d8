"""Soft restraints on interatomic distances: r = (d - d_wanted) / su for each pair, in units of the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import OptionError
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import ATOMIC_NUMBERS
from pxrdgen_refiners.options import DistanceOption

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class DistanceRestraints:
    """D pairs of atoms.

    Args:
        first, second: [D] atoms; ``shift`` [D, 3] lattice translation of the second.
        wanted, su: [D] A.
    """

    first: IntArray
    second: IntArray
    shift: FloatArray
    wanted: FloatArray
    su: FloatArray

    def residuals(self, coords: FloatArray, basis: FloatArray) -> tuple[FloatArray, FloatArray]:
        """[D], and their derivatives [D, 3 N] by fractional coordinates [N, 3]; the cell is taken as it is."""
        vector = (coords[self.second] + self.shift - coords[self.first]) @ basis
        length = np.maximum(np.linalg.norm(vector, axis=1), 1e-6)
        slope = (vector / length[:, None]) @ basis.T / self.su[:, None]
        change = np.zeros((len(self.first), *coords.shape))
        rows = np.arange(len(self.first))
        np.add.at(change, (rows, self.second), slope)
        np.add.at(change, (rows, self.first), -slope)
        return (length - self.wanted) / self.su, change.reshape(len(self.first), -1)


def distance_restraints(crystal: Crystal, options: Sequence[DistanceOption]) -> DistanceRestraints | None:
    """Every pair of the elements named that is nearer than ``reach`` times the distance wanted; ``None`` without any.

    Raises:
        OptionError: a symbol that is no element.
    """
    found: list[tuple[int, int, FloatArray, float, float]] = []
    steps = np.array(list(product((-1, 0, 1), repeat=3)), dtype=np.float64)
    for option in options:
        numbers = []
        for symbol in (option.first, option.second):
            if symbol not in ATOMIC_NUMBERS:
                raise OptionError(f"got {symbol!r} in a distance restraint, expected the symbol of an element")
            numbers.append(ATOMIC_NUMBERS[symbol])
        for i in np.flatnonzero(crystal.species == numbers[0]).tolist():
            for j in np.flatnonzero(crystal.species == numbers[1]).tolist():
                if numbers[0] == numbers[1] and j < i:
                    continue
                delta = crystal.frac_coords[j] - crystal.frac_coords[i] + steps
                length = np.linalg.norm(delta @ crystal.basis, axis=1)
                near = (length < option.reach * option.distance) & (length > 1e-3)
                found += [(i, j, steps[k], option.distance, option.su) for k in np.flatnonzero(near)]
    if not found:
        return None
    first, second, shift, wanted, su = zip(*found, strict=True)
    return DistanceRestraints(
        first=np.array(first), second=np.array(second), shift=np.array(shift), wanted=np.array(wanted), su=np.array(su)
    )
