"""The one loop from a question to the ranked answer: what the product and every benchmark run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from pxrdgen import __version__
from pxrdgen.errors import SymmetryError
from pxrdgen.plugins.registry import Registry
from pxrdgen.plugins.resolution import citations_of, component_versions, resolve_spec
from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen.values.solution import Candidate, Solution
from pxrdgen_crystallography.one_thread import one_thread
from pxrdgen_crystallography.preparation import prepare
from pxrdgen_crystallography.scattering.radiation import check_radiation
from pxrdgen_solver.answer.group_rivals import say_space_group
from pxrdgen_solver.answer.ranking import ranked, without_twins
from pxrdgen_solver.answer.solution import solution_candidate
from pxrdgen_solver.answer.verdict import evidence_for, judge
from pxrdgen_solver.loop.alternatives import state_alternatives
from pxrdgen_solver.loop.attempt import AlternativeSearch, Attempt
from pxrdgen_solver.loop.components import Components, build_components
from pxrdgen_solver.loop.settings import SolveSettings
from pxrdgen_solver.progress import Progress, report_to_nobody
from pxrdgen_solver.question.pose import pose
from pxrdgen_solver.question.question import Question

#: what every answer rests on, whatever the components.
WORKS = ("pxrdgen", "extinction", "moyo", "spglib", "gemmi")


def solve_question(
    question: Question,
    spec: PipelineSpec,
    registry: Registry,
    *,
    clock: Callable[[], float] = time.monotonic,
    progress: Progress | None = None,
    components: Components | None = None,
) -> Solution:
    """Find the crystal structure behind a pattern.

    Args:
        question: what is known.
        spec: who proposes, who refines, how much is tried.
        registry: of components.
        clock: what a budget in seconds is measured by: wall time, or ``time.process_time`` (one process then) on a
            machine shared with others.
        progress: called with stage, share done and best score.
        components: of the spec, where they are built already.

    Ctrl-C while searching ends the search; the best so far is refined and returned as interrupted. Ctrl-C while
    refining ends that too.

    Raises:
        InputError: the question cannot be answered as it stands; the message says what and how to mend it.
        PluginError: a component cannot be built, or all generators failed.
    """
    check_radiation(question.pattern.instrument.radiation)
    report = progress or report_to_nobody
    components = components or build_components(spec, registry)
    settings = SolveSettings.of(spec, clock)
    started = time.monotonic()
    prepared = prepare(question.pattern, ranges=question.ranges, exclude=question.exclude)
    alternatives = state_alternatives(question, prepared, spec, registry, report)
    attempts: list[Attempt] = []
    refusals: list[SymmetryError] = []
    with one_thread():
        for alternative in alternatives:
            report("fitting the cell", 0.0, None)
            posed = pose(prepared, alternative.problem, question.impurities)
            budget = settings.budget
            if budget.seconds is not None:
                budget = replace(budget, seconds=alternative.share * budget.seconds)
            try:
                attempts.append(AlternativeSearch(posed, components, settings, budget, report).run())
            except SymmetryError as error:  # this number of formula units does not go with the space group
                refusals.append(error)
                continue
            if attempts[-1].interrupted:
                break
    if not attempts:
        raise refusals[0]
    solution = _rank_and_judge(attempts, prepared, settings)
    provenance = {
        **solution.provenance,
        "seconds": round(time.monotonic() - started, 2),
        "spec": resolve_spec(spec, registry).model_dump(mode="json"),
        "versions": {"pxrdgen": __version__, **component_versions(spec, registry)},
        "citations": [*WORKS, *(work.key for work in citations_of(spec, registry))],
    }
    return replace(solution, provenance=provenance)


def _rank_and_judge(attempts: Sequence[Attempt], prepared: PreparedPattern, settings: SolveSettings) -> Solution:
    # one ranking over all alternatives, so that every score rests on the same noise
    owner = {id(finalist): attempt for attempt in attempts for finalist in attempt.finalists}
    finalists = [finalist for attempt in attempts for finalist in attempt.finalists]
    refinements = [refinement for attempt in attempts for refinement in attempt.refinements]
    information = max((attempt.information for attempt in attempts), key=lambda each: each.points)
    every = ranked(finalists, refinements, information)
    ranking = without_twins(every)
    best = owner[id(ranking[0].finalist)] if ranking else attempts[0]
    candidates: list[Candidate] = [
        solution_candidate(entry, owner[id(entry.finalist)].posed.problem) for entry in ranking[: settings.refine_best]
    ]
    evidence = evidence_for(ranking, best.posed.decomposition, prepared.pattern.intensity)
    verdict, reasons = judge(evidence)
    if evidence is not None:
        evidence = replace(evidence, reasons=(*reasons, *say_space_group(every)))
    decomposition = best.posed.decomposition
    notes = (note for attempt in attempts for note in attempt.posed.problem.notes)
    return Solution(
        candidates=candidates,
        verdict=verdict,
        evidence=evidence,
        provenance={
            "seed": settings.seed,
            "rounds": best.rounds,
            "cell_fitted": list(best.posed.problem.cell.parameters),
            "decomposition": {"r_wp": decomposition.r_wp, "gof": decomposition.gof},
            "noise": prepared.noise_source,
        },
        notes=tuple(dict.fromkeys((*prepared.notes, *notes))),
        interrupted=any(attempt.interrupted for attempt in attempts),
        groups=best.groups,
    )
