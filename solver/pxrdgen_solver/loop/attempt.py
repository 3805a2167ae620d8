"""One alternative (a cell, a Z) on its way through the solve loop: posed, searched, symmetrised, refined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pxrdgen.values.candidates import GroupTrial
from pxrdgen.values.refinement import RefinementResult
from pxrdgen.values.solution import Verdict
from pxrdgen_solver.answer.exchange import exchanged
from pxrdgen_solver.answer.finalists import Finalist, Symmetriser, distinct, higher_symmetries, worth_refining
from pxrdgen_solver.answer.ranking import Information, Ranked, information_in, ranked, without_twins
from pxrdgen_solver.answer.verdict import evidence_for, judge
from pxrdgen_solver.loop.components import Components
from pxrdgen_solver.loop.settings import SolveSettings
from pxrdgen_solver.progress import Progress
from pxrdgen_solver.question.pose import Posed
from pxrdgen_solver.search.budget import Budget, Stretch
from pxrdgen_solver.search.checked import refine_checked
from pxrdgen_solver.search.islands import Islands
from pxrdgen_solver.search.pool import Pool
from pxrdgen_solver.search.searches import Found, Joined, Searches, Task, join

#: refined finalists whose higher symmetries are refined too.
LADDERS = 2


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What became of one alternative.

    Args:
        posed: the problem with the fitted cell, the ranked space groups and notes; its decomposition.
        pool: what the search left; ``None`` when it found nothing.
        finalists, refinements: refined structures, in no order.
        rounds: of the search.
        interrupted: whether the user ended it.
        groups: space groups searched.
    """

    posed: Posed
    pool: Pool | None
    finalists: list[Finalist]
    refinements: list[RefinementResult]
    rounds: int
    interrupted: bool
    groups: tuple[GroupTrial, ...] = ()

    @property
    def information(self) -> Information:
        """Of the pattern, in its cell."""
        return information_in(self.posed.decomposition, self.posed.target)

    def ranking(self) -> list[Ranked]:
        """Its structures, best first."""
        return without_twins(ranked(self.finalists, self.refinements, self.information))


class AlternativeSearch:
    """The search of one posed alternative, with a look now and then that may end it.

    Args:
        posed: the alternative.
        components: who proposes, who refines.
        settings: how much is tried.
        budget: of this alternative.
        report: told of progress.
    """

    def __init__(
        self, posed: Posed, components: Components, settings: SolveSettings, budget: Budget, report: Progress
    ) -> None:
        self._posed, self._components, self._settings = posed, components, settings
        self._budget, self._report = budget, report
        self._measurement = posed.measurement()
        self._task = Task(
            problem=posed.sought,
            target=posed.target,
            generators=components.generators,
            candidates=settings.candidates,
            budget=budget,
            looks=settings.stop_when_solved,
            seed=settings.seed,
        )

    def run(self) -> Attempt:
        """Search, look, refine. Ctrl-C ends the search, and what was found so far is refined.

        Raises:
            SymmetryError: no generator has anything to propose.
            BrokenPluginError: all generators failed.
        """
        here, *elsewhere = self._settings.places()
        searches = Searches(replace(self._task, places=here))
        with Islands(self._task, tuple(elsewhere)) as islands:
            for number, stretch in enumerate(self._task.stretches()):
                interrupted = self._search(searches, stretch, islands)
                joined = self._join(searches, islands, number, last=stretch.last or interrupted)
                if interrupted or stretch.last or joined.over or joined.pool is None:
                    break
                attempt = self._refine_best(joined, interrupted=False)
                if attempt.interrupted or self._is_solved(attempt):
                    return attempt
            if not (stretch.last or interrupted) and not self._budget.counted:
                joined = self._join(searches, islands, number, last=True)
        return self._refine_best(joined, interrupted=interrupted)

    def _search(self, searches: Searches, stretch: Stretch, islands: Islands) -> bool:
        """Search on to the end of the stretch; whether the user interrupted it."""
        budget, spent = self._budget, searches.seconds
        begun = budget.clock()

        def on_round(rounds: int, score: float) -> None:
            share = rounds / budget.rounds
            if budget.seconds is not None:
                share = max(share, (spent + budget.clock() - begun) / budget.seconds)
            self._report("searching", min(share, 1.0), score)

        try:
            searches.run(stretch, on_round, None if budget.counted else islands.solved)
        except KeyboardInterrupt:
            return True
        return False

    def _join(self, searches: Searches, islands: Islands, number: int, *, last: bool) -> Joined:
        """What was found here and elsewhere.

        Where rounds are counted, islands are waited for after every stretch, so that the answer does not hang on who
        was faster. Where seconds are, they search on and are heard at the end, unless one of them has solved it.
        """
        found: list[Found] = list(searches.found())
        if self._budget.counted:
            found += islands.after(number)
        elif last or islands.solved():
            found += islands.stop()
        return join(found, self._settings.candidates, self._posed.target.num_groups)

    def _is_solved(self, attempt: Attempt) -> bool:
        evidence = evidence_for(attempt.ranking(), self._posed.decomposition, self._posed.prepared.pattern.intensity)
        return judge(evidence)[0] is Verdict.SOLVED

    def _refine_best(self, joined: Joined, *, interrupted: bool) -> Attempt:
        """The best of the pool symmetrised and refined."""
        finalists = [] if joined.pool is None else self._symmetrise(joined.pool, 1 if interrupted else None)
        finalists, refinements, cut_short = self._refine(finalists)
        notes = [*joined.failures, *_failed_refinements(refinements)]
        problem = replace(self._posed.problem, notes=(*self._posed.problem.notes, *notes))
        return Attempt(
            posed=replace(self._posed, problem=problem),
            pool=joined.pool,
            finalists=finalists,
            refinements=refinements,
            rounds=joined.pool.rounds if joined.pool is not None else 0,
            interrupted=interrupted or cut_short,
            groups=joined.trials,
        )

    def _symmetrise(self, pool: Pool, most: int | None) -> list[Finalist]:
        self._report("finding symmetry", 0.0, pool.best_score)
        count = self._settings.refine_best if most is None else most
        return worth_refining(distinct(Symmetriser(self._posed.target).finalists(pool), count))

    def _refine(self, finalists: list[Finalist]) -> tuple[list[Finalist], list[RefinementResult], bool]:
        """The finalists refined on the whole profile; then the best few in every higher symmetry they come near to;
        then the best with elements exchanged that look alike.

        Ctrl-C leaves those that are done; the last value says so.
        """
        information = information_in(self._posed.decomposition, self._posed.target)
        tried: list[Finalist] = []
        results: list[RefinementResult] = []
        try:
            for begun, derive in ((0.0, None), (0.6, higher_symmetries), (0.9, exchanged)):
                best = ranked(tried, results, information)[:LADDERS]
                derived = [] if derive is None else [derive(each.finalist, each.refinement.crystal) for each in best]
                waiting = finalists if derive is None else [made for several in derived for made in several]
                for number, finalist in enumerate(waiting):
                    self._report("refining", begun + 0.1 * number / len(waiting), None)
                    results.append(refine_checked(self._components.refiner, self._measurement, finalist.start()))
                    tried.append(finalist)
        except KeyboardInterrupt:
            return tried, results[: len(tried)], True
        return tried, results, False


def _failed_refinements(refinements: Sequence[RefinementResult]) -> tuple[str, ...]:
    """What the refiner said where it failed, each once."""
    failed = [result.message for result in refinements if result.r_wp == float("inf") and result.message]
    return tuple(dict.fromkeys(f"a structure could not be refined: {message}" for message in failed))
