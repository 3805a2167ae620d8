"""Ranking weighs fit against freedom; the verdict says what speaks against an answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.refinement import ProfileCurves, RefinementResult
from pxrdgen.values.solution import Evidence, Verdict
from pxrdgen_crystallography.decomposition.decompose import Decomposition
from pxrdgen_crystallography.oxidation_numbers import valences_of
from pxrdgen_crystallography.structure_fit.coordinate_fit import CoordinateFit
from pxrdgen_crystallography.structure_fit.grouped_model import GroupedModel
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry
from pxrdgen_solver.answer.finalists import Finalist, Symmetriser, distinct, freedom_of, higher_symmetries
from pxrdgen_solver.answer.ranking import Information, Ranked, points_in_peaks, ranked, without_twins
from pxrdgen_solver.answer.verdict import evidence_for, judge, misfit_share
from pxrdgen_solver.search.pool import Pool

DecomposedOf = Callable[[str], Decomposition]
FloatArray = NDArray[np.float64]


#: 500 points of lines that hold 60 intensities.
SAID = Information(points=500, intensities=60)


def finalist(crystal: Crystal, free: int = 3) -> Finalist:
    return Finalist(crystal=crystal, symmetry=None, free=free, misfit=0.1, criterion=0.0, origin="test")


def refined(crystal: Crystal, r: float, gof: float = 1.0) -> RefinementResult:
    return RefinementResult(crystal=crystal, r_wp=r, r_p=r, r_exp=r / gof, gof=gof, r_wp_without_background=r)


def failed(crystal: Crystal) -> RefinementResult:
    return RefinementResult(crystal=crystal, r_wp=math.inf, r_p=math.inf, r_exp=math.inf, gof=math.inf, converged=False)


def test_the_better_fit_comes_first_and_failures_last(known: dict[str, Crystal]) -> None:
    crystal = known["rutile"]
    results = [refined(crystal, 0.2), failed(crystal), refined(crystal, 0.05), refined(crystal, 0.1)]
    ranking = ranked([finalist(crystal)] * 4, results, SAID)
    assert [entry.refinement.r_wp for entry in ranking] == [0.05, 0.1, 0.2, math.inf]
    assert ranking[-1].score == math.inf


def test_of_equal_fits_the_one_with_less_freedom_wins(known: dict[str, Crystal]) -> None:
    crystal = known["rutile"]
    ranking = ranked([finalist(crystal, 15), finalist(crystal, 1)], [refined(crystal, 0.1)] * 2, SAID)
    assert [entry.finalist.free for entry in ranking] == [1, 15]
    assert ranking[1].score - ranking[0].score == pytest.approx(14 * math.log(60))


def test_freedom_is_worth_its_price_only_where_it_buys_fit(known: dict[str, Crystal]) -> None:
    crystal = known["rutile"]
    pair = [finalist(crystal, 15), finalist(crystal, 1)]
    hardly = ranked(pair, [refined(crystal, 0.099), refined(crystal, 0.1)], SAID)
    clearly = ranked(pair, [refined(crystal, 0.05), refined(crystal, 0.1, 2.0)], SAID)
    assert (hardly[0].finalist.free, clearly[0].finalist.free) == (1, 15)


def test_overlapping_atoms_cost_rank(known: dict[str, Crystal]) -> None:
    good = known["salt"]
    clash = replace(good, frac_coords=np.array([[0.0, 0, 0], [0.15, 0.15, 0.15]]))
    ranking = ranked([finalist(clash), finalist(good)], [refined(clash, 0.05), refined(good, 0.08, 1.6)], SAID)
    assert ranking[0].refinement.crystal is good


def test_a_structure_that_fits_far_better_wins_in_spite_of_an_unusual_contact(known: dict[str, Crystal]) -> None:
    far = known["salt"]
    near = replace(far, basis=0.85 * far.basis)
    pair = [finalist(near), finalist(far)]
    far_better = ranked(pair, [refined(near, 0.01), refined(far, 0.03, 3.0)], SAID)
    hardly_better = ranked(pair, [refined(near, 0.029), refined(far, 0.03, 1.03)], SAID)
    assert far_better[0].refinement.crystal is near
    assert hardly_better[0].refinement.crystal is far


def test_what_noise_explains_tells_structures_apart_no_more(known: dict[str, Crystal]) -> None:
    crystal = known["rutile"]
    pair = [finalist(crystal, 1), finalist(crystal, 1)]

    def gap(first: float, second: float) -> float:
        scores = [0.3 * first, 0.3 * second]
        ranking = ranked(pair, [refined(crystal, scores[0], first), refined(crystal, scores[1], second)], SAID)
        return ranking[1].score - ranking[0].score

    # R differs by 5 % both times: near the noise that is all the misfit there is, far above it next to nothing
    assert gap(1.0, 1.05) > 5 * gap(3.0, 3.15)
    assert gap(0.5, 0.525) == pytest.approx(gap(1.0, 1.05), rel=1e-2)  # noise put down twice too large


def test_a_free_description_must_fit_better_than_the_symmetric_one_by_more_than_its_parameters(
    known: dict[str, Crystal],
) -> None:
    crystal = known["rutile"]
    symmetric, free = finalist(crystal, 10), finalist(crystal, 30)

    def first(gof: float) -> int:
        fits = [refined(crystal, 0.3 * gof, gof), refined(crystal, 0.3 * 1.02, 1.02)]
        return ranked([symmetric, free], fits, SAID)[0].finalist.free

    assert (first(1.04), first(1.4)) == (10, 30)


def test_chemistry_decides_where_the_pattern_does_not(known: dict[str, Crystal]) -> None:
    crystal = known["rutile"]
    plain, suited = finalist(crystal), replace(finalist(crystal), prior=-6.0)

    def first(r: float) -> float:
        return ranked([plain, suited], [refined(crystal, 0.05), refined(crystal, r, r / 0.05)], SAID)[0].finalist.prior

    assert (first(0.0501), first(0.06)) == (-6.0, 0.0)


def test_one_structure_keeps_one_place(known: dict[str, Crystal]) -> None:
    crystal, other = known["perovskite"], known["rutile"]
    shifted = replace(crystal, frac_coords=crystal.frac_coords + 0.25)
    entries = [
        Ranked(finalist=finalist(crystal), refinement=refined(crystal, 0.05), score=-900.0),
        Ranked(finalist=finalist(shifted), refinement=refined(shifted, 0.05), score=-890.0),
        Ranked(finalist=finalist(other), refinement=refined(other, 0.2), score=-300.0),
        Ranked(finalist=finalist(other), refinement=failed(other), score=math.inf),
    ]
    assert [entry.score for entry in without_twins(entries)] == [-900.0, -300.0, math.inf]
    assert len(distinct([entry.finalist for entry in entries], 5)) == 2


def test_points_in_peaks_are_a_part_of_the_pattern(decomposed: DecomposedOf) -> None:
    found = decomposed("rutile")
    points = points_in_peaks(found)
    assert 3 * len(found.lines) < points < found.grid.size
    assert points_in_peaks(decomposed("lopsided")) > points  # more lines


def test_twins_go_on_in_their_most_symmetric_description_too(known: dict[str, Crystal]) -> None:
    crystal, other = known["perovskite"], known["rutile"]
    entries = [finalist(crystal, 12), finalist(crystal, 3), finalist(other, 5), finalist(other, 9)]
    assert [entry.free for entry in distinct(entries, 2)] == [12, 5, 3]
    assert [entry.free for entry in distinct(entries, 1)] == [12, 3]


def test_the_true_symmetry_is_climbed_to(
    target_of: Callable[[str], IntensityTarget], known: dict[str, Crystal]
) -> None:
    crystal, target = known["rutile"], target_of("rutile")
    model = GroupedModel(target)
    moves = 0.004 * torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(1))
    start = model.start(torch.as_tensor(crystal.frac_coords, dtype=torch.float32) + moves)
    misfit = model.misfit(start)
    fit = CoordinateFit(parameters=start, misfit=misfit, score=misfit)
    pool = Pool(fit=fit, origin=("test",), freedom=torch.tensor([15]))
    best = Symmetriser(target).finalists(pool)[0]
    assert best.symmetry is not None
    assert best.symmetry.number == 136
    assert best.free == 1
    assert best.start().crystal is best.crystal


def test_higher_symmetries_leave_less_freedom(known: dict[str, Crystal]) -> None:
    crystal = known["rutile"]
    assert freedom_of(find_symmetry(crystal)) == 1
    nearly = replace(crystal, frac_coords=crystal.frac_coords + 1e-3 * np.random.default_rng(0).normal(size=(6, 3)))
    found = higher_symmetries(finalist(nearly, free=15), nearly)
    assert found
    assert {entry.symmetry.number for entry in found if entry.symmetry is not None} >= {136}
    assert all(entry.free < 15 for entry in found)
    assert higher_symmetries(finalist(crystal, free=1), crystal) == []


GOOD = Evidence(gof=1.1, excess=1.01, gap=200.0, shortest_contact=0.95, unexplained=0.001, misfit=0.01, freedom=0.1)


def test_coordinates_are_counted_against_the_lines_that_stand_out(
    decomposed: DecomposedOf, known: dict[str, Crystal]
) -> None:
    whole, crystal = decomposed("rutile"), known["rutile"]
    answer = Ranked(finalist=finalist(crystal, free=3), refinement=refined(crystal, 0.02), score=-100.0)
    weakest = np.sort(whole.intensity)[-4]
    noisy = replace(whole, intensity_su=np.where(whole.intensity < weakest, 1.0, 1e-3) * whole.intensity)
    found = [evidence_for([answer], each, whole.calculated) for each in (whole, noisy)]
    assert found[1] is not None
    assert found[1].freedom == pytest.approx(3 / 4)
    assert found[0] is not None
    assert found[0].freedom < 3 / 8


def test_bond_valences_that_do_not_add_up_are_no_solution_and_said() -> None:
    verdict, reasons = judge(replace(GOOD, oddness=1.8))
    assert verdict is Verdict.PROBABLE
    assert any("bond valences" in reason for reason in reasons)


def test_of_two_fits_alike_the_one_with_usual_bonds_wins(known: dict[str, Crystal]) -> None:
    crystal = known["rutile"]
    valences = valences_of(crystal.species)
    coords = crystal.frac_coords.copy()
    coords[crystal.species == 8] *= 1.12
    odd = replace(crystal, frac_coords=coords)
    pair = [replace(finalist(each), valence=valences) for each in (odd, crystal)]
    ranking = ranked(pair, [refined(odd, 0.1), refined(crystal, 0.101)], SAID)
    assert ranking[0].finalist is pair[1]
    silent = ranked([finalist(odd), finalist(crystal)], [refined(odd, 0.1), refined(crystal, 0.2, 2.0)], SAID)
    assert silent[0].refinement.crystal is odd


def test_a_good_answer_is_solved_and_says_why() -> None:
    verdict, reasons = judge(GOOD)
    assert verdict is Verdict.SOLVED
    assert len(reasons) == 1
    assert "1.01" in reasons[0]


@pytest.mark.parametrize(
    ("change", "half", "word"),
    [
        ({"excess": 5.0}, {"excess": 1.3}, "free intensities"),
        ({"misfit": 0.5}, {"misfit": 0.1}, "left over"),
        ({"freedom": 2.0}, {"freedom": 0.6}, "free coordinates"),
        ({"gap": -1.0}, {"gap": 4.0}, "next structure"),
        ({"shortest_contact": 0.3}, {"shortest_contact": 0.6}, "contact"),
        ({"unexplained": 0.4}, {"unexplained": 0.08}, "reflection"),
    ],
)
def test_each_piece_of_evidence_can_spoil_the_verdict(
    change: dict[str, float], half: dict[str, float], word: str
) -> None:
    for changes, expected in ((change, Verdict.NOT_SOLVED), (half, Verdict.PROBABLE)):
        verdict, reasons = judge(replace(GOOD, **changes))
        assert verdict is expected
        assert len(reasons) == 1
        assert word in reasons[0]


def test_nothing_refined_is_not_solved() -> None:
    assert judge(None)[0] is Verdict.NOT_SOLVED


def test_two_doubts_do_not_cancel() -> None:
    verdict, reasons = judge(replace(GOOD, excess=5.0, gap=4.0))
    assert verdict is Verdict.NOT_SOLVED
    assert len(reasons) == 2


def test_the_evidence_names_the_next_different_structure(known: dict[str, Crystal], decomposed: DecomposedOf) -> None:
    found, crystal = decomposed("rutile"), known["rutile"]
    observed = found.calculated
    first = Ranked(finalist=finalist(crystal), refinement=refined(crystal, 2 * found.r_wp), score=-900.0)
    second = replace(first, score=-700.0)
    evidence = evidence_for([first, second], found, observed)
    assert evidence is not None
    assert evidence.gap == pytest.approx(200.0)
    assert evidence.excess == pytest.approx(2.0, rel=1e-3)
    assert 0.8 < evidence.shortest_contact < 1.2
    alone = evidence_for([first], found, observed)
    assert alone is not None
    assert alone.gap == math.inf
    assert evidence_for([], found, observed) is None
    assert evidence_for([replace(first, score=math.inf)], found, observed) is None


def curves_of(found: Decomposition, observed: FloatArray) -> ProfileCurves:
    return ProfileCurves(
        two_theta=found.grid,
        observed=observed,
        calculated=found.calculated,
        background=found.background,
        sigma=np.sqrt(found.calculated),
        ticks=found.two_theta,
    )


def test_a_foreign_peak_is_left_over_and_noise_is_not(decomposed: DecomposedOf) -> None:
    found = decomposed("fluorite")
    noise = np.random.default_rng(1).normal(size=found.grid.size) * np.sqrt(found.calculated)
    assert misfit_share(curves_of(found, found.calculated), found) == 0.0
    assert misfit_share(curves_of(found, found.calculated + noise), found) < 0.01
    angle = 0.5 * (found.two_theta[1] + found.two_theta[2])
    foreign = 0.3 * found.calculated.max() * np.exp(-0.5 * ((found.grid - angle) / 0.08) ** 2)
    assert misfit_share(curves_of(found, found.calculated + foreign), found) > 0.05
    assert misfit_share(curves_of(found, found.calculated - foreign), found) > 0.05


def test_errors_of_the_peak_shape_weigh_less_than_errors_of_intensity(decomposed: DecomposedOf) -> None:
    found = decomposed("fluorite")
    net = found.calculated - found.background
    shape = found.background + 0.5 * (np.roll(net, 1) + np.roll(net, -1))  # a little wider, same areas
    assert misfit_share(curves_of(found, shape), found) < misfit_share(
        curves_of(found, found.calculated + 0.1 * net), found
    )
