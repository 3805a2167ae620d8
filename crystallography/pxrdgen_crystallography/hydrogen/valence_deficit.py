"""Valence that each atom already receives from its heavier neighbours, and what it lacks.

A bond of length d between unlike atoms carries exp((R - d) / 0.37 A) (Brown & Altermatt 1985,
doi:10.1107/S0108768185002063); between C, N and O the bond order exp((R - d) / 0.30 A), R the single bond.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.bond_valence import REACH, SOFTNESS, bond_length
from pxrdgen_crystallography.lattice.neighbours import Neighbours, find_neighbours
from pxrdgen_crystallography.symmetry.contacts import covalent_radii

FloatArray = NDArray[np.float64]

#: valence that an atom wants to receive: 8 less its group.
WANTED = {5: 3.0, 6: 4.0, 7: 3.0, 8: 2.0, 9: 1.0, 15: 3.0, 16: 2.0, 17: 1.0, 34: 2.0, 35: 1.0, 52: 2.0, 53: 1.0}
#: A: from C-C 1.54, C=C 1.34 and C#C 1.20 (Pauling 1947, doi:10.1021/ja01195a024).
_COVALENT_SOFTNESS = 0.30
#: A: single bonds of C, N, O and of like atoms (Allen et al. 1987, doi:10.1039/P298700000S1).
_SINGLE = {(6, 6): 1.53, (6, 7): 1.47, (6, 8): 1.43, (7, 7): 1.45, (7, 8): 1.43, (8, 8): 1.48, (16, 16): 2.05}
#: elements that bond covalently among themselves.
NONMETALS = (5, 6, 7, 8, 9, 14, 15, 16, 17, 33, 34, 35, 52, 53)
#: most valence that a metal gives; lengths of bonds that the table lacks (actinides) may tell of more.
_MOST_GIVEN = 7.0
#: A beyond the single bond where two non-metals no longer count as bonded.
_BONDED = 0.45


def bonds(crystal: Crystal) -> tuple[Neighbours, FloatArray, NDArray[np.bool_]]:
    """Pairs within reach, the valence of each [M], and which are covalent bonds between non-metals [M]."""
    pairs = find_neighbours(crystal, REACH)
    first, second = crystal.species[pairs.first], crystal.species[pairs.second]
    distance = pairs.distances
    kinds, place = np.unique(np.stack([first, second], axis=1), axis=0, return_inverse=True)
    lengths = np.array([single_bond(int(a), int(b)) for a, b in kinds])[place.reshape(-1)]
    light = (first < 9) & (second < 9) & (first > 4) & (second > 4)
    nonmetal = np.isin(first, NONMETALS) & np.isin(second, NONMETALS)
    valence = np.exp((lengths - distance) / np.where(light, _COVALENT_SOFTNESS, SOFTNESS))
    covalent = nonmetal & (distance < lengths + _BONDED)
    like_metals = ~np.isin(first, NONMETALS) & ~np.isin(second, NONMETALS)
    valence[(nonmetal & ~covalent) | like_metals] = 0.0
    metal = np.where(np.isin(crystal.species, NONMETALS), np.inf, _MOST_GIVEN)
    given = np.bincount(pairs.first, weights=valence, minlength=len(crystal))
    share = np.minimum(1.0, metal / np.maximum(given, 1e-9))
    return pairs, valence * share[pairs.first] * share[pairs.second], covalent


@lru_cache(maxsize=4096)
def single_bond(one: int, other: int) -> float:
    """Length (A) of a bond of valence one, the less electronegative of the two as the cation."""
    known = _SINGLE.get((min(one, other), max(one, other)))
    if known is not None:
        return known
    cation, anion = sorted((one, other), key=lambda z: (electronegativity(z), z))
    if one in NONMETALS and other in NONMETALS:
        return min(bond_length(cation, anion), float(covalent_radii()[one] + covalent_radii()[other]))
    return bond_length(cation, anion)


@lru_cache(maxsize=128)
def electronegativity(z: int) -> float:
    """On Pauling's scale; 2 where none is known."""
    from pymatgen.core.periodic_table import Element

    value = Element.from_Z(z).X
    return float(value) if value == value else 2.0
