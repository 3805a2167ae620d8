"""Several searches of one problem from different seeds, as one process runs them, and what they found joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from pxrdgen.interfaces.structure_generator import StructureGenerator
from pxrdgen.values.candidates import GroupTrial
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.problem import StructureProblem
from pxrdgen_solver.search.budget import Budget, Stretch
from pxrdgen_solver.search.pool import Pool, joined
from pxrdgen_solver.search.search import PERFECT, OnRound, Search

#: seeds of searches lie this far apart.
SEED_STEP = 7919


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is searched, how, and from which seeds.

    Args:
        candidates: kept by each generator's population, and in the end.
        looks: whether the budget is searched in parts with a look after each.
        places: which of the searches (0 first) are meant; a place decides the seed.
    """

    problem: StructureProblem
    target: IntensityTarget
    generators: Mapping[str, StructureGenerator]
    candidates: int
    budget: Budget
    looks: bool
    seed: int
    places: tuple[int, ...] = (0,)

    def stretches(self) -> tuple[Stretch, ...]:
        """The parts of the budget."""
        return self.budget.stretches(looks=self.looks)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one search has come to.

    Args:
        place: of the search.
        pool: its best; ``None`` before it has any.
        trials: of space groups.
        failures: a sentence on each generator that was dropped.
        over: whether there is nothing more to look for.
    """

    place: int
    pool: Pool | None
    trials: tuple[GroupTrial, ...] = ()
    failures: tuple[str, ...] = ()
    over: bool = False


class Searches:
    """The searches of a task, one after the other in each stretch."""

    def __init__(self, task: Task) -> None:
        self._searches = {
            place: Search(
                task.problem,
                task.target,
                task.generators,
                candidates=task.candidates,
                rng=torch.Generator().manual_seed(task.seed + SEED_STEP * place),
                clock=task.budget.clock,
            )
            for place in task.places
        }

    def run(self, stretch: Stretch, on_round: OnRound | None = None, stop: Callable[[], bool] | None = None) -> None:
        """Each search to the end of the stretch.

        Raises:
            SymmetryError, BrokenPluginError: as :meth:`Search.run`.
        """
        for search in self._searches.values():
            search.run(stretch, on_round, stop)

    @property
    def seconds(self) -> float:
        """Searched by the one that searched longest."""
        return max(search.seconds for search in self._searches.values())

    def found(self) -> list[Found]:
        """What each has come to."""
        return [
            Found(
                place=place,
                pool=search.found,
                trials=search.trials(),
                failures=search.failures,
                over=search.over,
            )
            for place, search in self._searches.items()
        ]


@dataclass(frozen=True, kw_only=True)
class Joined:
    """What several searches found together.

    Args:
        pool: the best of all, with the rounds of all; ``None`` when nobody found anything.
        trials: of space groups, the best fit first.
        failures: a sentence on each generator that was dropped.
        over: whether there is nothing more to look for: one left nothing to explain, or all came to rest.
    """

    pool: Pool | None
    trials: tuple[GroupTrial, ...]
    failures: tuple[str, ...]
    over: bool


def join(found: Sequence[Found], keep: int, groups: int) -> Joined:
    """One population of ``keep`` and one record of the space groups, whatever the order of the searches."""
    found = sorted(found, key=lambda entry: entry.place)
    pools = [entry.pool for entry in found if entry.pool is not None]
    pool = pools[0] if pools else None
    if len(pools) > 1:
        pool = replace(joined(pools).best_of_each(keep, groups), rounds=sum(each.rounds for each in pools))
    return Joined(
        pool=pool,
        trials=_join_trials([trial for entry in found for trial in entry.trials]),
        failures=tuple(dict.fromkeys(failure for entry in found for failure in entry.failures)),
        over=all(entry.over for entry in found) or (pool is not None and pool.best_score < PERFECT),
    )


def _join_trials(trials: Sequence[GroupTrial]) -> tuple[GroupTrial, ...]:
    found: dict[tuple[int, str, float], GroupTrial] = {}
    for trial in trials:
        key = (trial.space_group_number, trial.space_group_symbol, trial.probability)
        known = found.get(key)
        if known is None:
            found[key] = trial
            continue
        best = min(known, trial, key=lambda one: one.best_score)
        found[key] = replace(
            best, starts=known.starts + trial.starts, assignments=max(known.assignments, trial.assignments)
        )
    return tuple(sorted(found.values(), key=lambda trial: (trial.best_score, -trial.probability)))
