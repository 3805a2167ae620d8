"""The search: small structures are found from a clean pattern, limits hold, and an interrupt loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from pxrdgen.errors import BrokenPluginError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.structure_generator import GeneratorAbilities, StructureGenerator
from pxrdgen.plugins.registry import default_registry
from pxrdgen.values.candidates import CandidateBatch
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.structure_fit.coordinate_fit import CoordinateFit
from pxrdgen_crystallography.structure_fit.grouped_model import GroupedParameters
from pxrdgen_crystallography.symmetry.similar import same_structure
from pxrdgen_solver.search.budget import Stretch
from pxrdgen_solver.search.fitting import CandidateFitter
from pxrdgen_solver.search.pool import Pool, joined
from pxrdgen_solver.search.population import Population
from pxrdgen_solver.search.search import Search

TargetOf = Callable[[str], IntensityTarget]
ANY_PROBLEM: Any = SimpleNamespace(space_group=None)  # direct space looks at nothing else of it


def direct_space() -> dict[str, StructureGenerator]:
    return {"direct_space": default_registry().build(ComponentKind.GENERATOR, "direct_space")}


def search(target: IntensityTarget, candidates: int, seed: int = 0, **options: Any) -> Search:
    rng = torch.Generator().manual_seed(seed)
    return Search(ANY_PROBLEM, target, direct_space(), candidates=candidates, rng=rng, **options)


def pool_after(searching: Search, rounds: int) -> Pool:
    searching.run(Stretch(rounds=rounds))
    assert searching.found is not None
    return searching.found


def as_crystal(pool: Pool, target: IntensityTarget, row: int = 0) -> Crystal:
    return Crystal(
        species=target.species.numpy(),
        frac_coords=pool.fit.parameters.frac_coords[row].double().numpy(),
        basis=target.basis.double().numpy(),
    )


@pytest.mark.parametrize("name", ["fluorite", "perovskite", "rutile"])
def test_small_structures_are_found_within_a_few_rounds(
    name: str, target_of: TargetOf, known: dict[str, Crystal]
) -> None:
    target = target_of(name)
    pool = pool_after(search(target, 10), 8)
    distance = same_structure(as_crystal(pool, target), known[name])
    assert distance is not None
    assert distance < 0.02
    assert pool.best_score < 0.05


def test_a_seed_gives_the_same_answer_and_scores_are_in_order(target_of: TargetOf) -> None:
    first, again = (pool_after(search(target_of("quartz"), 8, seed=3), 2) for _ in range(2))
    assert torch.equal(first.fit.parameters.frac_coords, again.fit.parameters.frac_coords)
    assert torch.equal(first.fit.score, again.fit.score)
    assert bool((first.fit.score.diff() >= 0).all())
    assert len(first) <= 8


def test_the_best_score_never_gets_worse_from_round_to_round(target_of: TargetOf) -> None:
    rounds: list[tuple[int, float]] = []
    search(target_of("quartz"), 6).run(Stretch(rounds=5), lambda n, score: rounds.append((n, score)))
    assert [number for number, _ in rounds] == list(range(1, len(rounds) + 1))
    assert len(rounds) <= 5
    scores = [score for _, score in rounds]
    assert scores == sorted(scores, reverse=True)


def test_an_interrupt_keeps_the_best_so_far(target_of: TargetOf) -> None:
    def interrupt(number: int, score: float) -> None:
        if number == 1:
            raise KeyboardInterrupt

    running = search(target_of("quartz"), 6)
    assert running.found is None
    with pytest.raises(KeyboardInterrupt):
        running.run(Stretch(rounds=50), interrupt)
    assert running.found is not None
    assert running.found.rounds == 1
    assert 0 < len(running.found) <= 6


def test_time_is_kept(target_of: TargetOf) -> None:
    ticks = count()  # read once at the start and after each round
    running = search(target_of("lopsided"), 4, clock=lambda: float(next(ticks)))
    running.run(Stretch(rounds=10_000, seconds=2.5))
    assert running.rounds == 3


class Stubborn(StructureGenerator):
    """Proposes one arrangement over and over."""

    def generate(self, problem: Any, target: IntensityTarget, count: int, rng: torch.Generator) -> CandidateBatch:
        del problem, target, rng
        coords = torch.tensor([[0.0, 0, 0], [0.5, 0.5, 0.5]]).expand(count, -1, -1)
        return CandidateBatch(frac_coords=coords, origin=("stubborn",) * count)


def test_a_strangers_generator_is_named_and_equal_candidates_count_once(target_of: TargetOf) -> None:
    target = target_of("salt")
    generators = {"mine": Stubborn()}
    pool = pool_after(Search(ANY_PROBLEM, target, generators, candidates=5, rng=torch.Generator()), 2)
    assert len(pool) == 1
    assert pool.origin == ("mine",)
    assert int(pool.freedom[0]) == 3


class Dear(Stubborn):
    """The same, but counts how often it was asked."""

    abilities = GeneratorAbilities(costly=True)

    def __init__(self) -> None:
        self.asked = 0

    def generate(self, problem: Any, target: IntensityTarget, count: int, rng: torch.Generator) -> CandidateBatch:
        self.asked += 1
        return super().generate(problem, target, count, rng)


class Failing(Stubborn):
    """Answers what cannot be used."""

    def __init__(self, answer: Callable[[int], Any]) -> None:
        self._answer = answer

    def generate(self, problem: Any, target: IntensityTarget, count: int, rng: torch.Generator) -> CandidateBatch:
        del problem, target, rng
        batch: CandidateBatch = self._answer(count)
        return batch


def raising(count: int) -> CandidateBatch:
    raise ZeroDivisionError(f"{count} / 0")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (raising, "ZeroDivisionError"),
        (lambda count: CandidateBatch(frac_coords=torch.full((count, 2, 3), torch.nan), origin=()), "not finite"),
        (lambda count: CandidateBatch(frac_coords=torch.zeros(count, 5, 3), origin=()), "shape"),
        (lambda _: None, "NoneType"),
    ],
    ids=["raises", "nan", "shape", "none"],
)
def test_a_generator_that_fails_is_dropped_by_name_and_the_rest_goes_on(
    answer: Callable[[int], Any], said: str, target_of: TargetOf
) -> None:
    target = target_of("salt")
    generators = {"theirs": Failing(answer), "mine": Stubborn()}
    searching = Search(ANY_PROBLEM, target, generators, candidates=5, rng=torch.Generator())
    assert set(pool_after(searching, 2).origin) == {"mine"}
    (failure,) = searching.failures
    assert "'theirs' was dropped" in failure
    assert said in failure
    alone = Search(ANY_PROBLEM, target, {"theirs": Failing(answer)}, candidates=5, rng=torch.Generator())
    with pytest.raises(BrokenPluginError, match="theirs"):
        alone.run(Stretch(rounds=1))


class Silent(Stubborn):
    """Has nothing to propose."""

    def generate(self, problem: Any, target: IntensityTarget, count: int, rng: torch.Generator) -> CandidateBatch:
        return super().generate(problem, target, 0 * count, rng)


@pytest.mark.parametrize(
    ("other", "costly", "asked"), [(Stubborn(), False, False), (Stubborn(), True, True), (Silent(), False, True)]
)
def test_dear_proposals_wait_while_others_have_some(
    other: StructureGenerator, costly: bool, asked: bool, target_of: TargetOf
) -> None:
    dear = Dear()
    generators = {"other": other, "dear": dear}
    searching = Search(ANY_PROBLEM, target_of("salt"), generators, candidates=20, rng=torch.Generator())
    searching.run(Stretch(rounds=1, costly=costly))
    assert (dear.asked > 0) is asked


class ForLargeCells(Dear):
    """Is not meant for cells of two atoms."""

    abilities = GeneratorAbilities(least_atoms=3)


def test_generators_for_large_cells_are_asked_in_small_ones_only_where_there_is_no_other(target_of: TargetOf) -> None:
    idle, alone = ForLargeCells(), ForLargeCells()
    for generators in ({"other": Stubborn(), "large": idle}, {"large": alone}):
        searching = Search(ANY_PROBLEM, target_of("salt"), generators, candidates=4, rng=torch.Generator())
        searching.run(Stretch(rounds=1))
    assert idle.asked == 0
    assert alone.asked == 1


def pool_of(scores: list[float], freedom: list[int]) -> Pool:
    count = len(scores)
    parameters = GroupedParameters(
        frac_coords=torch.zeros(count, 2, 3), log_scale=torch.zeros(count), u_iso=torch.full((count, 1), 0.01)
    )
    score = torch.tensor(scores)
    fit = CoordinateFit(parameters=parameters, misfit=score, score=score)
    return Pool(fit=fit, origin=tuple(map(str, range(count))), freedom=torch.tensor(freedom))


def test_a_pool_keeps_the_best_fits_and_the_simplest_explanations() -> None:
    pool = pool_of([0.10, 0.11, 0.12, 0.13, 0.30, 0.20], [30, 30, 30, 30, 1, 2])
    kept = pool.best(4, groups=40)
    assert kept.origin == ("0", "1", "5", "4")
    assert pool.best(10, groups=40).origin == ("0", "1", "2", "3", "5", "4")


def test_no_generator_crowds_another_out_of_the_pool() -> None:
    pool = pool_of([0.10, 0.11, 0.12, 0.13, 0.30, 0.20], [30, 30, 30, 30, 1, 2])
    pool = replace(pool, origin=("wyckoff",) * 4 + ("direct_space",) * 2)
    kept = pool.best_of_each(4, groups=40)
    assert kept.origin == ("wyckoff", "wyckoff", "direct_space", "direct_space")
    assert kept.fit.score.tolist() == pytest.approx([0.10, 0.11, 0.20, 0.30])


def test_a_texture_is_handed_to_newcomers_and_children_of_its_own_population_alone(target_of: TargetOf) -> None:
    target = target_of("salt")
    seen: list[Tensor | None] = []

    class Watched(CandidateFitter):
        def fit(self, proposals: CandidateBatch, texture: Tensor | None = None) -> Pool:
            seen.append(texture)
            return super().fit(proposals, texture)

        def with_texture(self, pool: Pool) -> Pool:
            factors = torch.full((len(pool), target.hkl.shape[0]), 1.3)
            return replace(pool, fit=replace(pool.fit, parameters=replace(pool.fit.parameters, texture=factors)))

    def population(fitter: CandidateFitter) -> Population:
        generator = direct_space()["direct_space"]
        return Population(
            name="direct_space", problem=ANY_PROBLEM, target=target, generator=generator, fitter=fitter, size=4
        )

    textured, plain = population(Watched(target)), population(CandidateFitter(target))
    rng = torch.Generator().manual_seed(0)
    for round_number in range(2):
        assert textured.advance(round_number, rng)
        assert plain.advance(round_number, rng)
    assert seen[0] is None
    assert seen[1] is not None
    assert seen[1].eq(1.3).all()
    assert plain.pool is not None
    assert plain.pool.fit.parameters.texture is None


def test_twins_in_score_count_once_and_joining_keeps_all() -> None:
    pool = pool_of([0.2, 0.2, 0.1], [3, 3, 3])
    assert pool.best(3, groups=20).origin == ("2", "0")
    both = joined([pool, pool_of([0.05], [3])])
    assert len(both) == 4
    assert both.best(1, groups=20).best_score == pytest.approx(0.05)


def test_a_textured_and_a_plain_pool_join() -> None:
    plain, textured = pool_of([0.2], [3]), pool_of([0.1], [3])
    factors: Tensor = torch.full((1, 7), 1.3)
    fit = replace(textured.fit, parameters=replace(textured.fit.parameters, texture=factors))
    both = joined([plain, replace(textured, fit=fit)]).fit.parameters.texture
    assert both is not None
    assert both.tolist() == [[1.0] * 7, pytest.approx([1.3] * 7)]
