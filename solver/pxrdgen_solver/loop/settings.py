"""What the solve loop is made of and how much it tries."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pxrdgen.interfaces.refiner import Refiner
from pxrdgen.interfaces.structure_generator import StructureGenerator

#: rounds of the search when the spec sets no budget and nothing stops it before.
DEFAULT_ROUNDS = 400

#: called with the stage, how much of it is done (0-1) and the best score so far (``None`` before there is one).
Progress = Callable[[str, float, float | None], None]


@dataclass(frozen=True, kw_only=True)
class Components:
    """What the loop is made of, built from a spec."""

    generators: Mapping[str, StructureGenerator]
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
        stop_when_solved: whether the search of an alternative ends early once its answer is called solved.
    """

    candidates: int = 20
    refine_best: int = 5
    budget_s: float | None = None
    rounds: int = DEFAULT_ROUNDS
    seed: int = 0
    clock: Callable[[], float] = time.monotonic
    processes: int = 1
    stop_when_solved: bool = True
