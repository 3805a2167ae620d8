"""What became of one question put to the solve loop; the truth is looked at after the answer is there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.cases import Case
from pxrdgen_benchmarks.metrics import PUBLISHED, STRICT, match_rms, without_hydrogen

if TYPE_CHECKING:
    from pxrdgen.values.solution import Solution

#: figures of the evidence that a row keeps.
EVIDENCE = ("gof", "excess", "gap", "shortest_contact", "unexplained", "misfit", "freedom", "oddness")


@dataclass(frozen=True, kw_only=True)
class SolvedRow:
    """One solved case.

    Args:
        published, strict: whether the first candidate is the true structure, by each matcher.
        any_published, any_strict: whether any candidate in the answer is.
        strict_without_h: the first candidate, hydrogen left out of both; ``None`` for crystals without hydrogen.
        rms: of the first candidate by the published matcher, in (V / N)^(1/3); ``None`` without a match. Its mean over
            the matched is the published RMSE.
        verdict: ``solved``, ``probable``, ``not solved``; empty where nobody was asked.
        gof, excess, gap, shortest_contact, unexplained, misfit, freedom, oddness: the evidence; ``None`` without it,
            gap also without a rival.
        r_wp, r_wp_without_background: of the first candidate.
        candidates: in the answer.
        rounds: of the search.
        origin: generator of the first candidate.
        space_group_true, space_group_found: numbers, 0 where unknown.
    """

    published: bool
    strict: bool
    any_published: bool
    any_strict: bool
    strict_without_h: bool | None = None
    rms: float | None = None
    verdict: str = ""
    gof: float | None = None
    excess: float | None = None
    gap: float | None = None
    shortest_contact: float | None = None
    unexplained: float | None = None
    misfit: float | None = None
    freedom: float | None = None
    oddness: float | None = None
    r_wp: float | None = None
    r_wp_without_background: float | None = None
    candidates: int = 0
    rounds: int = 0
    origin: str = ""
    space_group_true: int = 0
    space_group_found: int = 0


def solved_row(solution: Solution, case: Case) -> SolvedRow:
    """The row of an answer."""
    row = matched_row([candidate.crystal for candidate in solution.candidates], case)
    rounds = solution.provenance.get("rounds", 0)
    row = replace(row, verdict=str(solution.verdict), rounds=rounds if isinstance(rounds, int) else 0)
    if solution.evidence is not None:
        figures: dict[str, Any] = {name: _finite(getattr(solution.evidence, name)) for name in EVIDENCE}
        row = replace(row, **figures)
    if (best := solution.best) is not None:
        row = replace(
            row,
            r_wp=_finite(best.refinement.r_wp),
            r_wp_without_background=_finite(best.refinement.r_wp_without_background),
            origin=best.origin,
            space_group_found=best.space_group_number,
        )
    return row


def matched_row(answers: Sequence[Crystal], case: Case) -> SolvedRow:
    """The row of structures, best first, of which nothing else is known."""
    truth = case.truth
    published = [match_rms(answer, truth, PUBLISHED) for answer in answers]
    strict = [match_rms(answer, truth, STRICT) is not None for answer in answers]
    visible = without_hydrogen(truth) if (truth.species == 1).any() else None
    strict_without_h = None
    if visible is not None:
        first = without_hydrogen(answers[0]) if answers else None
        strict_without_h = first is not None and match_rms(first, visible, STRICT) is not None
    return SolvedRow(
        published=bool(published) and published[0] is not None,
        strict=bool(strict) and strict[0],
        any_published=any(rms is not None for rms in published),
        any_strict=any(strict),
        strict_without_h=strict_without_h,
        rms=published[0] if published else None,
        candidates=len(answers),
        space_group_true=case.space_group,
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
