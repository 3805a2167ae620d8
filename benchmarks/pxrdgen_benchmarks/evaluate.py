"""Solve one case and score the answer. The truth is looked at after the solver is done."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.time_limit import time_limit
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.cases import Case, Column
from pxrdgen_benchmarks.metrics import PUBLISHED, STRICT, match_rms, without_hydrogen
from pxrdgen_benchmarks.row import Row
from pxrdgen_solver.question.question import Question

if TYPE_CHECKING:
    from pxrdgen.values.solution import Solution
    from pxrdgen_solver.loop.components import Components

#: answers a question with the pipeline of a spec.
Solver = Callable[[Question, PipelineSpec], "Solution"]

#: a case is given up, as a miss, after this many budgets plus this many seconds.
_PATIENCE = (8.0, 240.0)


def solve_with_cell(question: Question, spec: PipelineSpec) -> Solution:
    """From pattern, formula, Z and cell."""
    return _solve(question, spec)


def solve_without_cell(question: Question, spec: PipelineSpec) -> Solution:
    """From pattern, formula and Z: the cell is found first."""
    return _solve(replace(question, cell=None), spec)


def solve_from_formula(question: Question, spec: PipelineSpec) -> Solution:
    """From pattern and formula alone."""
    return _solve(replace(question, cell=None, z=None), spec)


def _solve(question: Question, spec: PipelineSpec) -> Solution:
    """The product's own loop; a busy machine must not change what is found, so processor time counts."""
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen_solver.loop.solve_question import solve_question

    components = built_components(spec.model_dump_json())
    return solve_question(question, spec, default_registry(), clock=time.process_time, components=components)


def evaluate(case: Case, spec: PipelineSpec, solver: Solver = solve_with_cell) -> Row:
    """The row of one case; whatever goes wrong is a row without a match.

    Raises:
        KeyboardInterrupt: the search was interrupted, so the answer says nothing about the solver.
    """
    row = Row(
        id=case.id,
        column=case.column,
        bucket=case.bucket,
        num_atoms=len(case.truth),
        space_group_true=case.space_group,
    )
    if case.column == Column.RANDOM:
        return _matches(row, [random_arrangement(case)], case.truth)
    started = time.perf_counter()
    try:
        with time_limit(case_patience(spec.budget_s)):
            question = case.question()
            started = time.perf_counter()
            solution = solver(question, spec)
        if solution.interrupted:
            raise KeyboardInterrupt
        return _scored(replace(row, seconds=_since(started)), solution, case.truth)
    except Exception as error:  # every failure is a row that counts as a miss
        return replace(row, seconds=_since(started), error=f"{type(error).__name__}: {error}"[:500])


def case_patience(budget_s: float | None) -> float:
    """Seconds after which a case with this budget is given up."""
    return _PATIENCE[0] * (budget_s or 20.0) + _PATIENCE[1]


def random_arrangement(case: Case) -> Crystal:
    """The control: the right atoms anywhere in the true cell, nothing fitted; seeded by the case's id."""
    rng = np.random.default_rng(list(case.id.encode()))
    return replace(case.truth, frac_coords=rng.random((len(case.truth), 3)), u_iso=None)


def _scored(row: Row, solution: Solution, truth: Crystal) -> Row:
    row = _matches(row, [candidate.crystal for candidate in solution.candidates], truth)
    rounds = solution.provenance.get("rounds", 0)
    row = replace(row, verdict=str(solution.verdict), rounds=rounds if isinstance(rounds, int) else 0)
    if (evidence := solution.evidence) is not None:
        row = replace(
            row,
            gof=_finite(evidence.gof),
            excess=_finite(evidence.excess),
            gap=_finite(evidence.gap),
            shortest_contact=_finite(evidence.shortest_contact),
            unexplained=_finite(evidence.unexplained),
            misfit=_finite(evidence.misfit),
            freedom=_finite(evidence.freedom),
        )
    if (best := solution.best) is not None:
        row = replace(
            row,
            r_wp=_finite(best.refinement.r_wp),
            r_wp_without_background=_finite(best.refinement.r_wp_without_background),
            origin=best.origin,
            space_group_found=best.space_group_number,
        )
    return row


def _matches(row: Row, answers: list[Crystal], truth: Crystal) -> Row:
    published = [match_rms(answer, truth, PUBLISHED) for answer in answers]
    strict = [match_rms(answer, truth, STRICT) is not None for answer in answers]
    visible = without_hydrogen(truth) if (truth.species == 1).any() else None
    strict_without_h = None
    if visible is not None:
        first = without_hydrogen(answers[0]) if answers else None
        strict_without_h = first is not None and match_rms(first, visible, STRICT) is not None
    return replace(
        row,
        published=bool(published) and published[0] is not None,
        strict=bool(strict) and strict[0],
        any_published=any(rms is not None for rms in published),
        any_strict=any(strict),
        strict_without_h=strict_without_h,
        rms=published[0] if published else None,
        candidates=len(answers),
    )


@lru_cache(maxsize=1)
def built_components(spec: str) -> Components:
    """Built once in a worker: weights are read from disk once, not for every crystal."""
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen_solver.loop.components import build_components

    return build_components(PipelineSpec.model_validate_json(spec), default_registry())


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 2)
