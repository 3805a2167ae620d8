"""One alternative in the solve loop: a search with its answer ends early, and hopeless structures are not refined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pxrdgen.plugins.registry import default_registry
from pxrdgen.specs.pipeline import ComponentSpec, PipelineSpec
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.instrument import LABORATORY
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.solution import Solution, Verdict
from pxrdgen_app.door.solve import build_components
from pxrdgen_crystallography.preparation import prepare
from pxrdgen_crystallography.symmetry.similar import same_structure
from pxrdgen_solver.answer.finalists import Finalist, worth_refining
from pxrdgen_solver.loop.pipeline import solve_problems
from pxrdgen_solver.loop.settings import SolveSettings
from pxrdgen_solver.question.problem import build_problem
from pxrdgen_solver.search.search import Search, SearchSettings

ProfileOf = Callable[..., NDArray[np.float64]]


@pytest.fixture(scope="module")
def noisy_quartz(known: dict[str, Crystal], profile: ProfileOf) -> PowderPattern:
    """Counts: no arrangement fits them so well that nothing is left to explain."""
    grid = np.arange(10.0, 90.0, 0.03)
    expected = 4000.0 * profile(known["quartz"], grid) + 200.0
    counts = np.random.default_rng(2).poisson(expected).astype(float)
    return PowderPattern(two_theta=grid, intensity=counts, instrument=LABORATORY)


def solved(pattern: PowderPattern, crystal: Crystal, *, stop_when_solved: bool) -> Solution:
    """Direct space with a clock that ticks whenever it is read, so that speed does not matter."""
    ticks = count()
    composition, z = Composition.from_species(crystal.species).reduced()
    prepared = prepare(pattern)
    problem = build_problem(prepared.pattern, composition, cell=crystal.cell, z=z)
    spec = PipelineSpec(generators=(ComponentSpec(plugin="direct_space"),))
    settings = SolveSettings(
        budget_s=60.0, clock=lambda: float(next(ticks)), candidates=8, stop_when_solved=stop_when_solved
    )
    return solve_problems([problem], prepared, build_components(spec, default_registry()), settings)


def test_a_search_that_has_its_answer_ends_early(noisy_quartz: PowderPattern, known: dict[str, Crystal]) -> None:
    short, whole = (solved(noisy_quartz, known["quartz"], stop_when_solved=stop) for stop in (True, False))
    assert short.verdict is Verdict.SOLVED
    assert whole.verdict is Verdict.SOLVED
    assert short.provenance["rounds"] < 0.5 * whole.provenance["rounds"]
    # left or right hand: the pattern is the same
    assert same_structure(short.best.crystal, known["quartz"]) is not None


def test_a_search_that_is_called_again_goes_on(target_of: Callable[[str], IntensityTarget]) -> None:
    from types import SimpleNamespace
    from typing import Any

    from pxrdgen.interfaces.kinds import ComponentKind

    ticks = count()
    problem: Any = SimpleNamespace(space_group=None)
    generators = {"direct_space": default_registry().build(ComponentKind.GENERATOR, "direct_space")}
    settings = SearchSettings(candidates=6, rounds=5, seconds=1e6, clock=lambda: float(next(ticks)))
    search = Search(problem, target_of("quartz"), generators, settings, torch.Generator().manual_seed(1))
    first = search.run(seconds=0.0)
    assert first.rounds == 1
    assert not search.over
    rest = search.run()
    assert search.over
    assert rest.rounds <= 5
    assert rest.rounds > 1
    assert rest.best_score <= first.best_score
    assert search.run().rounds == rest.rounds


def test_structures_that_cannot_win_are_not_refined(known: dict[str, Crystal]) -> None:
    def finalist(misfit: float) -> Finalist:
        return Finalist(crystal=known["salt"], symmetry=None, free=0, misfit=misfit, criterion=misfit, origin="test")

    near, far = finalist(0.05), finalist(0.3)
    assert worth_refining([near, far, far, finalist(0.12), far]) == [near, far, finalist(0.12)]
    assert worth_refining([near]) == [near]
    assert worth_refining([]) == []
    assert worth_refining([replace(near, misfit=1e-5), far, finalist(0.07)])[-1].misfit == 0.07
