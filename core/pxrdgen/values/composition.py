"""Chemical composition of one formula unit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import FormulaError
from pxrdgen.values.elements import SYMBOLS

#: Atoms a formula unit may hold, and atoms a cell may hold.
MAX_ATOMS = 500
MAX_CELL_ATOMS = 2000


@dataclass(frozen=True)
class Composition:
    """Whole numbers of atoms of one formula unit.

    Args:
        counts: (atomic number, count) by rising atomic number, every count at least 1.
        text: the formula as it was typed, for reports; plays no part in comparisons.

    Raises:
        FormulaError: empty, unsorted, an unknown atomic number, a count below 1, more than 500 atoms.
    """

    counts: tuple[tuple[int, int], ...]
    text: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        numbers = [z for z, _ in self.counts]
        if not numbers:
            raise FormulaError("got a composition without elements; expected a formula such as PbSO4")
        if numbers != sorted(set(numbers)) or not 1 <= numbers[0] <= numbers[-1] < len(SYMBOLS):
            raise FormulaError(f"got atomic numbers {numbers}, expected rising ones from 1 to {len(SYMBOLS) - 1}")
        if min(count for _, count in self.counts) < 1:
            raise FormulaError(f"got counts {self.counts}, expected at least one atom of every element")
        if self.num_atoms > MAX_ATOMS:
            raise FormulaError(f"got {self.num_atoms} atoms in the formula unit, expected at most {MAX_ATOMS}")

    @classmethod
    def from_species(cls, species: NDArray[np.integer]) -> Composition:
        """The composition of a list of atomic numbers [N], not reduced."""
        numbers, counts = np.unique(np.asarray(species), return_counts=True)
        return cls(tuple((int(z), int(n)) for z, n in zip(numbers, counts, strict=True)))

    @property
    def num_atoms(self) -> int:
        """Atoms of one formula unit."""
        return sum(count for _, count in self.counts)

    @property
    def atomic_numbers(self) -> tuple[int, ...]:
        """Of the elements, rising."""
        return tuple(z for z, _ in self.counts)

    @property
    def mass(self) -> float:
        """Of one formula unit, in g/mol."""
        return sum(count * _element_table()[z][0] for z, count in self.counts)

    @property
    def formula(self) -> str:
        """Electropositive elements first, as IUPAC orders them (``PbSO4``); organic ones after Hill (``C2H6O``)."""
        numbers = set(self.atomic_numbers)
        if 6 in numbers and 1 in numbers and numbers <= _NON_METALS:
            order = sorted(self.counts, key=lambda entry: ({6: 0, 1: 1}.get(entry[0], 2), SYMBOLS[entry[0]]))
        else:
            order = sorted(self.counts, key=lambda entry: (_element_table()[entry[0]][1], SYMBOLS[entry[0]]))
        return "".join(f"{SYMBOLS[z]}{count if count > 1 else ''}" for z, count in order)

    def species(self, z: int) -> NDArray[np.int64]:
        """[z * num_atoms] atomic numbers of z formula units, rising.

        Raises:
            FormulaError: z below 1, or more than 2000 atoms.
        """
        if z < 1:
            raise FormulaError(f"got {z} formula units, expected at least 1")
        if z * self.num_atoms > MAX_CELL_ATOMS:
            raise FormulaError(
                f"got {z} formula units of {self.formula}, {z * self.num_atoms} atoms; "
                f"expected at most {MAX_CELL_ATOMS} in a cell"
            )
        numbers = np.array(self.atomic_numbers, dtype=np.int64)
        return np.repeat(numbers, [count * z for _, count in self.counts])

    def reduced(self) -> tuple[Composition, int]:
        """The smallest whole-number formula and the factor that leads back: Na2Cl2 is 2 x NaCl."""
        factor = math.gcd(*(count for _, count in self.counts))
        return Composition(tuple((z, count // factor) for z, count in self.counts), text=self.text), factor

    def __str__(self) -> str:
        return self.text or self.formula


#: The elements of organic compounds.
_NON_METALS = frozenset({1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 34, 35, 53})


@lru_cache(maxsize=1)
def _element_table() -> dict[int, tuple[float, int]]:
    """Standard atomic mass (g/mol) and place in the electronegativity sequence by atomic number."""
    text = (files("pxrdgen") / "data" / "elements.csv").read_text(encoding="utf-8")
    rows = (line.split(",") for line in text.splitlines() if line and line[0].isdigit())
    return {int(z): (float(mass), int(rank)) for z, _, mass, rank in rows}
