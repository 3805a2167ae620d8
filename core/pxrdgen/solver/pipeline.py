"""The solve loop: prepare, decompose, search, symmetrise, refine, rank, judge."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from pxrdgen.crystal import Crystal
from pxrdgen.errors import SymmetryError
from pxrdgen.interfaces import Generator, Refiner
from pxrdgen.preparation import PreparedPattern
from pxrdgen.solver.decompose import Decomposition, decompose
from pxrdgen.solver.finalists import Finalist, Symmetriser, distinct, higher_symmetries
from pxrdgen.solver.intensities import IntensityTarget, intensity_target
from pxrdgen.solver.islands import Islands, Task, merged
from pxrdgen.solver.known_phases import KnownPhases, fit_known_phases
from pxrdgen.solver.pool import Pool
from pxrdgen.solver.problem import StructureProblem
from pxrdgen.solver.ranking import points_in_peaks, ranked, without_twins
from pxrdgen.solver.search import Search, SearchSettings
from pxrdgen.solver.solution import solution_candidate
from pxrdgen.solver.values import Candidate, GroupTrial, Measurement, RefinementResult, Solution
from pxrdgen.solver.verdict import evidence_for, judged
from pxrdgen.space_groups.rank import rank_space_groups

FloatArray = NDArray[np.float64]

#: refined finalists whose higher symmetries are refined too.
LADDERS = 2
#: fits of known impurities, each after a decomposition that knows the last.
IMPURITY_ROUNDS = 2
#: seconds of searching when the spec sets no budget.
DEFAULT_BUDGET = 20.0
#: rounds of the search when the spec sets no budget and nothing stops it before.
DEFAULT_ROUNDS = 400

#: called with the stage, how much of it is done (0-1) and the best score so far (``None`` before there is one).
Progress = Callable[[str, float, float | None], None]


@dataclass(frozen=True, kw_only=True)
class Components:
    """What the loop is made of, built from a spec."""

    generators: Mapping[str, Generator]
    refiner: Refiner


@dataclass(frozen=True, kw_only=True)
class SolveSettings:
    """How much is tried.

    Args:
        candidates: kept in the population.
        refine_best: refined on the whole profile.
        budget_s: seconds of search over all alternatives of Z; ``None`` for the default.
        rounds: of the search at most.
        seed: of all randomness.
        clock: what the budget is measured by: wall time, or ``time.process_time`` on a machine shared with others.
        processes: that search at the same time, this one included.
    """

    candidates: int = 20
    refine_best: int = 5
    budget_s: float | None = None
    rounds: int = DEFAULT_ROUNDS
    seed: int = 0
    clock: Callable[[], float] = time.monotonic
    processes: int = 1


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """One alternative (Z) on its way through the loop."""

    problem: StructureProblem
    decomposition: Decomposition
    finalists: list[Finalist]
    refinements: list[RefinementResult]
    rounds: int
    interrupted: bool
    groups: tuple[GroupTrial, ...] = ()


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
        SymmetryError: the space group has no places for the atoms of any of the problems.
    """
    report = progress or _unwatched
    started = time.monotonic()
    attempts: list[_Attempt] = []
    with _one_thread():
        budget = settings.budget_s or DEFAULT_BUDGET
        refusals: list[SymmetryError] = []
        for problem, share in zip(problems, shares or [1.0 / len(problems)] * len(problems), strict=True):
            try:
                attempts.append(_attempt(problem, prepared, components, settings, share * budget, report, impurities))
            except SymmetryError as error:  # this number of formula units does not go with the space group
                refusals.append(error)
                continue
            if attempts[-1].interrupted:
                break
    if not attempts:
        raise refusals[0]
    return _solution(attempts, prepared, settings, time.monotonic() - started)


