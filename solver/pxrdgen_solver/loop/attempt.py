"""One alternative (a cell, a Z) on its way through the solve loop: prepared, searched, symmetrised, refined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from pxrdgen.values.candidates import GroupTrial
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen.values.problem import StructureProblem
from pxrdgen.values.refinement import Measurement, RefinementResult
from pxrdgen.values.solution import Verdict
from pxrdgen_crystallography.decomposition.decompose import Decomposition, decompose
from pxrdgen_crystallography.decomposition.known_phases import KnownPhases, fit_known_phases
from pxrdgen_crystallography.structure_fit.intensities import intensity_target
from pxrdgen_solver.answer.finalists import Finalist, Symmetriser, distinct, higher_symmetries, worth_refining
from pxrdgen_solver.answer.ranking import Ranked, points_in_peaks, ranked, without_twins
from pxrdgen_solver.answer.verdict import evidence_for, judged
from pxrdgen_solver.loop.settings import Components, Progress, SolveSettings
from pxrdgen_solver.search.islands import Islands, Task, merged
from pxrdgen_solver.search.pool import Pool
from pxrdgen_solver.search.search import Search, SearchSettings
from pxrdgen_solver.space_group.rank import rank_space_groups

FloatArray = NDArray[np.float64]

#: shares of the budget after which the best so far is refined; where that is called solved, the search ends. Costly
#: generators join after the first.
STRETCHES = (0.2, 0.5, 1.0)
#: refined finalists whose higher symmetries are refined too.
LADDERS = 2
#: fits of known impurities, each after a decomposition that knows the last.
IMPURITY_ROUNDS = 2


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What became of one alternative.

    Args:
        problem: with the fitted cell, the ranked space groups and notes.
        decomposition: of the pattern into intensities.
        finalists, refinements: refined structures, in no order.
        rounds: of the search.
        interrupted: whether the user ended it.
        groups: space groups searched.
    """

    problem: StructureProblem
    decomposition: Decomposition
    finalists: list[Finalist]
    refinements: list[RefinementResult]
    rounds: int
    interrupted: bool
    groups: tuple[GroupTrial, ...] = ()

    def ranking(self) -> list[Ranked]:
        """Its structures, best first."""
        return without_twins(ranked(self.finalists, self.refinements, points_in_peaks(self.decomposition)))


def attempted(
    problem: StructureProblem,
    prepared: PreparedPattern,
    components: Components,
    settings: SolveSettings,
    budget: float,
    report: Progress,
    impurities: Sequence[Crystal],
) -> Attempt:
    """Look for ``budget`` seconds at most."""
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
    return _Work(problem, prepared, decomposition, components, settings, budget, report).done()


class _Work:
    """The search of one prepared alternative, with a refinement now and then that may end it."""

    def __init__(
        self,
        problem: StructureProblem,
        prepared: PreparedPattern,
        decomposition: Decomposition,
        components: Components,
        settings: SolveSettings,
        budget: float,
        report: Progress,
    ) -> None:
        self._problem, self._prepared, self._decomposition = problem, prepared, decomposition
        self._components, self._settings, self._budget, self._report = components, settings, budget, report
        self._target: IntensityTarget = intensity_target(decomposition, problem.species)
        self._limits = SearchSettings(
            candidates=settings.candidates, rounds=settings.rounds, seconds=budget, clock=settings.clock
        )
        rng = torch.Generator().manual_seed(settings.seed)
        self._search = Search(problem, self._target, components.generators, self._limits, rng)
        self._searched = 0.0

    def done(self) -> Attempt:
        search, settings = self._search, self._settings
        task = Task(
            problem=self._problem,
            target=self._target,
            generators=self._components.generators,
            settings=self._limits,
            seed=settings.seed,
        )
        with Islands(task, settings.processes - 1) as islands:
            for share in STRETCHES if settings.stop_when_solved else STRETCHES[-1:]:
                costly = share > STRETCHES[0]
                interrupted = self._look(share * self._budget - self._searched, islands, costly=costly)
                if interrupted or search.over or islands.solved() or share == STRETCHES[-1] or search.found is None:
                    break
                attempt = self._refined(search.found, search.trials(), interrupted=False)
                if attempt.interrupted or self._is_solved(attempt):
                    return attempt
            if search.found is None:
                return self._refined(None, search.trials(), interrupted=interrupted)
            keep, groups = settings.candidates, self._target.num_groups
            pool, trials = merged(search.found, search.trials(), islands.results(), keep, groups)
        return self._refined(pool, trials, interrupted=interrupted)

    def _look(self, seconds: float, islands: Islands, *, costly: bool) -> bool:
        """Search on; whether the user interrupted it."""
        settings, started = self._settings, self._settings.clock()

        def on_round(round_number: int, score: float) -> None:
            spent = self._searched + settings.clock() - started
            self._report("searching", min(max(spent / self._budget, round_number / settings.rounds), 1.0), score)

        try:
            self._search.run(on_round, islands.solved, seconds=max(seconds, 0.0), costly=costly)
        except KeyboardInterrupt:
            return True
        finally:
            self._searched += settings.clock() - started
        return False

    def _is_solved(self, attempt: Attempt) -> bool:
        evidence = evidence_for(attempt.ranking(), self._decomposition, self._prepared.pattern.intensity)
        return judged(evidence)[0] is Verdict.SOLVED

    def _refined(self, pool: Pool | None, trials: tuple[GroupTrial, ...], *, interrupted: bool) -> Attempt:
        finalists: list[Finalist] = []
        if pool is not None:
            self._report("finding symmetry", 0.0, pool.best_score)
            count = 1 if interrupted else self._settings.refine_best
            finalists = worth_refining(distinct(Symmetriser(self._target).finalists(pool), count))
        finalists, refinements, cut_short = self._refine(finalists)
        return Attempt(
            problem=self._problem,
            decomposition=self._decomposition,
            finalists=finalists,
            refinements=refinements,
            rounds=pool.rounds if pool is not None else 0,
            interrupted=interrupted or cut_short,
            groups=trials,
        )

    def _refine(self, finalists: list[Finalist]) -> tuple[list[Finalist], list[RefinementResult], bool]:
        """The finalists refined on the whole profile, the best few also in every higher symmetry they come near to.

        Ctrl-C leaves those that are done; the last value says so.
        """
        pattern, decomposition = self._prepared.pattern, self._decomposition
        measurement = Measurement(
            two_theta=pattern.two_theta,
            intensity=pattern.intensity,
            sigma=pattern.uncertainty,
            background=decomposition.background,
            instrument=decomposition.instrument,
        )
        refiner = self._components.refiner
        results: list[RefinementResult] = []
        higher: list[Finalist] = []
        try:
            for number, finalist in enumerate(finalists):
                self._report("refining", 0.6 * number / len(finalists), None)
                results.extend(refiner.refine(measurement, [finalist.start()]))
            order = sorted(range(len(finalists)), key=lambda row: results[row].r_wp)
            for row in order[:LADDERS]:
                higher.extend(higher_symmetries(finalists[row], results[row].crystal))
            for number, finalist in enumerate(higher):
                self._report("refining", 0.6 + 0.4 * number / len(higher), None)
                results.extend(refiner.refine(measurement, [finalist.start()]))
        except KeyboardInterrupt:
            return [*finalists, *higher][: len(results)], results, True
        return [*finalists, *higher], results, False


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
