"""What the pattern says of the space group, apart from the structure: rivals for the same atoms, mirror images."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.symmetry.similar import same_structure
from pxrdgen_solver.answer.ranking import Ranked

#: scores nearer than this do not tell groups apart: what the verdict asks of the next structure.
TOLD_APART = 10.0
#: enantiomorphic pairs: two crystals, mirror images of each other, with one pattern.
_PAIRS = ((76, 78), (91, 95), (92, 96), (144, 145), (151, 153), (152, 154), (169, 170), (171, 172), (178, 179))
ENANTIOMORPHS = {one: other for pair in (*_PAIRS, (180, 181), (212, 213)) for one, other in (pair, pair[::-1])}


def say_space_group(ranking: Sequence[Ranked]) -> tuple[str, ...]:
    """Sentences on the space group of the first of ``ranking``, twins included: the next group for the same atoms."""
    if not ranking or not math.isfinite(ranking[0].score):
        return ()
    best = ranking[0]
    number = _number(best)
    said = []
    rival = next((entry for entry in ranking[1:] if _is_rival(entry, best)), None)
    if rival is not None:
        behind = rival.score - best.score
        here, there = _symbol(number), _symbol(_number(rival))
        said.append(
            f"space group {here}: the same atoms in {there} score only {behind:.1f} worse, the pattern hardly tells"
            if behind < TOLD_APART
            else f"space group {here}: the same atoms in {there}, the next best, score {behind:.0f} worse"
        )
    if number in ENANTIOMORPHS:
        said.append(f"its mirror image, in {_symbol(ENANTIOMORPHS[number])}, has the same pattern")
    return tuple(said)


def _is_rival(entry: Ranked, best: Ranked) -> bool:
    return (
        math.isfinite(entry.score)
        and _number(entry) not in (_number(best), ENANTIOMORPHS.get(_number(best)))
        and same_structure(best.refinement.crystal, entry.refinement.crystal) is not None
    )


def _number(entry: Ranked) -> int:
    return 1 if entry.finalist.symmetry is None else entry.finalist.symmetry.number


def _symbol(number: int) -> str:
    return parse_space_group(number).short_symbol
