"""Put a case's question to the product's own loop."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.cases import Case

if TYPE_CHECKING:
    from pxrdgen.values.solution import Solution
    from pxrdgen_solver.loop.components import Components
    from pxrdgen_solver.question.question import Question

#: a case is given up, as a miss, after this many budgets plus this many seconds; a guard against what hangs, far from
#: what any case has taken.
_PATIENCE = (8.0, 240.0)


def solved(case: Case, spec: PipelineSpec) -> Solution:
    """The answer to the case's question, told no more than the case tells.

    Raises:
        KeyboardInterrupt: the search was interrupted, so the answer says nothing about the solver.
    """
    solution = solve(case.told.of(case.question()), spec)
    if solution.interrupted:
        raise KeyboardInterrupt
    return solution


def solve(question: Question, spec: PipelineSpec) -> Solution:
    """The product's own loop; a busy machine must not change what is found, so processor time counts."""
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen_solver.loop.solve_question import solve_question

    components = built_components(spec.model_dump_json())
    return solve_question(question, spec, default_registry(), clock=time.process_time, components=components)


def case_patience(budget_s: float | None) -> float:
    """Seconds after which a case with this budget is given up."""
    return _PATIENCE[0] * (budget_s or 20.0) + _PATIENCE[1]


def random_arrangement(case: Case) -> Crystal:
    """The control: the right atoms anywhere in the true cell, nothing fitted; seeded by the case's id."""
    rng = np.random.default_rng(list(case.id.encode()))
    return replace(case.truth, frac_coords=rng.random((len(case.truth), 3)), u_iso=None)


@lru_cache(maxsize=1)
def built_components(spec: str) -> Components:
    """Built once in a worker: weights are read from disk once, not for every crystal."""
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen_solver.loop.components import build_components

    return build_components(PipelineSpec.model_validate_json(spec), default_registry())
