"""Lengths of bonds of valence one, pair by pair, as the crystals of a dataset have them.

``python -m pxrdgen_learning.bond_lengths CRYSTALS OUT`` writes the table that
:mod:`pxrdgen_crystallography.bond_valence` reads. The sum of exp((R - d) / b) over a cation's anions should be its
oxidation number; R of each pair is moved until the mean of ln(number / sum) vanishes, every cation counted by the share
of its valence that the pair carries, and held to the general estimate as if that were so many cations more.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.bond_valence import SOFTNESS, bonding_sums, general_bond_length
from pxrdgen_crystallography.oxidation_numbers import usual_valences

#: cations that the general estimate counts as; rounds of the fit, and the share of a correction taken in each.
GENERAL_WEIGHT, ROUNDS, CAUTION = 2.0, 40, 0.7
#: a cation's sum counts as at most this factor off.
LARGEST = math.e
#: pairs seen with fewer cations' worth of valence are left to the general estimate.
LEAST_SEEN = 3.0

Pair = tuple[int, int]
FloatArray = NDArray[np.float64]


def fit_bond_lengths(crystals: Iterable[Crystal]) -> dict[Pair, tuple[float, float]]:
    """(cation, anion) -> cations' worth of valence it was seen with, R in A."""
    numbers: list[float] = []
    cation_of: list[int] = []
    pairs: list[Pair] = []
    terms: list[float] = []
    for crystal in crystals:
        known = dict(usual_valences(Composition.from_species(crystal.species)))
        if not known or 1 in known:
            continue
        valences = np.array([known[int(z)] for z in crystal.species])
        sums = bonding_sums(crystal)
        for cation in np.flatnonzero(valences > 0):
            for anion in sorted({int(z) for z in crystal.species[valences < 0]}):
                amount = float(sums[cation, crystal.species == anion].sum())
                if amount > 0.0:
                    cation_of.append(len(numbers))
                    pairs.append((int(crystal.species[cation]), anion))
                    terms.append(amount)
            numbers.append(float(valences[cation]))
    distinct = sorted(set(pairs))
    place = np.array([distinct.index(pair) for pair in pairs])
    owner = np.array(cation_of)
    term, number = np.array(terms), np.array(numbers)
    general = np.array([general_bond_length(*pair) for pair in distinct])
    length: FloatArray = general.copy()
    for _ in range(ROUNDS):
        bond = term * np.exp(length[place] / SOFTNESS)
        total = _summed(owner, bond, number.size)
        share = bond / total[owner]
        off = np.log(np.clip(number / np.maximum(total, 1e-9), 1.0 / LARGEST, LARGEST))
        seen = _summed(place, share, len(distinct))
        pull = _summed(place, share * off[owner], len(distinct)) * SOFTNESS
        length += CAUTION * (pull + GENERAL_WEIGHT * (general - length)) / (seen + GENERAL_WEIGHT)
    return {pair: (float(seen[k]), float(length[k])) for k, pair in enumerate(distinct) if seen[k] >= LEAST_SEEN}


def _summed(place: NDArray[np.int64], weights: FloatArray, size: int) -> FloatArray:
    """[size] sums of the weights at each place."""
    return np.asarray(np.bincount(place, weights=weights, minlength=size), dtype=np.float64)


def main(source: Path, out: Path) -> None:
    """Fit on the training crystals of the dataset at ``source`` and write the table."""
    from pxrdgen_learning.data.dataset_sources import read_dataset

    dataset = read_dataset(source).dataset
    rows = np.flatnonzero(dataset.split == "train")
    found = fit_bond_lengths(dataset[int(row)] for row in rows)
    lines = [
        f"# Length of a bond of valence one between a cation and an anion, A, fitted to {rows.size} training crystals",
        "cation,anion,cations,length",
        *(f"{cation},{anion},{seen:.0f},{length:.3f}" for (cation, anion), (seen, length) in found.items()),
    ]
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
