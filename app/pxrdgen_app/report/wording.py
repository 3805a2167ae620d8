"""The words for verdicts, evidence and refined parameters, shared by the page and the terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

from pxrdgen.values.refinement import RefinedQuantity
from pxrdgen.values.solution import Evidence, Solution, Verdict
from pxrdgen_app.report.numbers import MISSING, fixed, percent, significant, with_su

_HEADLINES = MappingProxyType(
    {
        Verdict.SOLVED: "Solved",
        Verdict.PROBABLE: "Probable",
        Verdict.NOT_SOLVED: "Not solved",
    }
)
_MEANING = MappingProxyType(
    {
        Verdict.SOLVED: "The best candidate explains the pattern and stands clear of the alternatives.",
        Verdict.PROBABLE: "The best candidate fits, but the pattern alone does not exclude others. Check it first.",
        Verdict.NOT_SOLVED: "No candidate explains the pattern. Do not use these structures without further evidence.",
    }
)
#: For an unsolved pattern whose search left no advice of its own.
FALLBACK_ADVICE = (
    "Check the formula, the number of formula units, the cell and its centring; then search longer with more "
    "candidates or a larger time budget."
)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number behind the verdict: its name, value as text, and what it means."""

    name: str
    value: str
    meaning: str


def headline(solution: Solution) -> str:
    """The verdict in one or two words, and whether the search was cut short."""
    word = _HEADLINES[solution.verdict]
    return f"{word} (search interrupted)" if solution.interrupted else word


def meaning(solution: Solution) -> str:
    """The verdict in a sentence."""
    if not solution.candidates:
        cut = " before it was cut short" if solution.interrupted else ""
        return f"The search produced no candidate structure{cut}."
    text = _MEANING[solution.verdict]
    return f"{text} The search was cut short: this is the best so far." if solution.interrupted else text


def measures(evidence: Evidence) -> tuple[Measure, ...]:
    """The numbers the verdict rests on."""
    gap = "no rival" if math.isinf(evidence.gap) and evidence.gap > 0 else fixed(evidence.gap, 3)
    excess = fixed(evidence.excess, 2)
    return (
        Measure(name="Goodness of fit", value=fixed(evidence.gof, 2), meaning="Rwp / Rexp; 1 is the counting limit"),
        Measure(
            name="Excess",
            value=excess if excess == MISSING else f"{excess}\N{MULTIPLICATION SIGN}",
            meaning="Rwp over that of free intensities in the same cell",
        ),
        Measure(name="Gap", value=gap, meaning="score of the best different structure minus the best"),
        Measure(
            name="Shortest contact",
            value=fixed(evidence.shortest_contact, 2),
            meaning="distance over the sum of radii",
        ),
        Measure(
            name="Unexplained",
            value=percent(evidence.unexplained, 1),
            meaning="peak intensity that no reflection of the cell accounts for",
        ),
        Measure(
            name="Misfit",
            value=percent(evidence.misfit, 1),
            meaning="peak intensity the structure leaves over or invents, beyond noise",
        ),
        Measure(name="Freedom", value=fixed(evidence.freedom, 2), meaning="free coordinates a line that stands out"),
        Measure(
            name="Oddness",
            value=fixed(evidence.oddness, 2),
            meaning="mean cost of bond valences that do not add up; 0 where no oxidation numbers balance",
        ),
    )


def quantity_text(quantity: RefinedQuantity, digits: int = 5) -> str:
    """Its value with its uncertainty, or with ``digits`` significant digits where there is none."""
    if quantity.su is None:
        return significant(quantity.value, digits)
    return with_su(quantity.value, quantity.su)
