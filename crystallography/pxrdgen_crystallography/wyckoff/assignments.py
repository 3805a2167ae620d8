"""Ways to put the atoms of a composition on the positions of a space group, the plausible ones first.

An assignment gives each element a multiset of positions whose multiplicities add up to its atoms. Positions without a
free coordinate hold one orbit in all. Its weight is the product of the weights of its positions, so that assignments
come out of two best-first searches: over the multisets of one element, and over the combinations of elements.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True, kw_only=True)
class Position:
    """What counting needs to know of a Wyckoff position.

    Args:
        multiplicity: atoms of an orbit in the cell.
        freedom: free coordinates.
    """

    multiplicity: int
    freedom: int


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Positions of each element.

    Args:
        orbits: for each element the indices of its positions, rising, with repeats.
        log_weight: logarithm of the product of the weights of the positions.
    """

    orbits: tuple[tuple[int, ...], ...]
    log_weight: float


def assignments(
    positions: Sequence[Position], counts: Sequence[int], log_weights: Sequence[Sequence[float]]
) -> Iterator[Assignment]:
    """Every assignment of ``counts`` [E] atoms of each element, by falling weight.

    Args:
        positions: of the space group.
        log_weights: [E][positions] of each element on each position; ``-inf`` where it cannot sit.
    """
    choices = [_Lazy(_multisets(positions, n, weights)) for n, weights in zip(counts, log_weights, strict=True)]
    first = tuple(0 for _ in counts)
    start = _total(choices, first)
    if start is None:
        return
    heap = [(-start, first)]
    seen = {first}
    while heap:
        negative, ranks = heapq.heappop(heap)
        chosen = [choice.get(rank) for choice, rank in zip(choices, ranks, strict=True)]
        orbits = tuple(item[1] for item in chosen if item is not None)
        if _shares_nothing(positions, orbits):
            yield Assignment(orbits=orbits, log_weight=-negative)
        for element in range(len(counts)):
            following = (*ranks[:element], ranks[element] + 1, *ranks[element + 1 :])
            if following not in seen and (total := _total(choices, following)) is not None:
                seen.add(following)
                heapq.heappush(heap, (-total, following))


def _shares_nothing(positions: Sequence[Position], orbits: Sequence[Sequence[int]]) -> bool:
    fixed = [index for chosen in orbits for index in chosen if positions[index].freedom == 0]
    return len(set(fixed)) == len(fixed)


def _multisets(
    positions: Sequence[Position], atoms: int, log_weights: Sequence[float]
) -> Iterator[tuple[float, tuple[int, ...]]]:
    """(log weight, positions) of each multiset with ``atoms`` atoms, by falling weight: A* with an exact bound."""
    size = len(positions)
    # best[i][r]: largest weight of r atoms on positions i, i + 1, ...
    best = [[-math.inf] * (atoms + 1) for _ in range(size + 1)]
    best[size][0] = 0.0
    for index in reversed(range(size)):
        position, weight = positions[index], log_weights[index]
        for left in range(atoms + 1):
            value = best[index + 1][left]
            if left >= position.multiplicity:
                rest = best[index + 1] if position.freedom == 0 else best[index]
                value = max(value, weight + rest[left - position.multiplicity])
            best[index][left] = value
    ticket = count()
    heap: list[tuple[float, int, int, int, float, tuple[int, ...]]] = []
    if best[0][atoms] > -math.inf:
        heap.append((-best[0][atoms], next(ticket), 0, atoms, 0.0, ()))
    while heap:
        _, _, index, left, weight, chosen = heapq.heappop(heap)
        if index == size:
            yield weight, chosen
            continue
        branches = [(index + 1, left, weight, chosen)]
        position = positions[index]
        if left >= position.multiplicity:
            following = index + 1 if position.freedom == 0 else index
            branches.append((following, left - position.multiplicity, weight + log_weights[index], (*chosen, index)))
        for following, remaining, total, picked in branches:
            bound = total + best[following][remaining]
            if bound > -math.inf:
                heapq.heappush(heap, (-bound, next(ticket), following, remaining, total, picked))


class _Lazy:
    """An iterator that remembers what it gave."""

    def __init__(self, source: Iterator[tuple[float, tuple[int, ...]]]) -> None:
        self._source = source
        self._known: list[tuple[float, tuple[int, ...]]] = []

    def get(self, rank: int) -> tuple[float, tuple[int, ...]] | None:
        while len(self._known) <= rank:
            item = next(self._source, None)
            if item is None:
                return None
            self._known.append(item)
        return self._known[rank]


def _total(choices: Sequence[_Lazy], ranks: Sequence[int]) -> float | None:
    found = [choice.get(rank) for choice, rank in zip(choices, ranks, strict=True)]
    weights = [item[0] for item in found if item is not None]
    return sum(weights) if len(weights) == len(found) else None
