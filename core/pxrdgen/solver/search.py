"""The search: generators propose, batched least squares disposes, the best are kept, disturbed and proposed again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pxrdgen.interfaces import Generator
from pxrdgen.solver.contact_prior import ContactPenalty
from pxrdgen.solver.coordinate_fit import CoordinateFit, fit_coordinates
from pxrdgen.solver.grouped_model import GroupedModel, GroupedParameters
from pxrdgen.solver.intensities import IntensityTarget
from pxrdgen.solver.problem import StructureProblem
from pxrdgen.solver.texture_fit import TextureFit
from pxrdgen.solver.values import CandidateBatch

#: least-squares steps given to every proposal, and to the share of them that then fit best.
FIRST_ITERATIONS, MORE_ITERATIONS, SURVIVORS = 8, 14, 0.5
#: candidates of one element set this close in score are taken for the same structure.
SAME_SCORE = 1e-4
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
        seconds: of wall time, at most; ``None`` for no limit.
    """

    candidates: int = 20
    rounds: int = 40
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Fitted candidates, best first.

    Args:
        fit: parameters, misfit and score.
        origin: generator of each.
        freedom: [M] coordinates its symmetry leaves free, as far as known.
        rounds: rounds done.
    """

    fit: CoordinateFit
    origin: tuple[str, ...]
    freedom: Tensor
    rounds: int = 0

    def __len__(self) -> int:
        return len(self.origin)

    @property
    def best_score(self) -> float:
        """Of the first."""
        return float(self.fit.score[0])

    def select(self, rows: Tensor) -> Pool:
        """The candidates ``rows``, in that order."""
        origin = tuple(self.origin[int(row)] for row in rows)
        return replace(self, fit=self.fit.select(rows), origin=origin, freedom=self.freedom[rows])

    def best(self, count: int, groups: int) -> Pool:
        """The ``count`` best that differ in score: half by fit alone, half by fit and freedom together.

        Freedom is weighed as K ln(score^2) + freedom ln K with K ``groups``, so that a symmetric arrangement that fits
        a little worse survives among free ones that fit by numbers.
        """
        order = torch.argsort(self.fit.score)
        score = self.fit.score[order]
        new = torch.ones_like(score, dtype=torch.bool)
        new[1:] = score[1:] - score[:-1] > SAME_SCORE * score[1:].clamp_min(0.02)
        order, score = order[new], score[new]
        criterion = groups * torch.log(score**2 + 1e-5) + self.freedom[order] * math.log(max(groups, 2))
        by_criterion = torch.argsort(criterion)[: count // 2]
        chosen = torch.zeros_like(score, dtype=torch.bool)
        chosen[by_criterion] = True
        chosen[(~chosen).nonzero().squeeze(1)[: count - len(by_criterion)]] = True
        return self.select(order[chosen])


def joined(pools: list[Pool]) -> Pool:
    """All candidates of several pools."""
    parameters = [pool.fit.parameters for pool in pools]
    textured = any(part.texture is not None for part in parameters)

    def texture(part: GroupedParameters) -> Tensor:
        reflections = next(p.texture.shape[1] for p in parameters if p.texture is not None)
        return part.texture if part.texture is not None else torch.ones(part.log_scale.shape[0], reflections)

    fit = CoordinateFit(
        parameters=GroupedParameters(
            frac_coords=torch.cat([part.frac_coords for part in parameters]),
            log_scale=torch.cat([part.log_scale for part in parameters]),
            u_iso=torch.cat([part.u_iso for part in parameters]),
            texture=torch.cat([texture(part) for part in parameters]) if textured else None,
        ),
        misfit=torch.cat([pool.fit.misfit for pool in pools]),
        score=torch.cat([pool.fit.score for pool in pools]),
    )
    return Pool(
        fit=fit,
        origin=sum((pool.origin for pool in pools), ()),
        freedom=torch.cat([pool.freedom for pool in pools]),
        rounds=max(pool.rounds for pool in pools),
    )


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
        self._problem, self._target, self._generators = problem, target, generators
        self._settings, self._rng = settings, rng
        self._model = GroupedModel(target)
        self._contacts = ContactPenalty(target.species, target.basis)
        self._texture = TextureFit(target, self._model)
        self.found: Pool | None = None

    def run(self, on_round: Callable[[int, float], None] | None = None) -> Pool:
        """Propose and fit until the settings' limits, or until nothing is left to explain, or until independent
        populations have come to the same best.

        ``on_round(round, best score)`` is called after each round.
        """
        start = time.monotonic()
        population: Pool | None = None
        idle = found_again = 0
        for round_number in range(self._settings.rounds):
            proposals = self._proposals(population, round_number)
            fitted = self._fitted(proposals, population)
            candidates = fitted if population is None else joined([population, fitted])
            before = population.best_score if population is not None else float("inf")
            population = self._with_texture(candidates.best(self._settings.candidates, self._target.num_groups))
            idle = 0 if population.best_score < before - 1e-3 * max(before, 0.02) else idle + 1
            self.found = replace(self._merged(population), rounds=round_number + 1)
            if on_round is not None:
                on_round(round_number + 1, self.found.best_score)
            if self.found.best_score < PERFECT:
                break
            if self._settings.seconds is not None and time.monotonic() - start > self._settings.seconds:
                break
            if idle >= PATIENCE:
                found_again += population.best_score <= SAME_AGAIN * self.found.best_score
                if found_again >= ENOUGH_TIMES:
                    break
                population, idle = None, 0
        if self.found is None:
            raise ValueError(f"got {self._settings.rounds} rounds, expected at least 1")
        return self.found

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
            fresh = count // 3 if generator.proposals_per_candidate > 1 else 0
            if fresh:
                batches.append(generator.generate(self._problem, self._target, fresh, self._rng))
            if generator.can_renoise:
                parents = population.fit.parameters.frac_coords
                best = max(len(parents) // 2, 1)
                rows = torch.randint(best, (count - fresh,), generator=self._rng)
                strength = STRENGTHS[round_number % len(STRENGTHS)]
                batches.append(generator.renoise(self._problem, self._target, parents[rows], strength, self._rng))
        return CandidateBatch(
            frac_coords=torch.cat([batch.frac_coords for batch in batches]),
            origin=sum((batch.origin for batch in batches), ()),
            freedom=torch.cat([self._freedom(batch) for batch in batches]),
        )

    def _fitted(self, proposals: CandidateBatch, population: Pool | None) -> Pool:
        start = self._model.start(proposals.frac_coords)
        best = None if population is None else population.fit.parameters
        if best is not None and best.texture is not None:
            # texture belongs to the sample, so a newcomer begins with the best candidate's
            start = self._model.rescaled(replace(start, texture=best.texture[:1].expand(len(proposals), -1)))
        first = fit_coordinates(self._model, start, iterations=FIRST_ITERATIONS, contacts=self._contacts)
        pool = Pool(fit=first, origin=proposals.origin, freedom=self._freedom(proposals))
        pool = pool.select(torch.argsort(first.score)[: max(round(SURVIVORS * len(pool)), 1)])
        fit = fit_coordinates(self._model, pool.fit.parameters, iterations=MORE_ITERATIONS, contacts=self._contacts)
        return replace(pool, fit=fit)

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
        fit = fit_coordinates(self._model, parameters, iterations=6, contacts=self._contacts)
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
