"""The solve loop: alternatives of a problem attempted one by one, then ranked and judged together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch

from pxrdgen.errors import SymmetryError
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen.values.problem import StructureProblem
from pxrdgen.values.solution import Candidate, Solution
from pxrdgen_crystallography.scattering.radiation import check_radiation
from pxrdgen_solver.answer.ranking import points_in_peaks, ranked, without_twins
from pxrdgen_solver.answer.solution import solution_candidate
from pxrdgen_solver.answer.verdict import evidence_for, judged
from pxrdgen_solver.loop.attempt import Attempt, attempted
from pxrdgen_solver.loop.settings import Components, Progress, SolveSettings

#: seconds of searching when the spec sets no budget.
DEFAULT_BUDGET = 20.0


def solve_problems(
    problems: Sequence[StructureProblem],
    prepared: PreparedPattern,
    components: Components,
    settings: SolveSettings,
    progress: Progress | None = None,
    impurities: Sequence[Crystal] = (),
    shares: Sequence[float] = (),
) -> Solution:
    """The ranked answer to alternatives of one problem (several Z, several cells), from a prepared pattern.

    ``shares`` of the budget go to the alternatives, equal ones when left out.

    ``impurities`` are crystals known to be in the sample; their profiles are fitted and put down as background.

    Ctrl-C while searching ends the search; the best so far is refined and returned as interrupted. Ctrl-C while
    refining ends that too.

    Raises:
        InstrumentError: the radiation is not modelled.
        SymmetryError: the space group has no places for the atoms of any of the problems.
    """
    check_radiation(prepared.instrument.radiation)
    report = progress or _unwatched
    started = time.monotonic()
    attempts: list[Attempt] = []
    with _one_thread():
        budget = settings.budget_s or DEFAULT_BUDGET
        refusals: list[SymmetryError] = []
        for problem, share in zip(problems, shares or [1.0 / len(problems)] * len(problems), strict=True):
            try:
                attempts.append(attempted(problem, prepared, components, settings, share * budget, report, impurities))
            except SymmetryError as error:  # this number of formula units does not go with the space group
                refusals.append(error)
                continue
            if attempts[-1].interrupted:
                break
    if not attempts:
        raise refusals[0]
    return _solution(attempts, prepared, settings, time.monotonic() - started)


def _solution(
    attempts: Sequence[Attempt], prepared: PreparedPattern, settings: SolveSettings, seconds: float
) -> Solution:
    # one ranking over all alternatives, so that every score rests on the same noise
    owner = {id(finalist): attempt for attempt in attempts for finalist in attempt.finalists}
    finalists = [finalist for attempt in attempts for finalist in attempt.finalists]
    refinements = [refinement for attempt in attempts for refinement in attempt.refinements]
    points = max(points_in_peaks(attempt.decomposition) for attempt in attempts)
    ranking = without_twins(ranked(finalists, refinements, points))
    best = owner[id(ranking[0].finalist)] if ranking else attempts[0]
    candidates: list[Candidate] = [
        solution_candidate(entry, owner[id(entry.finalist)].problem) for entry in ranking[: settings.refine_best]
    ]
    evidence = evidence_for(ranking, best.decomposition, prepared.pattern.intensity)
    verdict, reasons = judged(evidence)
    if evidence is not None:
        evidence = replace(evidence, reasons=reasons)
    provenance = {
        "seed": settings.seed,
        "seconds": round(seconds, 2),
        "rounds": best.rounds,
        "cell_fitted": list(best.problem.cell.parameters),
        "decomposition": {"r_wp": best.decomposition.r_wp, "gof": best.decomposition.gof},
        "noise": prepared.noise_source,
    }
    interrupted = any(attempt.interrupted for attempt in attempts)
    notes = tuple(dict.fromkeys((*prepared.notes, *(note for attempt in attempts for note in attempt.problem.notes))))
    return Solution(
        candidates=candidates,
        verdict=verdict,
        evidence=evidence,
        provenance=provenance,
        notes=notes,
        interrupted=interrupted,
        groups=best.groups,
    )


def _unwatched(stage: str, share: float, best: float | None) -> None:
    del stage, share, best


@contextmanager
def _one_thread() -> Iterator[None]:
    """The search's tensors are small: threads would spend their time waiting for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
