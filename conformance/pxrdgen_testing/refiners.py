"""What a refiner owes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pxrdgen.interfaces.refiner import Refiner
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.refinement import RefinementResult, RefinementStart
from pxrdgen_testing.check import Check, Subject, expect, expect_instance
from pxrdgen_testing.samples import Sample, rutile_sample

#: Rwp (a fraction) below which a noise-free pattern counts as explained.
EXPLAINED = 0.05


def no_starts_give_no_results(subject: Subject) -> None:
    """The empty case."""
    expect(not _refine(subject, rutile_sample(), []), "got results for no starts, expected none")


def it_explains_a_pattern_from_the_true_structure(subject: Subject) -> None:
    """The least a refiner can do."""
    sample = rutile_sample()
    (result,) = _refine(subject, sample, [sample.crystal])
    expect(
        result.r_wp < EXPLAINED,
        f"got Rwp {result.r_wp:.3f} from the true structure of a noise-free pattern, expected below {EXPLAINED}",
    )
    _check_result(result, sample.crystal)


def it_brings_a_displaced_structure_home(subject: Subject) -> None:
    """Atoms 0.05 A off come back to within 0.02 A."""
    sample = rutile_sample()
    (result,) = _refine(subject, sample, [_displaced(sample.crystal, 0.05)])
    off = _largest_distance(result.crystal, sample.crystal)
    expect(off < 0.02, f"got atoms up to {off:.3f} A from the truth after refinement from 0.05 A, expected below 0.02")


def results_come_in_the_order_of_the_starts(subject: Subject) -> None:
    """One result a start, however many at once."""
    sample = rutile_sample()
    starts = [sample.crystal, _displaced(sample.crystal, 0.8), sample.crystal]
    results = _refine(subject, sample, starts)
    expect(len(results) == 3, f"got {len(results)} results, expected one for each of 3 starts")
    expect(
        results[0].r_wp < results[1].r_wp and results[2].r_wp < results[1].r_wp,
        "got results in another order than the starts (the second is a wrong structure and must fit worst)",
    )


def a_hopeless_start_is_a_result(subject: Subject) -> None:
    """All atoms on one point: a bad fit or an infinite Rwp with a message, never an exception."""
    sample = rutile_sample()
    heap = replace(sample.crystal, frac_coords=np.zeros_like(sample.crystal.frac_coords))
    (result,) = _refine(subject, sample, [heap])
    expect(isinstance(result, RefinementResult), f"got a {type(result).__name__}, expected a RefinementResult")
    expect(not math.isnan(result.r_wp), "got Rwp that is not a number; infinity says that refinement failed")
    expect(result.r_wp > EXPLAINED, f"got Rwp {result.r_wp:.3f} for a heap of atoms on one point")


def _refine(subject: Subject, sample: Sample, crystals: Sequence[Crystal]) -> Sequence[RefinementResult]:
    refiner = expect_instance(subject.build(), Refiner)
    return refiner.refine(sample.measurement, [RefinementStart(crystal=crystal) for crystal in crystals])


def _check_result(result: RefinementResult, crystal: Crystal) -> None:
    expect(
        result.crystal.species.tolist() == crystal.species.tolist(),
        "got the refined atoms in another order than the start's, expected the same order",
    )
    expect(result.gof >= 0 and result.r_exp > 0, f"got GOF {result.gof} and Rexp {result.r_exp}, expected above 0")
    if result.coordinate_su is not None:
        expect(
            result.coordinate_su.shape == crystal.frac_coords.shape and bool(np.all(result.coordinate_su >= 0)),
            "got standard uncertainties that are negative or of another shape than the coordinates [N, 3]",
        )
    expect(result.curves is not None, "got no curves, expected the profiles for plots")


def _displaced(crystal: Crystal, size: float) -> Crystal:
    rng = np.random.default_rng(0)
    directions = rng.normal(size=crystal.frac_coords.shape)
    directions *= size / np.linalg.norm(directions, axis=1, keepdims=True)
    moved = crystal.frac_coords + directions @ np.linalg.inv(crystal.basis)
    return replace(crystal, frac_coords=moved % 1.0)


def _largest_distance(first: Crystal, second: Crystal) -> float:
    """Of atoms in the same order, A, after the best common shift (the origin is free without symmetry)."""
    difference = first.frac_coords - second.frac_coords
    difference -= difference[-1] - np.round(difference[-1])
    difference -= np.round(difference)
    difference -= difference.mean(axis=0)
    return float(np.linalg.norm(difference @ second.basis, axis=1).max())


CHECKS: tuple[Check, ...] = (
    no_starts_give_no_results,
    it_explains_a_pattern_from_the_true_structure,
    it_brings_a_displaced_structure_home,
    results_come_in_the_order_of_the_starts,
    a_hopeless_start_is_a_result,
)
