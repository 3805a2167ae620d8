"""How a formula as typed becomes a composition."""

from __future__ import annotations

from pxrdgen.values.composition import MAX_ATOMS, Composition
from pxrdgen.values.elements import ATOMIC_NUMBERS
from pxrdgen_crystallography.formula.amounts import read_amounts


def parse_formula(text: str) -> tuple[Composition, tuple[str, ...]]:
    """Read a formula as a chemist types it: ``CuSO4.5H2O``, ``Ca5(PO4)3F``, ``[Co(NH3)6]Cl3``, ``Fe³⁺``.

    Returns:
        The composition as typed (not reduced), and notes on everything that had to be interpreted: charges dropped,
        D read as H, fractions scaled to whole numbers.

    Raises:
        FormulaError: empty, an unknown element, unbalanced brackets, mixed sites or fractions that no small whole
            number clears (ordered crystals only), more than 500 atoms.
    """
    amounts, notes = read_amounts(text, limit=MAX_ATOMS)
    totals: dict[int, int] = {}
    for symbol, amount in amounts.items():
        number = ATOMIC_NUMBERS[symbol]
        totals[number] = totals.get(number, 0) + amount
    return Composition(tuple(sorted(totals.items())), text=text.strip()), notes
