"""Elements that replace each other in crystals: same group, similar size, clearly different electron count."""

from __future__ import annotations

import numpy as np

from pxrdgen.values.composition import Composition
from pxrdgen.values.elements import ATOMIC_NUMBERS
from pxrdgen_crystallography.symmetry.contacts import covalent_radii

#: Columns of the periodic table, lightest first. Lanthanides and actinides stand in for yttrium and each other.
_GROUPS = tuple(
    tuple(ATOMIC_NUMBERS[symbol] for symbol in line.split())
    for line in (
        "Li Na K Rb Cs",
        "Be Mg Ca Sr Ba",
        "Sc Y La",
        "Ti Zr Hf",
        "V Nb Ta",
        "Cr Mo W",
        "Mn Tc Re",
        "Fe Ru Os",
        "Co Rh Ir",
        "Ni Pd Pt",
        "Cu Ag Au",
        "Zn Cd Hg",
        "B Al Ga In Tl",
        "C Si Ge Sn Pb",
        "N P As Sb Bi",
        "O S Se Te",
        "F Cl Br I",
        "Ne Ar Kr Xe",
    )
)
_YTTRIUM, _NEODYMIUM = ATOMIC_NUMBERS["Y"], ATOMIC_NUMBERS["Nd"]


def homologue(number: int, taken: frozenset[int]) -> int | None:
    """The neighbour in the group nearest in covalent radius that is not ``taken``; ``None`` without one."""
    if 58 <= number <= 71:
        choices = [_YTTRIUM]
    elif 89 <= number <= 103:
        choices = [_NEODYMIUM]
    else:
        group = next((group for group in _GROUPS if number in group), ())
        place = group.index(number) if group else 0
        choices = [*group[max(place - 1, 0) : place], *group[place + 1 : place + 2]]
    radius = covalent_radii()
    free = [choice for choice in choices if choice not in taken]
    return min(free, key=lambda choice: abs(radius[choice] - radius[number]), default=None)


def one_replaced(composition: Composition, rng: np.random.Generator) -> Composition | None:
    """The composition with one element, drawn from ``rng``, replaced by its homologue; ``None`` if none has one.

    Hydrogen is left alone: X-rays hardly see it.
    """
    taken = frozenset(composition.atomic_numbers)
    choices = [(number, other) for number in sorted(taken) if (other := homologue(number, taken)) is not None]
    if not choices:
        return None
    old, new = choices[int(rng.integers(len(choices)))]
    return Composition(tuple(sorted((new if number == old else number, n) for number, n in composition.counts)))
