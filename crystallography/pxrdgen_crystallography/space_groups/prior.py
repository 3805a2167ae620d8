"""How likely each space group is before the pattern is looked at: from the lattice and the numbers of atoms."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

#: a table of counts weighs as much as this many crystals against the more detailed one above it.
LATTICE_WEIGHT = 4.0
#: of that, this many are spread evenly over all groups the lattice allows.
EVEN_WEIGHT = 30.0


@dataclass(frozen=True, kw_only=True)
class GroupPrior:
    """Frequencies of space groups on one type of lattice with given contents.

    p(group) = (n_contents + w p_lattice) / (N_contents + w) with p_lattice = (n_lattice + v / 230) / (N_lattice + v):
    Dirichlet smoothing, the frequencies for the lattice alone standing in where the contents are rare.
    """

    lattice: Counter[int]
    contents: Counter[int]

    def probability(self, number: int) -> float:
        """Of one group, 1-230; of mirror images both together under the first of them."""
        even = (self.lattice[number] + EVEN_WEIGHT / 230.0) / (self.lattice.total() + EVEN_WEIGHT)
        return (self.contents[number] + LATTICE_WEIGHT * even) / (self.contents.total() + LATTICE_WEIGHT)


def group_prior(lattice: str, species: IntArray) -> GroupPrior:
    """For a Bravais type (``cF``) and the atoms [N] of the primitive cell."""
    by_lattice, by_contents = _counts()
    return GroupPrior(
        lattice=by_lattice.get(lattice, Counter()),
        contents=by_contents.get((lattice, contents_key(species)), Counter()),
    )


def contents_key(species: IntArray) -> str:
    """Numbers of atoms of each element, sorted: ``"1 1 3"`` for a perovskite."""
    return " ".join(map(str, sorted(np.unique(species, return_counts=True)[1].tolist())))


@lru_cache(maxsize=1)
def _counts() -> tuple[dict[str, Counter[int]], dict[tuple[str, str], Counter[int]]]:
    text = (files("pxrdgen_crystallography.space_groups") / "data" / "group_counts.csv").read_text(encoding="utf-8")
    by_lattice: dict[str, Counter[int]] = {}
    by_contents: dict[tuple[str, str], Counter[int]] = {}
    for row in csv.DictReader(text.splitlines()):
        number, count = int(row["number"]), int(row["count"])
        by_lattice.setdefault(row["lattice"], Counter())[number] += count
        if row["contents"]:
            by_contents.setdefault((row["lattice"], row["contents"]), Counter())[number] += count
    return by_lattice, by_contents
