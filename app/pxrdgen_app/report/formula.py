"""The formula and the space-group symbol of a candidate, as text."""

from __future__ import annotations

from pxrdgen.errors import SymmetryError
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.space_group_symbols import parse_space_group

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def formula_text(crystal: Crystal) -> str:
    """The reduced formula: ``"PbSO4"``."""
    return Composition.from_species(crystal.species).reduced()[0].formula


def formula_units(crystal: Crystal) -> int:
    """Number of reduced formula units in the cell."""
    return Composition.from_species(crystal.species).reduced()[1]


def with_subscripts(formula: str) -> str:
    """The formula with its digits as Unicode subscripts, for plots."""
    return formula.translate(_SUBSCRIPTS)


def short_symbol(symbol: str) -> str:
    """A Hermann-Mauguin symbol as one writes it (``P21/n``); as given when it is not known."""
    try:
        return parse_space_group(symbol).short_symbol
    except SymmetryError:
        return symbol
