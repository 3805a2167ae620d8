"""The space groups that were searched, and how far apart the best arrangement of each came."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pxrdgen.values.candidates import GroupTrial
from pxrdgen_app.report.formula import short_symbol
from pxrdgen_app.report.numbers import fixed, percent

#: what the columns hold.
HEAD = ("Space group", "Before", "Tried", "Starts", "Free", "Best misfit", "Positions of the best")
EXPLANATION = (
    "Before: probability before the search. Tried: assignments of atoms to Wyckoff positions. Free: coordinates the "
    "best leaves free. Misfit: of the grouped intensities, 0 is perfect and about 50 % is chance."
)


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """One line of the table, as text."""

    group: str
    cells: tuple[str, ...]


def searched(trials: Sequence[GroupTrial]) -> list[GroupTrial]:
    """Those of which something was tried."""
    return [trial for trial in trials if trial.starts]


def trial_rows(trials: Sequence[GroupTrial], limit: int = 8) -> list[TrialRow]:
    """The ``limit`` best groups, one row each under :data:`HEAD`."""
    return [
        TrialRow(
            group=f"{short_symbol(trial.space_group_symbol)} ({trial.space_group_number})",
            cells=(
                percent(trial.probability),
                str(trial.assignments),
                str(trial.starts),
                str(trial.freedom) if trial.best_letters else "",
                percent(trial.best_misfit) if math.isfinite(trial.best_misfit) else "nothing fitted",
                ", ".join(trial.best_letters),
            ),
        )
        for trial in searched(trials)[:limit]
    ]


def summary(trials: Sequence[GroupTrial], limit: int = 8) -> str:
    """How many there were beyond the table."""
    tried = len(searched(trials))
    untried = len(trials) - tried
    rest = f"{tried} space groups searched" if tried != 1 else "1 space group searched"
    if tried > limit:
        rest += f", the best {limit} shown"
    if untried:
        rest += f"; {untried} less likely ones were not reached (best of the rest: {_best_untried(trials)})"
    return rest


def _best_untried(trials: Sequence[GroupTrial]) -> str:
    best = max((trial for trial in trials if not trial.starts), key=lambda trial: trial.probability)
    return f"{short_symbol(best.space_group_symbol)}, {fixed(100.0 * best.probability, 1)} %"
