"""Elements that look alike dealt anew over a refined structure, where their bond valences suit the other way better."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_crystallography.bond_valence import valence_errors
from pxrdgen_solver.answer.finalists import Finalist

#: electrons by which two elements that a pattern hardly tells apart differ at most.
ALIKE = 3
#: valence units by which an exchange must better the root mean square error of the sites it touches to be tried.
BETTER = 0.2
#: 2 ln of the odds for such an exchange: over 1,161 pairs of orbits in 220 training crystals, atoms displaced 0.17 A,
#: the true one of the two is better by so much in 81.7 %, the exchanged one in 5.3 %.
ODDS = 2.0 * math.log(0.817 / 0.053)
#: exchanges tried of one structure.
MOST_TRIED = 2


def exchanged(finalist: Finalist, refined: Crystal) -> list[Finalist]:
    """The refined structure with two orbits of equal multiplicity exchanged, the one that gains most first."""
    valence = finalist.valence
    if finalist.symmetry is None or valence is None:
        return []
    before = valence_errors(refined, valence)
    better = []
    for swap in _swaps(finalist.symmetry):
        crystal = replace(refined, frac_coords=refined.frac_coords[swap])
        after = valence_errors(crystal, valence)
        touched = swap != np.arange(swap.size)
        gain = _rms(before[touched]) - _rms(after[touched])
        if gain > BETTER:
            symmetry = _relabelled(finalist.symmetry, swap)
            better.append((gain, replace(finalist, crystal=crystal, symmetry=symmetry, prior=finalist.prior - ODDS)))
    better.sort(key=lambda entry: -entry[0])
    return [entry for _, entry in better[:MOST_TRIED]]


def _rms(errors: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _swaps(symmetry: SymmetrisedCrystal) -> Iterator[NDArray[np.int64]]:
    """[N] whose place each atom takes, for every pair of orbits of equal multiplicity and elements that look alike."""
    species = symmetry.crystal.species
    orbits = [np.flatnonzero(symmetry.orbits == orbit) for orbit in np.unique(symmetry.orbits)]
    for first, second in combinations(orbits, 2):
        one, other = int(species[first[0]]), int(species[second[0]])
        if first.size == second.size and 0 < abs(one - other) <= ALIKE and min(one, other) > 1:
            swap = np.arange(species.size)
            swap[first], swap[second] = second, first
            yield swap


def _relabelled(symmetry: SymmetrisedCrystal, swap: NDArray[np.int64]) -> SymmetrisedCrystal:
    """The same operations on atoms that have changed places; ``swap`` is its own inverse."""
    permutation = swap[symmetry.permutation[:, swap]]
    return replace(
        symmetry,
        crystal=replace(symmetry.crystal, frac_coords=symmetry.crystal.frac_coords[swap]),
        permutation=permutation,
        orbits=permutation.min(axis=0),
        wyckoff_letters=tuple(symmetry.wyckoff_letters[int(row)] for row in swap),
    )
