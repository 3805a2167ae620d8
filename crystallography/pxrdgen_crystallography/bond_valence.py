"""Bond valences: how well an arrangement of elements suits the distances between them.

A bond of length d carries exp((R - d) / 0.37 A) of valence (Brown & Altermatt 1985, doi:10.1107/S0108768185002063).
R of a pair comes from a table fitted to training crystals; of a pair they hardly hold, from radii and
electronegativities of the two elements (O'Keeffe & Brese 1991, doi:10.1021/ja00009a002).
"""

from __future__ import annotations

import csv
import math
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.lattice.neighbours import find_neighbours
from pxrdgen_crystallography.symmetry.contacts import covalent_radii

FloatArray = NDArray[np.float64]

#: A; and the longest distance that still counts as a bond (a bond valence of about 0.01).
SOFTNESS, REACH = 0.37, 4.0


def bonding_sums(crystal: Crystal) -> FloatArray:
    """[N, N] sum of exp(-d / b) over the images of each neighbour within reach."""
    pairs, sums = find_neighbours(crystal, REACH), np.zeros((len(crystal), len(crystal)))
    np.add.at(sums, (pairs.first, pairs.second), np.exp(-pairs.distances / SOFTNESS))
    return sums


def bond_valence_sums(crystal: Crystal, valences: FloatArray) -> FloatArray:
    """[N] valence that each atom receives from atoms of the other sign; ``valences`` [N] are oxidation numbers."""
    strength = np.exp(bond_lengths(crystal.species, valences) / SOFTNESS) * bonding_sums(crystal)
    opposite = valences[:, None] * valences[None, :] < 0.0
    return np.asarray((strength * opposite).sum(axis=1))


def valence_errors(crystal: Crystal, valences: FloatArray) -> FloatArray:
    """[N] bond-valence sum of each atom less the valence it should have, by oxidation numbers [N]."""
    return np.asarray(bond_valence_sums(crystal, valences) - np.abs(valences))


def bond_lengths(species: NDArray[np.int64], valences: FloatArray) -> FloatArray:
    """[N, N] length of a bond of valence one between atoms of opposite sign, symmetric; of no meaning for others."""
    kinds = sorted({(int(z), bool(valence > 0)) for z, valence in zip(species, valences, strict=True)})
    place = {kind: row for row, kind in enumerate(kinds)}
    table = np.zeros((len(kinds), len(kinds)))
    for cation, positive in kinds:
        for anion, other in kinds:
            if positive and not other:
                rows = place[cation, True], place[anion, False]
                table[rows] = table[rows[::-1]] = bond_length(cation, anion)
    index = np.array([place[int(z), bool(valence > 0)] for z, valence in zip(species, valences, strict=True)])
    return np.asarray(table[index][:, index])


def bond_length(cation: int, anion: int) -> float:
    """R in A: of the table, else in general."""
    return _table().get((cation, anion)) or general_bond_length(cation, anion)


def general_bond_length(first: int, second: int) -> float:
    """R in A from radii r and electronegativities c: r + r' - r r' (sqrt c - sqrt c')^2 / (c r + c' r').

    The sum of covalent radii where an element has no parameters.
    """
    if first not in _parameters() or second not in _parameters():
        return float(covalent_radii()[first] + covalent_radii()[second])
    (one, negativity), (two, other) = _parameters()[first], _parameters()[second]
    apart = (math.sqrt(negativity) - math.sqrt(other)) ** 2
    return one + two - one * two * apart / (negativity * one + other * two)


@lru_cache(maxsize=1)
def _table() -> dict[tuple[int, int], float]:
    text = resources.files("pxrdgen_crystallography").joinpath("data/bond_lengths.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {(int(row["cation"]), int(row["anion"])): float(row["length"]) for row in rows}


@lru_cache(maxsize=1)
def _parameters() -> dict[int, tuple[float, float]]:
    from pymatgen.analysis.bond_valence import BV_PARAMS

    return {element.Z: (float(entry["r"]), float(entry["c"])) for element, entry in BV_PARAMS.items()}
