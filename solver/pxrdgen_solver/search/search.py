"""The search: generators propose, batched least squares disposes, the best are kept, disturbed and proposed again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from pxrdgen.errors import SymmetryError
from pxrdgen.interfaces.structure_generator import StructureGenerator
from pxrdgen.values.candidates import GroupTrial
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.problem import StructureProblem
from pxrdgen_solver.search.fitting import CandidateFitter
from pxrdgen_solver.search.pool import Pool, joined
from pxrdgen_solver.search.population import Population

#: a score below this, relative to a perfect 0, cannot be improved by more searching.
PERFECT = 0.006
#: rounds without progress before the population is put aside and drawn afresh.
PATIENCE = 10
#: a fresh population this close in score to the best has found it again; this often is enough.
SAME_AGAIN, ENOUGH_TIMES = 1.01, 2


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How long to look.

    Args:
        candidates: how many each generator's population keeps, and all of them together in the end.
        rounds: of proposing and keeping, at most.
        seconds: at most, of the clock; ``None`` for no limit.
        clock: seconds that count: wall time, or ``time.process_time`` on a machine shared with others.
    """

    candidates: int = 20
    rounds: int = 40
    seconds: float | None = None
    clock: Callable[[], float] = time.monotonic


class Search:
    """One problem's search; :meth:`run` may be interrupted at any time and the best so far stays in :attr:`found`."""

    def __init__(
        self,
        problem: StructureProblem,
        target: IntensityTarget,
        generators: Mapping[str, StructureGenerator],
        settings: SearchSettings,
        rng: torch.Generator,
    ) -> None:
        self._target, self._settings, self._rng = target, settings, rng
        obedient = {name: generator for name, generator in generators.items() if generator.abilities.keeps_space_group}
        # a group that the user gave is kept by asking those alone that keep it
        asked = obedient if problem.space_group is not None and obedient else generators
        self._generators = {name: generator.begin(problem, target) for name, generator in asked.items()}
        fitter = CandidateFitter(target)
        self._populations = [
            Population(problem=problem, target=target, generator=generator, fitter=fitter, size=settings.candidates)
            for generator in self._generators.values()
        ]
        self._rounds = self._found_again = 0
        self.found: Pool | None = None
        #: whether there is nothing more to look for, or no round left to do it in.
        self.over = settings.rounds < 1

    def run(
        self,
        on_round: Callable[[int, float], None] | None = None,
        stop: Callable[[], bool] | None = None,
        *,
        seconds: float | None = None,
        costly: bool = True,
    ) -> Pool:
        """Propose and fit until the settings' limits, or until nothing is left to explain, or until independent
        populations have come to the same best. Called again it goes on, unless the search is :attr:`over`.

        ``on_round(round, best score)`` is called after each round, then ``stop()`` says whether to end.
        ``seconds`` of this call replace those of the settings; without ``costly``, generators whose proposals are dear
        are asked only where no other has anything to propose.

        Raises:
            SymmetryError: no generator has anything to propose.
        """
        start = self._settings.clock()
        limit = self._settings.seconds if seconds is None else seconds
        while not self.over:
            round_number = self._rounds
            at_work = self._advanced(round_number, costly=costly)
            if not at_work and self.found is not None:
                self.over = True  # every generator is at its end
                break
            if not at_work:
                raise SymmetryError(
                    f"got no arrangement to begin with: {' and '.join(self._generators)} found no room for the atoms "
                    "in the space group and cell; check the formula, Z and the space group, or leave the group out"
                )
            self._rounds += 1
            self.found = replace(self._merged(at_work), rounds=self._rounds)
            self._found_again += self._renewed(at_work)
            self.over = (
                self.found.best_score < PERFECT
                or self._found_again >= ENOUGH_TIMES
                or self._rounds >= self._settings.rounds
            )
            if on_round is not None:
                on_round(self._rounds, self.found.best_score)
            if stop is not None and stop():
                break
            if limit is not None and self._settings.clock() - start > limit:
                break
        if self.found is None:
            raise ValueError(f"got {self._settings.rounds} rounds, expected at least 1")
        return self.found

    def _advanced(self, round_number: int, *, costly: bool) -> list[Population]:
        """The populations that had a round, ``costly`` ones only if asked for or if there are no others."""
        for late in (False, True):
            asked = [each for each in self._populations if (each.generator.abilities.costly and not costly) is late]
            at_work = [population for population in asked if population.advance(round_number, self._rng)]
            if at_work:
                return at_work
        return []

    def _renewed(self, at_work: list[Population]) -> int:
        """Put aside populations that have come to rest; how many of them had come to the best of all."""
        resting = [population for population in at_work if population.idle >= PATIENCE]
        best = self.found.best_score if self.found is not None else float("inf")
        again = sum(p.pool is not None and p.pool.best_score <= SAME_AGAIN * best for p in resting)
        for population in resting:
            population.start_afresh()
        return again

    def trials(self) -> tuple[GroupTrial, ...]:
        """How far each space group came that a generator searched, the best fit first."""
        found = [trial for generator in self._generators.values() for trial in generator.trials()]
        return tuple(sorted(found, key=lambda trial: trial.best_score))

    def _merged(self, at_work: list[Population]) -> Pool:
        pools = [population.pool for population in at_work if population.pool is not None]
        known = pools if self.found is None else [self.found, *pools]
        return joined(known).best_of_each(self._settings.candidates, self._target.num_groups)
