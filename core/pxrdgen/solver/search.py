"""The search: generators propose, batched least squares disposes, the best are kept, disturbed and proposed again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pxrdgen.errors import SymmetryError
from pxrdgen.interfaces import Generator
from pxrdgen.solver.contact_prior import ContactPenalty
from pxrdgen.solver.coordinate_fit import CoordinateFit, fit_coordinates
from pxrdgen.solver.grouped_model import GroupedModel, GroupedParameters
from pxrdgen.solver.intensities import IntensityTarget
from pxrdgen.solver.pool import Pool, joined, joined_fits
from pxrdgen.solver.problem import StructureProblem
from pxrdgen.solver.texture_fit import TextureFit
from pxrdgen.solver.values import CandidateBatch, GroupTrial

#: least-squares steps given to every proposal, and to the share of them that then fit best.
FIRST_ITERATIONS, MORE_ITERATIONS, SURVIVORS = 8, 14, 0.5
#: a score below this, relative to a perfect 0, cannot be improved by more searching.
PERFECT = 0.006
#: rounds without progress before the population is put aside and drawn afresh.
PATIENCE = 10
#: a fresh population this close in score to the best has found it again; this often is enough.
SAME_AGAIN, ENOUGH_TIMES = 1.01, 2
#: strengths of the disturbance, used in turn.
STRENGTHS = (0.5, 0.35, 0.7)


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How long to look.

    Args:
        candidates: how many the population keeps.
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
        generators: Mapping[str, Generator],
        settings: SearchSettings,
        rng: torch.Generator,
    ) -> None:
        self._problem, self._target = problem, target
        obedient = {name: generator for name, generator in generators.items() if generator.keeps_space_group}
        # a group that the user gave is kept by asking those alone that keep it
        asked = obedient if problem.space_group is not None and obedient else generators
        self._generators = {name: generator.begin(problem, target) for name, generator in asked.items()}
        self._settings, self._rng = settings, rng
        self._model = GroupedModel(target)
        self._contacts = ContactPenalty(target.species, target.basis)
        self._texture = TextureFit(target, self._model)
        self.found: Pool | None = None

    def run(self, on_round: Callable[[int, float], None] | None = None, stop: Callable[[], bool] | None = None) -> Pool:
        """Propose and fit until the settings' limits, or until nothing is left to explain, or until independent
        populations have come to the same best.

        ``on_round(round, best score)`` is called after each round, then ``stop()`` says whether to end.

        Raises:
            SymmetryError: no generator has anything to propose.
        """
        start = self._settings.clock()
        population: Pool | None = None
        idle = found_again = 0
        for round_number in range(self._settings.rounds):
            proposals = self._proposals(population, round_number)
            if len(proposals) == 0 and population is not None:
                break  # every generator is at its end
            if len(proposals) == 0:
                raise SymmetryError(
                    f"got no arrangement to begin with: {' and '.join(self._generators)} found no room for the atoms "
                    "in the space group and cell; check the formula, Z and the space group, or leave the group out"
                )
            fitted = self._fitted(proposals, population)
            candidates = fitted if population is None else joined([population, fitted])
            before = population.best_score if population is not None else float("inf")
            population = self._with_texture(candidates.best(self._settings.candidates, self._target.num_groups))
            idle = 0 if population.best_score < before - 1e-3 * max(before, 0.02) else idle + 1
            self.found = replace(self._merged(population), rounds=round_number + 1)
            if on_round is not None:
                on_round(round_number + 1, self.found.best_score)
            if self.found.best_score < PERFECT or (stop is not None and stop()):
                break
            if self._settings.seconds is not None and self._settings.clock() - start > self._settings.seconds:
                break
            if idle >= PATIENCE:
                found_again += population.best_score <= SAME_AGAIN * self.found.best_score
                if found_again >= ENOUGH_TIMES:
                    break
                population, idle = None, 0
        if self.found is None:
            raise ValueError(f"got {self._settings.rounds} rounds, expected at least 1")
        return self.found

    def trials(self) -> tuple[GroupTrial, ...]:
        """How far each space group came that a generator searched, the best fit first."""
        found = [trial for generator in self._generators.values() for trial in generator.trials()]
        return tuple(sorted(found, key=lambda trial: trial.best_score))

    def _merged(self, population: Pool) -> Pool:
        if self.found is None:
            return population
        return joined([self.found, population]).best(self._settings.candidates, self._target.num_groups)

    def _proposals(self, population: Pool | None, round_number: int) -> CandidateBatch:
        batches = []
        for generator in self._generators.values():
            count = self._settings.candidates * generator.proposals_per_candidate
            if population is None:
                batches.append(generator.generate(self._problem, self._target, count, self._rng))
                continue
            fresh = count if generator.continues else count // 3 if generator.proposals_per_candidate > 1 else 0
            if fresh:
                batches.append(generator.generate(self._problem, self._target, fresh, self._rng))
            if generator.can_renoise and fresh < count:
                parents = population.fit.parameters.frac_coords
                best = max(len(parents) // 2, 1)
                rows = torch.randint(best, (count - fresh,), generator=self._rng)
                strength = STRENGTHS[round_number % len(STRENGTHS)]
                batches.append(generator.renoise(self._problem, self._target, parents[rows], strength, self._rng))
        return CandidateBatch(
            frac_coords=torch.cat([batch.frac_coords for batch in batches]),
            origin=sum((batch.origin for batch in batches), ()),
            freedom=torch.cat([self._freedom(batch) for batch in batches]),
            constraint=sum((batch.constraints for batch in batches), ()),
        )

    def _fitted(self, proposals: CandidateBatch, population: Pool | None) -> Pool:
        start = self._model.start(proposals.frac_coords)
        best = None if population is None else population.fit.parameters
        if best is not None and best.texture is not None:
            # texture belongs to the sample, so a newcomer begins with the best candidate's
            start = self._model.rescaled(replace(start, texture=best.texture[:1].expand(len(proposals), -1)))
        constraint = proposals.constraints
        first = self._fit(start, FIRST_ITERATIONS, constraint)
        pool = Pool(fit=first, origin=proposals.origin, freedom=self._freedom(proposals), constraint=constraint)
        pool = pool.select(torch.argsort(first.score)[: max(round(SURVIVORS * len(pool)), 1)])
        return replace(pool, fit=self._fit(pool.fit.parameters, MORE_ITERATIONS, pool.constraint))

    def _fit(self, start: GroupedParameters, iterations: int, constraint: tuple[Tensor | None, ...]) -> CoordinateFit:
        """Least squares, arrangements with a constraint within it."""
        bound = torch.tensor([entry is not None for entry in constraint], dtype=torch.bool)
        kinds = [rows for rows in ((~bound).nonzero().squeeze(1), bound.nonzero().squeeze(1)) if len(rows)]
        parts = [
            fit_coordinates(
                self._model,
                start.select(rows),
                iterations=iterations,
                contacts=self._contacts,
                constraint=_padded([constraint[int(row)] for row in rows]),
            )
            for rows in kinds
        ]
        if len(parts) == 1:
            return parts[0]
        order = torch.argsort(torch.cat(kinds))
        return joined_fits(parts).select(order)

    def _freedom(self, batch: CandidateBatch) -> Tensor:
        """[M] what the generator says of its candidates, else all coordinates but the origin."""
        if batch.freedom is not None:
            return batch.freedom
        return torch.full((len(batch),), 3 * int(self._target.species.numel()) - 3)

    def _with_texture(self, population: Pool) -> Pool:
        """Candidates with their own texture, where it helps, fitted a little further."""
        parameters, texture = self._texture.fit(population.fit.parameters)
        if texture.eq(1.0).all() and population.fit.parameters.texture is None:
            return population
        fit = self._fit(parameters, 6, population.constraint)
        better = fit.score < population.fit.score
        old = population.fit.parameters
        kept = old.texture if old.texture is not None else torch.ones_like(texture)
        merged = fit.parameters.where(better, old)
        merged = replace(merged, texture=torch.where(better[:, None], texture, kept))
        result = CoordinateFit(
            parameters=merged,
            misfit=torch.where(better, fit.misfit, population.fit.misfit),
            score=torch.where(better, fit.score, population.fit.score),
        )
        return replace(population, fit=result).best(len(population), self._target.num_groups)


def _padded(constraints: list[Tensor | None]) -> Tensor | None:
    """[M, 3 N, P] constraints filled up with columns of zeros; ``None`` for unconstrained arrangements."""
    known = [entry for entry in constraints if entry is not None]
    if not known:
        return None
    widest = max(entry.shape[1] for entry in known)
    return torch.stack([torch.nn.functional.pad(entry, (0, widest - entry.shape[1])) for entry in known])
