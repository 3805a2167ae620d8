"""What a generator owes."""

from __future__ import annotations

import torch
from torch import Tensor

from pxrdgen.errors import ConformanceError
from pxrdgen.interfaces.structure_generator import StructureGenerator
from pxrdgen.values.candidates import CandidateBatch
from pxrdgen_testing.check import Check, Subject, expect, expect_instance
from pxrdgen_testing.samples import Sample, rutile_sample, single_atom_sample

COUNT = 6
#: rounds within which a generator that searches has found something.
ROUNDS = 5


def it_gives_candidates_and_no_more_than_asked(subject: Subject) -> None:
    """[M, N, 3] finite coordinates in [0, 1), an origin each; some within a few rounds."""
    sample = rutile_sample()
    batch = _generate(subject.build(), sample, COUNT, seed=0)
    _check_batch(batch, COUNT, sample)


def it_gives_a_single_candidate_too(subject: Subject) -> None:
    """A count of one is no special case."""
    sample = rutile_sample()
    _check_batch(_generate(subject.build(), sample, 1, seed=1), 1, sample)


def it_copes_with_a_single_atom(subject: Subject) -> None:
    """One atom in the cell: nothing to find, nothing to fail at."""
    sample = single_atom_sample()
    _check_batch(_generate(subject.build(), sample, COUNT, seed=0), COUNT, sample)


def a_seed_gives_the_same_candidates(subject: Subject) -> None:
    """All randomness comes from the generator that is handed in."""
    sample = rutile_sample()
    first = _generate(subject.build(), sample, COUNT, seed=7).frac_coords
    torch.rand(3)  # somebody else draws from the global generator
    again = _generate(subject.build(), sample, COUNT, seed=7).frac_coords
    expect(
        torch.equal(first, again),
        "got other candidates for the same seed; take all randomness from 'rng', none from torch's global generator",
    )


def another_seed_gives_others(subject: Subject) -> None:
    """Rounds of the search ask again and again; one that searches may end at the same best fit from any seed."""
    sample, generator = rutile_sample(), subject.build()
    if type(generator).trials is not StructureGenerator.trials:
        return
    first = _generate(subject.build(), sample, COUNT, seed=0).frac_coords
    other = _generate(subject.build(), sample, COUNT, seed=1).frac_coords
    expect(not torch.equal(first, other), "got the same candidates for two seeds; draw them from 'rng'")


def it_leaves_the_global_random_state_alone(subject: Subject) -> None:
    """Other components' draws must not depend on this one."""
    generator = subject.build()
    before = torch.random.get_rng_state()
    _generate(generator, rutile_sample(), COUNT, seed=0)
    expect(
        torch.equal(before, torch.random.get_rng_state()),
        "got torch's global random state changed; draw from 'rng'",
    )


def renoising_keeps_shape_and_follows_its_strength(subject: Subject) -> None:
    """Strength 0 returns what was given; only for generators that say they can."""
    generator, sample = subject.build(), rutile_sample()
    if not generator.abilities.can_renoise:
        return
    parents = _generate(generator, sample, COUNT, seed=0).frac_coords
    rng = torch.Generator().manual_seed(3)
    children = generator.renoise(sample.problem, sample.target, parents, 0.5, rng)
    _check_batch(children, len(parents), sample)
    kept = generator.renoise(sample.problem, sample.target, parents, 0.0, rng).frac_coords
    off = _wrapped(kept.double() - parents.double()).abs().max()
    expect(off < 1e-5, f"got coordinates moved by {float(off):.2g} at strength 0, expected the ones given")


def _generate(generator: object, sample: Sample, count: int, seed: int) -> CandidateBatch:
    """What the solve loop would get, from the first round that brings anything."""
    rng = torch.Generator().manual_seed(seed)
    bound = expect_instance(generator, StructureGenerator).begin(sample.problem, sample.target)
    for _ in range(ROUNDS):
        batch = expect_instance(bound.generate(sample.problem, sample.target, count, rng), CandidateBatch)
        if len(batch):
            return batch
    raise ConformanceError(f"got no candidates in {ROUNDS} rounds of {count}, expected some")


def _check_batch(batch: object, count: int, sample: Sample) -> None:
    batch = expect_instance(batch, CandidateBatch)
    shape, wanted = tuple(batch.frac_coords.shape), (sample.problem.num_atoms, 3)
    expect(
        len(shape) == 3 and shape[1:] == wanted and shape[0] <= count,
        f"got frac_coords of shape {shape}, expected at most {count} x {wanted[0]} x 3: count, atoms, 3",
    )
    made = shape[0]
    expect(len(batch.origin) in (0, made), f"got {len(batch.origin)} origins, expected none or {made}")
    expect(bool(torch.isfinite(batch.frac_coords).all()), "got coordinates that are not numbers")
    inside = (batch.frac_coords >= 0) & (batch.frac_coords < 1)
    expect(bool(inside.all()), "got fractional coordinates outside [0, 1); wrap them")
    for what, value in (("prior_score", batch.prior_score), ("freedom", batch.freedom)):
        expect(
            value is None or tuple(value.shape) == (made,),
            f"got {what} of shape {None if value is None else tuple(value.shape)}, expected ({made},) or None",
        )


def _wrapped(difference: Tensor) -> Tensor:
    return difference - torch.round(difference)


CHECKS: tuple[Check, ...] = (
    it_gives_candidates_and_no_more_than_asked,
    it_gives_a_single_candidate_too,
    it_copes_with_a_single_atom,
    a_seed_gives_the_same_candidates,
    another_seed_gives_others,
    it_leaves_the_global_random_state_alone,
    renoising_keeps_shape_and_follows_its_strength,
)