def _attempt(
    problem: StructureProblem,
    prepared: PreparedPattern,
    components: Components,
    settings: SolveSettings,
    budget: float,
    report: Progress,
    impurities: Sequence[Crystal],
) -> _Attempt:
    report("fitting the cell", 0.0, None)
    pattern = prepared.pattern
    decomposition = _decomposed(prepared, problem, prepared.background)
    known = KnownPhases(profile=np.zeros(len(pattern)))
    for _ in range(IMPURITY_ROUNDS if impurities else 0):
        known = fit_known_phases(impurities, prepared, decomposition, known.profile)
        decomposition = _decomposed(prepared, problem, prepared.background + known.profile)
    problem = replace(problem, notes=(*problem.notes, *known.notes))
    problem = problem.with_basis(decomposition.basis)
    groups = rank_space_groups(prepared, problem, decomposition)
    problem = replace(problem, groups=groups.candidates, notes=(*problem.notes, *groups.notes))
    target = intensity_target(decomposition, problem.species)
    pool, interrupted, trials = _searched(problem, target, components, settings, budget, report)
    finalists: list[Finalist] = []
    if pool is not None:
        report("finding symmetry", 0.0, pool.best_score)
        finalists = distinct(Symmetriser(target).finalists(pool), 1 if interrupted else settings.refine_best)
    measurement = Measurement(
        two_theta=pattern.two_theta,
        intensity=pattern.intensity,
        sigma=pattern.uncertainty,
        background=decomposition.background,
        instrument=decomposition.instrument,
    )
    finalists, refinements, cut_short = _refined(finalists, measurement, components.refiner, report)
    return _Attempt(
        problem=problem,
        decomposition=decomposition,
        finalists=finalists,
        refinements=refinements,
        rounds=pool.rounds if pool is not None else 0,
        interrupted=interrupted or cut_short,
        groups=trials,
    )


def _decomposed(prepared: PreparedPattern, problem: StructureProblem, background: FloatArray) -> Decomposition:
    pattern = prepared.pattern
    return decompose(
        pattern.two_theta,
        pattern.intensity,
        pattern.uncertainty,
        background,
        prepared.instrument,
        problem.basis,
        background_su=prepared.background_su,
    )


def _refined(
    finalists: list[Finalist], measurement: Measurement, refiner: Refiner, report: Progress
) -> tuple[list[Finalist], list[RefinementResult], bool]:
    """The finalists refined on the whole profile, the best few also in every higher symmetry they come near to.

    Ctrl-C leaves those that are done; the last value says so.
    """
    results: list[RefinementResult] = []
    higher: list[Finalist] = []
    try:
        for number, finalist in enumerate(finalists):
            report("refining", 0.6 * number / len(finalists), None)
            results.extend(refiner.refine(measurement, [finalist.start()]))
        order = sorted(range(len(finalists)), key=lambda row: results[row].r_wp)
        for row in order[:LADDERS]:
            higher.extend(higher_symmetries(finalists[row], results[row].crystal))
        for number, finalist in enumerate(higher):
            report("refining", 0.6 + 0.4 * number / len(higher), None)
            results.extend(refiner.refine(measurement, [finalist.start()]))
    except KeyboardInterrupt:
        return [*finalists, *higher][: len(results)], results, True
    return [*finalists, *higher], results, False


def _searched(
    problem: StructureProblem,
    target: IntensityTarget,
    components: Components,
    settings: SolveSettings,
    budget: float,
    report: Progress,
) -> tuple[Pool | None, bool, tuple[GroupTrial, ...]]:
    limits = SearchSettings(
        candidates=settings.candidates, rounds=settings.rounds, seconds=budget, clock=settings.clock
    )
    search = Search(problem, target, components.generators, limits, torch.Generator().manual_seed(settings.seed))
    started = settings.clock()

    def on_round(round_number: int, score: float) -> None:
        share = max((settings.clock() - started) / budget, round_number / settings.rounds)
        report("searching", min(share, 1.0), score)

    task = Task(problem=problem, target=target, generators=components.generators, settings=limits, seed=settings.seed)
    with Islands(task, settings.processes - 1) as islands:
        interrupted = False
        try:
            search.run(on_round, islands.solved)
        except KeyboardInterrupt:
            interrupted = True
        if search.found is None:
            return None, interrupted, search.trials()
        pool, trials = merged(search.found, search.trials(), islands.results(), settings.candidates, target.num_groups)
    return pool, interrupted, trials


def _solution(
    attempts: Sequence[_Attempt], prepared: PreparedPattern, settings: SolveSettings, seconds: float
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
