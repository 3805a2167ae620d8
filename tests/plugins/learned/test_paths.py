"""The torus, the paths to the data, and which noise goes with which crystal."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from pxrdgen_generators.coupling import (
    AssignmentCoupling,
    Coupled,
    Coupling,
    NoCoupling,
    SymmetryAwareCoupling,
    Uncoupled,
)
from pxrdgen_generators.manifolds import log_map, minimum_image, to_fractional, wrap
from pxrdgen_generators.paths import AtomPath, LinearPath, coupled_variance
from pxrdgen_generators.samplers import (
    AncestralSampler,
    EulerSampler,
    Sampler,
    StochasticSampler,
    Surroundings,
    step_times,
)
from pxrdgen_generators.wrapped_normal import WrappedNormalPath
from pxrdgen_learning.training.batch import Rows, make_batch
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.simulation_options import SimulationOptions

PATHS: tuple[AtomPath, ...] = (LinearPath(coupling=NoCoupling()), WrappedNormalPath())
CLEAN = SimulationOptions(clean_fraction=1.0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def named(value: object) -> str:
    return type(value).__name__


def test_the_minimum_image_is_the_shortest_of_all_translates() -> None:
    basis = torch.tensor([[[4.0, 0, 0], [1.9, 3.6, 0], [1.5, 1.4, 3.9]]])
    frac = torch.rand(1, 50, 3, generator=seeded()) * 4 - 2
    shifts = torch.tensor(list(itertools.product(range(-4, 5), repeat=3)), dtype=torch.float32)
    brute = ((frac[:, :, None] + shifts) @ basis[0]).norm(dim=-1).amin(dim=-1)
    assert torch.allclose(minimum_image(frac, basis).norm(dim=-1), brute, atol=1e-4)


def test_following_the_logarithm_leads_to_the_end() -> None:
    start, end = torch.rand(2, 20, 3, generator=seeded())
    step = log_map(start, end)
    assert float(step.abs().max()) <= 0.5
    assert torch.allclose(log_map(wrap(start + step), end), torch.zeros(20, 3), atol=1e-6)


def test_wrapping_never_returns_one() -> None:
    assert float(wrap(torch.tensor([-1e-9, 1.0, 2.5, -0.25])).max()) < 1.0


@pytest.mark.parametrize("path", PATHS, ids=named)
def test_states_begin_with_the_noise_and_end_with_the_data(path: AtomPath, corpus: Corpus) -> None:
    group = corpus.groups[5]
    displacement = torch.randn(4, 5, 3, generator=seeded())
    clean, basis = group.frac_coords, group.basis
    at_start = path.state(clean, displacement, torch.zeros(4), basis)
    assert torch.allclose(
        log_map(clean + to_fractional(displacement, basis), at_start), torch.zeros(4, 5, 3), atol=1e-5
    )
    at_end = path.state(clean, displacement, torch.ones(4), basis)
    left = float(path.level(torch.ones(1)))
    assert left <= 0.01
    assert torch.allclose(log_map(clean, at_end), left * to_fractional(displacement, basis), atol=1e-5)


@pytest.mark.parametrize("path", PATHS, ids=named)
def test_the_network_is_asked_for_numbers_of_unit_size(path: AtomPath, corpus: Corpus) -> None:
    batch = make_batch(corpus, Rows(size=5, rows=torch.arange(4).repeat(50)), CLEAN, seeded())
    t = path.times(200, seeded(1))
    pair = path.pair(batch, seeded(2))
    length = torch.full((200,), 2.4)
    target = path.target(pair, t, batch.crystals.basis, length)
    assert float(target.mean(dim=1).abs().max()) < 1e-4
    assert 0.5 < float(target.std()) < 2.5


def test_the_offset_follows_from_the_target_of_a_flow(corpus: Corpus) -> None:
    group, path, t = corpus.groups[5], LinearPath(coupling=NoCoupling()), torch.tensor([0.0, 0.3, 0.6, 0.95])
    displacement = torch.randn(4, 5, 3, generator=seeded())
    length = torch.full((4,), 2.4)
    state = path.state(group.frac_coords, displacement, t, group.basis)
    target = path.target(Coupled(clean=group.frac_coords, displacement=displacement), t, group.basis, length)
    back = wrap(state - path.offset(target, t, group.basis, length))
    assert torch.allclose(log_map(group.frac_coords, back), torch.zeros(4, 5, 3), atol=1e-5)


def test_the_score_of_narrow_noise_is_that_of_a_normal() -> None:
    """At sigma << 1 the wrapped normal is a normal: target = x / sigma, offset = x."""
    path, basis = WrappedNormalPath(), 4.0 * torch.eye(3)[None]
    t = torch.tensor([0.9])
    sigma = float(path.sigma(t))
    x = sigma * torch.tensor([[[0.5, -1.0, 0.25], [-0.5, 1.0, -0.25]]])
    pair = Coupled(clean=torch.zeros(1, 2, 3), displacement=(x / path.level(t)) @ basis)
    target = path.target(pair, t, basis, torch.ones(1))
    assert torch.allclose(target, x / sigma, atol=2e-3)
    assert torch.allclose(path.offset(target, t, basis, torch.ones(1)), x, atol=1e-4)


def test_the_score_of_wide_noise_is_that_of_the_wrapped_normal() -> None:
    """Against the derivative of the summed density."""
    path, t = WrappedNormalPath(), torch.zeros(1)
    x = torch.linspace(-0.45, 0.45, 7, dtype=torch.float64, requires_grad=True)
    images = x[:, None] + torch.arange(-6, 7)
    density = torch.exp(-0.5 * (images / path.sigma_max) ** 2).sum(1).log().sum()
    (score,) = torch.autograd.grad(density, x)
    coords = x.detach()[None, :, None].expand(1, 7, 3)
    pair = Coupled(clean=torch.zeros(1, 7, 3, dtype=torch.float64), displacement=coords)
    target = path.target(pair, t, torch.eye(3, dtype=torch.float64)[None], torch.ones(1))
    closed = -score / score.pow(2).mean().sqrt()
    ratio = (target[0, :, 0] / (closed - closed.mean())).nan_to_num(nan=1.0)
    assert float(ratio[score.abs() > 1e-3].std() / ratio.mean()) < 1e-3


def test_training_times_follow_their_density() -> None:
    times = LinearPath(coupling=NoCoupling(), early=2.0).times(20_000, seeded())
    assert float(times.mean()) == pytest.approx(1 / 3, abs=0.01)
    assert 0.0 <= float(times.min()) <= float(times.max()) < 1.0


def _pair(corpus: Corpus, coupling: Coupling, clean: Tensor, noise: Tensor) -> Coupled:
    group = corpus.groups[5]
    uncoupled = Uncoupled(
        clean=clean,
        noise=noise,
        species=group.species,
        basis=group.basis,
        rotations=group.rotations,
        rotation_count=group.rotation_count,
    )
    return coupling.pair(uncoupled, seeded(4))


def test_without_coupling_the_displacement_is_the_centred_minimum_image(corpus: Corpus) -> None:
    group, noise = corpus.groups[5], torch.rand(4, 5, 3, generator=seeded())
    pair = _pair(corpus, NoCoupling(), group.frac_coords, noise)
    closed = minimum_image(noise - group.frac_coords, group.basis)
    assert torch.allclose(pair.displacement, closed - closed.mean(dim=1, keepdim=True), atol=1e-5)
    assert pair.clean is group.frac_coords


def test_an_image_of_the_crystal_is_recognised_as_the_crystal(corpus: Corpus) -> None:
    group = corpus.groups[5]
    order = torch.tensor([2, 0, 1, 3, 4])  # the three oxygens come first
    image = wrap(-group.frac_coords[:, order] + torch.tensor([0.3, 0.1, 0.7]))
    pair = _pair(corpus, SymmetryAwareCoupling(choices=256), group.frac_coords, image)
    assert float(pair.displacement.norm(dim=-1).max()) < 1e-3
    assert torch.allclose(log_map(pair.clean, image), torch.zeros(4, 5, 3), atol=1e-4)


def test_the_symmetry_aware_target_is_smaller_and_of_mean_zero(corpus: Corpus) -> None:
    group, noise = corpus.groups[5], torch.rand(4, 5, 3, generator=seeded())
    plain = _pair(corpus, NoCoupling(), group.frac_coords, noise).displacement
    coupled = _pair(corpus, SymmetryAwareCoupling(), group.frac_coords, noise).displacement
    assert float((coupled**2).mean()) < 0.6 * float((plain**2).mean())
    assert float(coupled.mean(dim=1).abs().max()) < 1e-5


def test_coupling_keeps_the_crystal_the_same_crystal(corpus: Corpus) -> None:
    """All distances between atoms of given elements survive."""
    group, noise = corpus.groups[5], torch.rand(4, 5, 3, generator=seeded())
    pair = _pair(corpus, SymmetryAwareCoupling(), group.frac_coords, noise)

    def distances(coords: Tensor) -> Tensor:
        return minimum_image(coords[:, :, None] - coords[:, None], group.basis).norm(dim=-1)

    oxygens = slice(0, 3)
    before, after = distances(group.frac_coords), distances(pair.clean)
    for rows, columns in ((oxygens, oxygens), (oxygens, slice(3, 4)), (slice(3, 4), slice(4, 5))):
        assert torch.allclose(
            before[:, rows, columns].flatten(1).sort().values,
            after[:, rows, columns].flatten(1).sort().values,
            atol=1e-3,
        )


def test_moving_the_origin_of_the_data_leaves_the_target(corpus: Corpus) -> None:
    group, noise = corpus.groups[5], torch.rand(4, 5, 3, generator=seeded())
    here = _pair(corpus, SymmetryAwareCoupling(), group.frac_coords, noise)
    there = _pair(corpus, SymmetryAwareCoupling(), wrap(group.frac_coords + 0.37), noise)
    assert torch.allclose(here.displacement, there.displacement, atol=1e-4)


def test_assignment_exchanges_equal_atoms_and_moves_nothing_else(corpus: Corpus) -> None:
    group = corpus.groups[5]
    order = torch.tensor([2, 0, 1, 3, 4])  # the three oxygens come first
    pair = _pair(corpus, AssignmentCoupling(), group.frac_coords, group.frac_coords[:, order])
    assert torch.allclose(pair.clean, group.frac_coords[:, order])
    assert float(pair.displacement.abs().max()) < 1e-5


SAMPLERS = (StochasticSampler(), EulerSampler(), AncestralSampler(), AncestralSampler(corrector=0.4))


@pytest.mark.parametrize("path", PATHS, ids=named)
@pytest.mark.parametrize("sampler", SAMPLERS, ids=named)
def test_a_perfect_denoiser_leads_home(sampler: Sampler, path: AtomPath, corpus: Corpus) -> None:
    group = corpus.groups[5]
    clean, basis, rng = group.frac_coords, group.basis, seeded(1)
    around = Surroundings(path=path, basis=basis, length=torch.full((4,), 2.4), rng=rng)
    state = torch.rand(4, 5, 3, generator=seeded())
    for now, then in step_times(0.0, 20):
        better = sampler.corrected(state, log_map(clean, state), now, around)
        state = state if better is None else better
        state = sampler.step(state, log_map(clean, state), now, then, around)
    left = minimum_image(state - clean, basis).norm(dim=-1).max()
    assert float(left) < 0.04, "the deterministic sampler keeps what noise there is at the data, 1 % of it"


def test_sampling_noise_has_the_variance_of_coupled_noise() -> None:
    path = LinearPath(coupling=NoCoupling())
    noise = path.noise(torch.Size([4000, 5, 3]), torch.eye(3).expand(4000, 3, 3), torch.full((4000,), 2.0), seeded())
    assert float(noise.var()) == pytest.approx(coupled_variance(5) * 4.0, rel=0.05)


def test_a_late_start_takes_fewer_steps() -> None:
    assert len(step_times(0.0, 20)) == 20
    late = step_times(0.5, 20)
    assert len(late) == 10
    assert late[0][0] == 0.5
    assert late[-1][1] == 1.0
    assert math.isclose(late[3][1], late[4][0])
