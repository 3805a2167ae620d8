"""The search: generators propose, batched least squares disposes, the best are kept, disturbed and proposed again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from pxrdgen.errors import BrokenPluginError, SymmetryError
from pxrdgen.interfaces.structure_generator import StructureGenerator
from pxrdgen.values.candidates import GroupTrial
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.problem import StructureProblem
from pxrdgen_solver.search.budget import Stretch
from pxrdgen_solver.search.fitting import CandidateFitter
from pxrdgen_solver.search.pool import Pool, joined
from pxrdgen_solver.search.population import Population

#: a score below this, relative to a perfect 0, cannot be improved by more searching.
PERFECT = 0.006
#: rounds without progress before the population is put aside and drawn afresh.
ROUNDS_AT_REST = 10
#: a fresh population this close in score to the best has found it again; this often is enough.
SAME_AGAIN, ENOUGH_TIMES = 1.01, 2

#: called with the rounds done and the best score.
OnRound = Callable[[int, float], None]


class Search:
    """One problem's search; :meth:`run` may be interrupted at any time and the best so far stays in :attr:`found`.

    Args:
        problem: what is searched.
        target: its intensities.
        generators: by the name that candidates are stamped with; one that fails is dropped, see :attr:`failures`.
        candidates: how many each generator's population keeps, and all of them together in the end.
        rng: of all randomness.
        clock: seconds that count.
    """

    def __init__(
        self,
        problem: StructureProblem,
        target: IntensityTarget,
        generators: Mapping[str, StructureGenerator],
        *,
        candidates: int,
        rng: torch.Generator,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target, self._candidates, self._rng, self._clock = target, candidates, rng, clock
        heavy = int((target.species > 1).sum())
        fitting = {name: each for name, each in generators.items() if each.abilities.least_atoms <= heavy} or generators
        obedient = {name: each for name, each in fitting.items() if each.abilities.keeps_space_group}
        # a group that the user gave is kept by asking those alone that keep it
        asked = obedient if problem.space_group is not None and obedient else fitting
        fitter = CandidateFitter(target)
        self._populations = [
            Population(name=name, problem=problem, target=target, generator=generator, fitter=fitter, size=candidates)
            for name, generator in asked.items()
        ]
        self._found_again = 0
        self.rounds = 0
        self.seconds = 0.0
        self.found: Pool | None = None
        #: whether there is nothing more to look for.
        self.over = False

    @property
    def failures(self) -> tuple[str, ...]:
        """A sentence on each generator that was dropped because it failed."""
        return tuple(population.failure for population in self._populations if population.failure)

    def run(
        self,
        stretch: Stretch,
        on_round: OnRound | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        """Propose and fit until the stretch ends, or until nothing is left to explain, or until independent
        populations have come to the same best. Called again it goes on, unless the search is :attr:`over`.

        ``on_round`` is called after each round, then ``stop()`` says whether to end. In a stretch that is not
        ``costly``, generators whose proposals are dear are asked only where no other has anything to propose.

        Raises:
            SymmetryError: no generator has anything to propose.
            BrokenPluginError: all of them failed.
        """
        begun, before = self._clock(), self.seconds
        try:
            while not self.over and self.rounds < stretch.rounds:
                if not self._advance(costly=stretch.costly):
                    break
                if on_round is not None and self.found is not None:
                    on_round(self.rounds, self.found.best_score)
                if stop is not None and stop():
                    break
                self.seconds = before + self._clock() - begun
                if stretch.seconds is not None and self.seconds > stretch.seconds:
                    break
        finally:
            self.seconds = before + self._clock() - begun

    def trials(self) -> tuple[GroupTrial, ...]:
        """How far each space group came that a generator searched, the best fit first."""
        found = [trial for population in self._populations for trial in population.trials()]
        return tuple(sorted(found, key=lambda trial: trial.best_score))

    def _advance(self, *, costly: bool) -> bool:
        """One round; ``False`` when every generator is at its end."""
        at_work = self._populations_at_work(costly=costly)
        if not at_work:
            if self.found is None:
                raise self._nothing_to_begin_with()
            self.over = True
            return False
        self.rounds += 1
        self.found = replace(self._merge(at_work), rounds=self.rounds)
        self._found_again += self._renew(at_work)
        self.over = self.found.best_score < PERFECT or self._found_again >= ENOUGH_TIMES
        return True

    def _nothing_to_begin_with(self) -> SymmetryError | BrokenPluginError:
        names = " and ".join(population.name for population in self._populations)
        if len(self.failures) == len(self._populations):
            return BrokenPluginError(f"no generator is left: {'; '.join(self.failures)}")
        return SymmetryError(
            f"got no arrangement to begin with: {names} found no room for the atoms in the space group and cell; check "
            "the formula, Z and the space group, or leave the group out"
        )

    def _populations_at_work(self, *, costly: bool) -> list[Population]:
        """The populations that had a round, costly ones only if asked for or if there are no others."""
        for late in (False, True):
            asked = [each for each in self._populations if (each.is_costly and not costly) is late]
            at_work = [population for population in asked if population.advance(self.rounds, self._rng)]
            if at_work:
                return at_work
        return []

    def _renew(self, at_work: list[Population]) -> int:
        """Put aside populations that have come to rest; how many of them had come to the best of all."""
        resting = [population for population in at_work if population.idle >= ROUNDS_AT_REST]
        best = self.found.best_score if self.found is not None else float("inf")
        again = sum(p.pool is not None and p.pool.best_score <= SAME_AGAIN * best for p in resting)
        for population in resting:
            population.start_afresh()
        return again

    def _merge(self, at_work: list[Population]) -> Pool:
        pools = [population.pool for population in at_work if population.pool is not None]
        known = pools if self.found is None else [self.found, *pools]
        return joined(known).best_of_each(self._candidates, self._target.num_groups)
