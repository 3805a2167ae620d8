"""Oxidation numbers that balance a formula, the likeliest first by how often each is met in crystals."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.composition import Composition

#: states of an element that are tried, the most frequent ones: at most 5^7 ways for seven elements.
MOST_STATES = 5
#: elements of a formula; of more no balance is sought.
MOST_ELEMENTS = 7
#: states met less often than this share of an element's occurrences are not tried.
RARE = 0.01
#: nats by which a balance of whole numbers is preferred to a mean: one is taken wherever it is at all likely.
_EXACT = 12.0


@lru_cache(maxsize=64)
def usual_valences(composition: Composition) -> tuple[tuple[int, float], ...]:
    """(atomic number, oxidation number) of the likeliest assignment that balances; empty where none does.

    One state an element if that balances, else one element has the mean that does (Fe3O4: 8/3). Likelihood is the
    product of the states' frequencies among the crystals that pymatgen's table counts.
    """
    reduced, _ = composition.reduced()
    elements = reduced.counts
    states = [_states(z) for z, _ in elements]
    if not 2 <= len(elements) <= MOST_ELEMENTS or not all(states):
        return ()
    best: tuple[float, tuple[float, ...]] = (-math.inf, ())
    for chosen in product(*states):
        charge = sum(number * count for (number, _), (_, count) in zip(chosen, elements, strict=True))
        likelihood = sum(math.log(share) for _, share in chosen)
        if charge == 0:
            likelihood += _EXACT
            numbers = tuple(float(number) for number, _ in chosen)
            best = max(best, (likelihood, numbers))
            continue
        for place, (number, share) in enumerate(chosen):
            mean = number - charge / elements[place][1]
            known = [state for state, _ in states[place]]
            if min(known) < mean < max(known) and mean * number > 0.0 and abs(mean - number) < 1.0:
                mixed = tuple(mean if other == place else float(state) for other, (state, _) in enumerate(chosen))
                best = max(best, (likelihood - math.log(share) + math.log(min(share, 0.5)), mixed))
    return tuple((z, number) for (z, _), number in zip(elements, best[1], strict=True)) if best[1] else ()


def valences_of(species: NDArray[np.int64]) -> NDArray[np.float64]:
    """[N] oxidation numbers of atoms [N] that make up a whole number of formulas; zeros where none balance."""
    found = dict(usual_valences(Composition.from_species(species)))
    return np.array([found.get(int(z), 0.0) for z in species])


@lru_cache(maxsize=128)
def _states(z: int) -> tuple[tuple[int, float], ...]:
    """(oxidation number, share of the element's occurrences), the most frequent first."""
    occurrences = _occurrences()
    found = [(number, count) for (element, number), count in occurrences.items() if element == z and number != 0]
    total = sum(count for _, count in found)
    found = [(number, count / total) for number, count in found if count > RARE * total]
    return tuple(sorted(found, key=lambda state: -state[1])[:MOST_STATES])


@lru_cache(maxsize=1)
def _occurrences() -> dict[tuple[int, int], float]:
    from pymatgen.analysis.bond_valence import PRIOR_PROB

    return {
        (species.element.Z, int(species.oxi_state)): float(count)
        for species, count in PRIOR_PROB.items()
        if species.oxi_state is not None and float(species.oxi_state).is_integer()
    }
