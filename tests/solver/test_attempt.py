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
from pxrdgen.specs.component import ComponentSpec
from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.instrument import LABORATORY
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.solution import Solution, Verdict
from pxrdgen_crystallography.symmetry.similar import same_structure
from pxrdgen_solver.answer.finalists import Finalist, worth_refining
from pxrdgen_solver.loop.solve_question import solve_question
from pxrdgen_solver.question.question import Question
from pxrdgen_solver.search.budget import Stretch
from pxrdgen_solver.search.search import Search

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
    spec = PipelineSpec(
        generators=(ComponentSpec(plugin="direct_space"),),
        budget_s=60.0,
        candidates=8,
        stop_when_solved=stop_when_solved,
        processes=1,
    )
    question = Question(pattern=pattern, composition=composition, cell=crystal.cell, z=z)
    return solve_question(question, spec, default_registry(), clock=lambda: float(next(ticks)))


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

    problem: Any = SimpleNamespace(space_group=None)
    generators = {"direct_space": default_registry().build(ComponentKind.GENERATOR, "direct_space")}
    search = Search(
        problem, target_of("quartz"), generators, candidates=6, rng=torch.Generator().manual_seed(1), clock=lambda: 0.0
    )
    search.run(Stretch(rounds=1))
    first = search.found
    assert first is not None
    assert first.rounds == 1
    assert not search.over
    search.run(Stretch(rounds=5))
    rest = search.found
    assert rest is not None
    assert 1 < rest.rounds <= 5
    assert rest.best_score <= first.best_score
    search.run(Stretch(rounds=5))
    assert search.rounds == rest.rounds


def test_structures_that_cannot_win_are_not_refined(known: dict[str, Crystal]) -> None:
    def finalist(misfit: float) -> Finalist:
        return Finalist(crystal=known["salt"], symmetry=None, free=0, misfit=misfit, criterion=misfit, origin="test")

    near, far = finalist(0.05), finalist(0.3)
    assert worth_refining([near, far, far, finalist(0.12), far]) == [near, far, finalist(0.12)]
    assert worth_refining([near]) == [near]
    assert worth_refining([]) == []
    assert worth_refining([replace(near, misfit=1e-5), far, finalist(0.07)])[-1].misfit == 0.07


def test_two_processes_and_one_give_the_same_answer_for_counted_rounds(
    noisy_quartz: PowderPattern, known: dict[str, Crystal]
) -> None:
    composition, z = Composition.from_species(known["quartz"].species).reduced()
    question = Question(pattern=noisy_quartz, composition=composition, cell=known["quartz"].cell, z=z)
    spec = PipelineSpec(
        generators=(ComponentSpec(plugin="wyckoff"), ComponentSpec(plugin="direct_space")),
        rounds=4,
        searches=2,
        candidates=6,
    )
    one, two = (
        solve_question(question, spec.model_copy(update={"processes": count}), default_registry()) for count in (1, 2)
    )
    assert [candidate.origin for candidate in one.candidates] == [candidate.origin for candidate in two.candidates]
    for first, second in zip(one.candidates, two.candidates, strict=True):
        assert np.array_equal(first.crystal.frac_coords, second.crystal.frac_coords)
        assert first.refinement.r_wp == second.refinement.r_wp
    assert one.provenance["rounds"] == two.provenance["rounds"]
