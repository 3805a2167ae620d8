"""How much the solve loop tries."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen_solver.search.budget import MOST_ROUNDS, Budget
from pxrdgen_solver.search.islands import default_processes

#: seconds of searching when the spec sets no budget.
DEFAULT_SECONDS = 20.0
#: searches whose finds are joined, where rounds are counted: their number must not follow from the machine.
COUNTED_SEARCHES = 2


@dataclass(frozen=True, kw_only=True)
class SolveSettings:
    """How much is tried.

    Args:
        candidates: kept in the population.
        refine_best: refined on the whole profile.
        budget: of the search over all alternatives; counted rounds are of each search of each alternative.
        seed: of all randomness.
        searches: independent searches of one alternative, from seeds of their own.
        processes: that search at the same time, this one included.
        stop_when_solved: whether the search of an alternative ends early once its answer is called solved.
    """

    candidates: int = 20
    refine_best: int = 5
    budget: Budget = field(default_factory=lambda: Budget(seconds=DEFAULT_SECONDS))
    seed: int = 0
    searches: int = 1
    processes: int = 1
    stop_when_solved: bool = True

    @classmethod
    def of(cls, spec: PipelineSpec, clock: Callable[[], float] = time.monotonic) -> SolveSettings:
        """What a spec asks for.

        A clock of this process's own time lets one process search: what others spend it cannot see.
        """
        counted = spec.rounds is not None
        budget = Budget(
            seconds=None if counted else spec.budget_s or DEFAULT_SECONDS,
            rounds=spec.rounds or MOST_ROUNDS,
            clock=clock,
        )
        processes = spec.processes or default_processes()
        if clock is time.process_time and not counted:
            processes = 1
        searches = spec.searches or (COUNTED_SEARCHES if counted else processes)
        return cls(
            candidates=spec.candidates,
            refine_best=spec.refine_best,
            budget=budget,
            seed=spec.seed,
            searches=searches,
            processes=min(processes, searches),
            stop_when_solved=spec.stop_when_solved,
        )

    def places(self) -> tuple[tuple[int, ...], ...]:
        """Which searches each process runs, this one first."""
        return tuple(tuple(range(first, self.searches, self.processes)) for first in range(self.processes))
