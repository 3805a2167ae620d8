"""How many hydrogen atoms each orbit of donors takes, so that little valence stays missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a donor orbit may take.

    Args:
        size: atoms of the orbit in the cell.
        costs: of 0, 1, 2 ... hydrogen atoms each; infinite where the site symmetry forbids the number.
    """

    size: int
    costs: tuple[float, ...]


def distribute(choices: tuple[Choices, ...], count: int, most: int) -> list[tuple[float, tuple[int, ...]]]:
    """(cost, hydrogen atoms of each orbit's atoms) of the cheapest ways to give out ``count``, at most ``most``.

    Dynamic programming over the orbits, the ``most`` cheapest kept for each number of atoms given out.
    """
    ways: dict[int, list[tuple[float, tuple[int, ...]]]] = {0: [(0.0, ())]}
    for orbit in choices:
        longer: dict[int, list[tuple[float, tuple[int, ...]]]] = {}
        for given, known in ways.items():
            for number, cost in enumerate(orbit.costs):
                total = given + number * orbit.size
                if total <= count and np.isfinite(cost):
                    longer.setdefault(total, []).extend(
                        (so_far + orbit.size * cost, (*numbers, number)) for so_far, numbers in known
                    )
        ways = {total: sorted(found)[:most] for total, found in longer.items()}
    return ways.get(count, [])
