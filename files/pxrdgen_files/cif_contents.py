"""What a CIF says its cell holds, and which element a site is by it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pxrdgen.errors import StructureError, nearest
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import ATOMIC_NUMBERS
from pxrdgen_files.cif_symmetry import string_of

_TERM = re.compile(r"([A-Z][a-z]?)(\d+\.?\d*|\.\d+)?(?=[\sA-Z]|$)")
_HYDROGEN = 1
#: names of water oxygen: that of the American Mineralogist database first
_WATER = re.compile(r"(?i)wat(?:er)?\d*|h2o\d*|aq\d*")


class Contents:
    """Formula and formula units of a data block.

    Args:
        formula: atoms by atomic number, empty when the file gives none that can be read.
        units: formula units in the cell, 0 when the file does not say.
    """

    def __init__(self, formula: Mapping[int, float], units: int) -> None:
        self.formula = formula
        self.units = units

    def admit(self, crystal: Crystal) -> bool:
        """Whether the atoms are those of the formula, hydrogen left out of account: files often leave it out too.

        The number of formula units must be that of the file; programs that write the whole cell as the formula count
        one.
        """
        wanted = {number: amount for number, amount in self.formula.items() if number != _HYDROGEN and amount > 0}
        found = Counter(number for number in crystal.species.tolist() if number != _HYDROGEN)
        if not wanted:
            return True
        if wanted.keys() != found.keys():
            return False
        units = [found[number] / amount for number, amount in wanted.items()]
        if max(units) > 1.02 * min(units):
            return False
        whole_cell = self.units > 0 and all(amount % self.units == 0 for amount in wanted.values())
        expected = 1 if whole_cell and max(units) < self.units else self.units
        return not self.units or abs(max(units) - expected) < 0.05 * expected


def contents_of(block: Any) -> Contents:
    """Of ``_chemical_formula_sum`` and ``_cell_formula_units_Z``."""
    text = string_of(block, "_chemical_formula_sum", "_chemical_formula.sum")
    terms = _TERM.findall(text)
    readable = "".join(symbol + amount for symbol, amount in terms) == re.sub(r"\s+", "", text)
    formula: Counter[int] = Counter()
    if readable and all(symbol in ATOMIC_NUMBERS for symbol, _ in terms):
        for symbol, amount in terms:
            formula[ATOMIC_NUMBERS[symbol]] += float(amount or 1)  # type: ignore[assignment]  # counts of mixed sites
    units = string_of(block, "_cell_formula_units_Z", "_cell.formula_units_Z")
    return Contents(formula, int(units) if re.fullmatch(r"\d{1,4}", units) else 0)


def element_of(type_symbol: str, site: str, contents: Contents, labels: Sequence[str], file: str) -> int:
    """Atomic number from the type symbol (``Fe3+``, ``O2-``), else from the site's label (``FE1``, ``Wat1``, ``HO1``).

    A label is read as an element the formula holds. Without a formula case decides where the labels of the file use
    it (``HO1`` beside ``Mg1`` is hydrogen), else two letters go before one.

    Raises:
        StructureError: no element, or none that the formula holds.
    """
    run = re.match(r"[A-Za-z]*", type_symbol or site)
    letters = run[0] if run else ""
    candidates = [letters] if type_symbol else _candidates(letters, site, labels)
    elements = [ATOMIC_NUMBERS[word.capitalize()] for word in candidates if word.capitalize() in ATOMIC_NUMBERS]
    if type_symbol and elements:
        return elements[0]
    if not type_symbol and contents.formula and elements:
        held = next((number for number in elements if number in contents.formula), None)
        if held is None:
            raise StructureError(
                f"got {file} with atom {site}, whose label names no element of its _chemical_formula_sum; give "
                "_atom_site_type_symbol, or correct the formula"
            )
        return held
    if elements:
        return elements[0]
    raise StructureError(
        f"got {file} with atom {site} of type {type_symbol or letters!r}, which is no element"
        f"{nearest(letters.capitalize(), ATOMIC_NUMBERS)}"
    )


def _candidates(letters: str, site: str, labels: Sequence[str]) -> list[str]:
    """Element words a label may begin with, the likeliest first."""
    if _WATER.fullmatch(site):
        return ["O"]
    two, one = letters[:2], letters[:1]
    case_means = any(re.match(r"[A-Z][a-z]", label) for label in labels)
    hydrogen = one.upper() == "H" and two.upper() == "HO" and any(re.match(r"O(?![a-z])", word) for word in labels)
    if (case_means and two[1:].isupper()) or (hydrogen and two.isupper()):
        return [one, two]
    return [two, one]
