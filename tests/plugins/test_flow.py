"""The learned flow: geometry, targets, what the network may and may not depend on, sampling, weights."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pxrdgen.cell import UnitCell
from pxrdgen.components import ComponentKind
from pxrdgen.composition import Composition
from pxrdgen.crystal import Crystal
from pxrdgen.errors import OptionError, StructureError, WeightsError
from pxrdgen.io.dataset import CrystalDataset
from pxrdgen.io.weights import WeightsCard, card_path, read_card, save_weights, verify_weights
from pxrdgen.pattern import PowderPattern
from pxrdgen.solver.intensities import IntensityTarget
from pxrdgen.solver.problem import StructureProblem
from pxrdgen.training.batch import Rows, make_batch
from pxrdgen.training.corpus import Corpus
from pxrdgen.training.loop import fit
from pxrdgen.training.observation import GroupedReflections
from pxrdgen.training.options import TrainingOptions
from pxrdgen.training.schedule import Schedule
from pxrdgen.training.simulation import observe
from pxrdgen.training.simulation_options import SimulationOptions
from pxrdgen_generators.conditions import Condition, condition_from
from pxrdgen_generators.coupling import Coupled, NoCoupling, SymmetryAwareCoupling
from pxrdgen_generators.denoisers.attention import AttentionDenoiser
from pxrdgen_generators.denoisers.elements import element_features
from pxrdgen_generators.denoisers.pairs import PATTERSON, PATTERSON_GRADIENT, SHELL_GRADIENTS, pair_features
from pxrdgen_generators.flow import Flow
from pxrdgen_generators.flow_generator import FlowGenerator, LargerThanTrainedWarning, condition_of
from pxrdgen_generators.manifolds import log_map, minimum_image, to_fractional, wrap
from pxrdgen_generators.options import AttentionOptions, FlowOptions
from pxrdgen_generators.paths import LinearPath, coupled_variance
from pxrdgen_generators.samplers import EulerSampler, Sampler, StochasticSampler

CLEAN = SimulationOptions(clean_fraction=1.0)
STEPS = 420
SMALL = AttentionOptions(width=16, layers=2, heads=2, peak_width=8, pair_hidden=16, pair_width=4)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    rng = np.random.default_rng(11)
    crystals = [
        Crystal(
            species=np.array([8, 8, 22, 56, 8]),
            frac_coords=rng.random((5, 3)),
            basis=np.diag([4.0, 4.0, 4.3]) + np.tril(0.3 * rng.random((3, 3)), -1),
            name=str(index),
        )
        for index in range(4)
    ]
    return Corpus.from_dataset(CrystalDataset.from_crystals(crystals))


@pytest.fixture(scope="module")
def polymorphs() -> Corpus:
    """ZnS as zinc blende, as rock salt in the same cell, and as CsCl type."""
    face_centred = 2.7 * np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    arrangements = ((face_centred, 0.25), (face_centred, 0.5), (3.3 * np.eye(3), 0.5))
    crystals = [
        Crystal(species=np.array([30, 16]), frac_coords=np.array([[0.0] * 3, [x] * 3]), basis=basis, name=str(index))
        for index, (basis, x) in enumerate(arrangements)
    ]
    return Corpus.from_dataset(CrystalDataset.from_crystals(crystals))


@pytest.fixture(scope="module")
def condition(corpus: Corpus) -> Condition:
    return _condition(corpus, torch.arange(4))


def _condition(corpus: Corpus, rows: Tensor) -> Condition:
    crystals = corpus.groups[5].crystals(rows)
    observed, basis = observe(crystals, CLEAN, seeded())
    return condition_from(crystals.species, basis, observed, max_peaks=32)


def _one(condition: Condition, row: int) -> Condition:
    return Condition(**{name: value[row : row + 1] for name, value in vars(condition).items()})


def network(options: AttentionOptions = SMALL) -> AttentionDenoiser:
    """A network that does something: the head of an untrained one is zero."""
    torch.manual_seed(1)
    built = AttentionDenoiser(options)
    torch.nn.init.normal_(built.head.weight)
    for block in built.blocks:
        torch.nn.init.normal_(block.modulation.weight, std=0.2)
    return built.eval()


# --- the torus ---


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


# --- path and coupling ---


def test_the_path_runs_from_noise_to_data(corpus: Corpus) -> None:
    group, path = corpus.groups[5], LinearPath()
    displacement = torch.randn(4, 5, 3, generator=seeded())
    clean, basis = group.frac_coords, group.basis
    at_end = path.state(clean, displacement, torch.ones(4), basis)
    at_start = path.state(clean, displacement, torch.zeros(4), basis)
    assert torch.allclose(log_map(clean, at_end), torch.zeros(4, 5, 3), atol=1e-6)
    assert torch.allclose(
        log_map(clean + to_fractional(displacement, basis), at_start), torch.zeros(4, 5, 3), atol=1e-5
    )


def test_the_clean_structure_follows_from_state_and_displacement(corpus: Corpus) -> None:
    group, path, t = corpus.groups[5], LinearPath(), torch.tensor([0.0, 0.3, 0.6, 0.95])
    displacement = torch.randn(4, 5, 3, generator=seeded())
    state = path.state(group.frac_coords, displacement, t, group.basis)
    back = path.clean(state, displacement, t, group.basis)
    assert torch.allclose(log_map(group.frac_coords, back), torch.zeros(4, 5, 3), atol=1e-5)


def test_training_times_follow_their_density() -> None:
    times = LinearPath(early=2.0).times(20_000, seeded())
    assert float(times.mean()) == pytest.approx(1 / 3, abs=0.01)
    assert 0.0 <= float(times.min()) <= float(times.max()) < 1.0


def _pair(corpus: Corpus, coupling: SymmetryAwareCoupling | NoCoupling, clean: Tensor, noise: Tensor) -> Coupled:
    group = corpus.groups[5]
    return coupling.pair(
        clean=clean,
        noise=noise,
        species=group.species,
        basis=group.basis,
        rotations=group.rotations,
        rotation_count=group.rotation_count,
        rng=seeded(4),
    )


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


# --- what the network is told ---


def test_normalised_intensities_do_not_depend_on_the_scale(corpus: Corpus) -> None:
    crystals = corpus.groups[5].crystals(torch.arange(2))
    observed, basis = observe(crystals, CLEAN, seeded())
    once = condition_from(crystals.species, basis, observed, max_peaks=32)
    louder = replace(observed, strength=1e4 * observed.strength)
    again = condition_from(crystals.species, basis, louder, max_peaks=32)
    assert torch.allclose(once.peaks, again.peaks, atol=1e-4)
    assert torch.allclose(once.patterson, again.patterson, atol=1e-4)


def test_what_was_not_measured_is_not_shown(corpus: Corpus) -> None:
    crystals = corpus.groups[5].crystals(torch.arange(2))
    observed, basis = observe(crystals, CLEAN, seeded())
    low = observed.group < 10
    cut = GroupedReflections(
        hkl=observed.hkl,
        measured=low,
        group=observed.group,
        strength=observed.strength * (torch.arange(observed.strength.shape[1]) < 10),
    )
    told = condition_from(crystals.species, basis, cut, max_peaks=32)
    assert told.peak_mask.sum(dim=1).tolist() == [10, 10]
    assert bool((told.patterson.abs().sum(dim=1)[~low] == 0).all())


def test_the_patterson_function_is_high_at_the_crystals_own_vectors(corpus: Corpus, condition: Condition) -> None:
    clean = corpus.groups[5].frac_coords
    heavy = (slice(None), 3, 4)  # from titanium to barium
    right = pair_features(clean, condition)[..., PATTERSON].sum(-1)[heavy]
    wrong = pair_features(torch.rand(4, 5, 3, generator=seeded()), condition)[..., PATTERSON].sum(-1)[heavy]
    assert float(right.mean()) > float(wrong.mean()) + 2.0


def test_the_gradient_of_the_patterson_function_is_its_derivative(corpus: Corpus, condition: Condition) -> None:
    one = _one(condition, 0)
    state, step = torch.rand(1, 5, 3, generator=seeded()), 1e-3
    moved = state.clone()
    moved[0, 1] += to_fractional(torch.tensor([[[step, 0.0, 0.0]]]), one.basis)[0, 0]
    before, after = pair_features(state, one)[0, 0, 1], pair_features(moved, one)[0, 0, 1]
    numeric = (after - before)[PATTERSON] / step / 2  # the features are half the gradient
    assert float(before[PATTERSON_GRADIENT][0]) == pytest.approx(float(numeric.sum()), abs=0.02)
    assert before[SHELL_GRADIENTS][::3].tolist() == pytest.approx(numeric[:-1].tolist(), abs=0.02)


def test_elements_of_a_group_share_a_column() -> None:
    table = element_features(100)
    assert table[11, 7:26].argmax() == table[55, 7:26].argmax() == 1  # Na, Cs
    assert table[30, 7:26].argmax() == 12
    assert table[64, 7:26].argmax() == 0
    assert table[9, :7].argmax() == 1


# --- what the network may depend on ---


def test_moving_all_atoms_changes_nothing(condition: Condition) -> None:
    net, state, t = network(), torch.rand(4, 5, 3, generator=seeded()), torch.full((4,), 0.4)
    here = net(state, t, condition).detach()
    there = net(wrap(state + torch.tensor([0.21, 0.68, 0.43])), t, condition)
    assert float(here.abs().max()) > 0.1
    assert torch.allclose(here, there, atol=2e-3)


def test_exchanging_equal_atoms_exchanges_the_answers(condition: Condition) -> None:
    net, state, t = network(), torch.rand(4, 5, 3, generator=seeded()), torch.full((4,), 0.4)
    order = torch.tensor([2, 0, 1, 3, 4])
    assert torch.allclose(net(state, t, condition)[:, order], net(state[:, order], t, condition), atol=1e-4)


def test_answers_have_mean_zero_and_depend_on_time_and_pattern(condition: Condition) -> None:
    net, state, t = network(), torch.rand(4, 5, 3, generator=seeded()), torch.full((4,), 0.4)
    answer = net(state, t, condition).detach()
    assert float(answer.mean(dim=1).abs().max()) < 1e-5
    assert not torch.allclose(answer, net(state, t + 0.3, condition), atol=1e-3)
    blind = net(state, t, condition.blinded(torch.tensor([True, False, False, False])))
    assert not torch.allclose(answer[0], blind[0], atol=1e-3)
    assert torch.allclose(answer[1:], blind[1:], atol=1e-5)


def test_a_batch_is_its_members(condition: Condition) -> None:
    net, state, t = network(), torch.rand(4, 5, 3, generator=seeded()), torch.tensor([0.1, 0.4, 0.7, 0.9])
    together = net(state, t, condition)
    apart = torch.cat([net(state[row : row + 1], t[row : row + 1], _one(condition, row)) for row in range(4)])
    assert torch.allclose(together, apart, atol=1e-4)


# --- sampling ---

SAMPLERS = (StochasticSampler(steps=10), EulerSampler(steps=10), EulerSampler(steps=40, anti_annealing=0.0))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: f"{type(s).__name__}-{s.steps}")
def test_a_perfect_denoiser_leads_home(sampler: Sampler, corpus: Corpus) -> None:
    group = corpus.groups[5]
    clean, basis, path = group.frac_coords, group.basis, LinearPath()

    def displacement(state: Tensor, t: Tensor) -> Tensor:
        return minimum_image(state - clean, basis) / (1.0 - t)[:, None, None]

    length = torch.full((4,), 2.4)
    start = torch.rand(4, 5, 3, generator=seeded())
    found = sampler.run(displacement, path, start, 0.0, basis, length, seeded(1))
    assert float(minimum_image(found - clean, basis).norm(dim=-1).max()) < 1e-3


def test_sampling_noise_has_the_variance_of_coupled_noise(corpus: Corpus) -> None:
    noise = LinearPath().noise(torch.Size([4000, 5, 3]), torch.full((4000,), 2.0), seeded())
    expected = coupled_variance(5) * 4.0
    assert float(noise.var()) == pytest.approx(expected, rel=0.05)


def test_a_late_start_takes_fewer_steps_and_leaves_a_record(corpus: Corpus) -> None:
    flow = Flow.from_options(FlowOptions(denoiser=SMALL, steps=20))
    told = _condition(corpus, torch.tensor([0]))
    start = corpus.groups[5].frac_coords[:1].expand(3, -1, -1)
    record: list[Tensor] = []
    flow.sample(told, 3, seeded(), start=start, time=0.5, record=record)
    assert len(record) == 10


# --- learning ---


def test_a_crystal_has_the_same_loss_alone_and_in_company(corpus: Corpus) -> None:
    """With no noise drawn per batch: the blind fraction, time and noise are the only random parts."""
    flow = Flow.from_options(FlowOptions(denoiser=SMALL, pattern_dropout=0.0))
    batch = make_batch(corpus, Rows(size=5, rows=torch.arange(4)), CLEAN, seeded())
    losses = flow.loss(batch, seeded(2))
    assert losses.shape == (4,)
    assert bool(torch.isfinite(losses).all())
    assert torch.equal(losses, flow.loss(batch, seeded(2)))
    assert not torch.equal(losses, flow.loss(batch, seeded(3)))


@pytest.fixture(scope="module")
def overfitted(polymorphs: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """A small flow that has seen three crystals a few hundred times."""
    options = FlowOptions(
        denoiser=AttentionOptions(width=48, layers=3, heads=4, peak_width=24, pair_hidden=32, pair_width=8),
        pattern_dropout=0.0,
        steps=20,
    )
    torch.manual_seed(0)
    flow = Flow.from_options(options)
    group, rows = polymorphs.groups[2], torch.arange(3).repeat(16)
    many = Corpus(groups={2: replace(group, **{name: getattr(group, name)[rows] for name in vars(group)})})
    training = TrainingOptions(
        steps=STEPS,
        learning_rate=4e-3,
        warmup=20,
        atoms=96,
        per_step=1,
        checkpoint_every=10_000,
        threads=1,
        simulation=CLEAN,
    )
    schedule = Schedule(peak=4e-3, warmup=20, cooldown_start=STEPS // 2, cooldown_steps=STEPS // 2)
    fit(flow, many, tmp_path_factory.mktemp("overfit"), training, schedule=schedule)
    return flow


def _generator(flow: Flow, *, steps: int = 20, max_atoms: int = 20) -> FlowGenerator:
    card = WeightsCard(kind=ComponentKind.GENERATOR, component="flow", options={}, max_atoms=max_atoms, data="made up")
    return FlowGenerator(FlowOptions(steps=steps), flow=flow, card=card)


def _task(corpus: Corpus, row: int) -> tuple[StructureProblem, IntensityTarget]:
    """A structure problem and what a perfect decomposition of its pattern would give."""
    (group,) = corpus.groups.values()
    crystals = group.crystals(torch.tensor([row]))
    observed, basis = observe(crystals, CLEAN, seeded())
    count, species = observed.strength.shape[1], group.species[row]
    inverse_d = (observed.hkl[0] @ torch.linalg.inv(basis[0]).T).norm(dim=-1)
    group_d = torch.zeros(count).scatter_reduce_(0, observed.group[0], 1.0 / inverse_d, "amax")
    nothing = torch.zeros(0)
    target = IntensityTarget(
        basis=basis[0],
        species=species,
        elements=torch.unique(species),
        element_of=nothing,
        hkl=observed.hkl[0],
        s_squared=0.25 * inverse_d**2,
        factor=nothing,
        group=observed.group[0],
        normal=nothing,
        anomalous=nothing,
        observed=nothing,
        floor=nothing,
        weight=nothing,
        group_d=group_d,
        group_strength=observed.strength[0] / observed.strength.max(),
        fit_floor=0.0,
    )
    problem = StructureProblem(
        pattern=PowderPattern(two_theta=np.linspace(10, 80, 100), intensity=np.ones(100)),
        composition=Composition.from_species(species.numpy()),
        species=species.numpy(),
        basis=basis[0].double().numpy(),
        z=1,
        user_cell=UnitCell.from_basis(basis[0].double().numpy()),
        to_user=np.eye(3, dtype=np.int64),
    )
    return problem, target


def _rms(corpus: Corpus, row: int, found: Tensor) -> Tensor:
    """[M] root-mean-square distance (A) of structures [M, N, 3] to a crystal, over all its images."""
    (group,) = corpus.groups.values()
    rows = torch.full((len(found),), row)
    pair = SymmetryAwareCoupling(choices=512, assigned=16).pair(
        clean=group.frac_coords[rows],
        noise=found,
        species=group.species[rows],
        basis=group.basis[rows],
        rotations=group.rotations[rows],
        rotation_count=group.rotation_count[rows],
        rng=seeded(),
    )
    return (pair.displacement**2).sum(-1).mean(-1).sqrt()


def test_a_few_crystals_can_be_learned_by_heart(overfitted: Flow, polymorphs: Corpus) -> None:
    generator = _generator(overfitted)
    found = [generator.generate(*_task(polymorphs, row), 10, seeded(row)) for row in range(3)]
    home = torch.cat([_rms(polymorphs, row, batch.frac_coords) for row, batch in enumerate(found)]) < 0.3
    assert float(home.float().mean()) >= 0.9


def test_the_pattern_decides_between_arrangements_in_one_cell(overfitted: Flow, polymorphs: Corpus) -> None:
    generator, (problem, target), (_, other) = _generator(overfitted), _task(polymorphs, 0), _task(polymorphs, 1)
    found = generator.generate(problem, other, 10, seeded()).frac_coords
    assert float((_rms(polymorphs, 1, found) < 0.3).float().mean()) >= 0.9
    assert torch.allclose(target.basis, other.basis)


def test_candidates_repeat_with_the_seed_and_come_home_after_a_little_noise(
    overfitted: Flow, polymorphs: Corpus
) -> None:
    generator = _generator(overfitted)
    task = _task(polymorphs, 2)
    first, again = (generator.generate(*task, 3, seeded(9)) for _ in range(2))
    assert torch.equal(first.frac_coords, again.frac_coords)
    assert first.origin == ("flow",) * 3
    truth = polymorphs.groups[2].frac_coords[2:3].expand(4, -1, -1)
    back = generator.renoise(*task, truth, 0.3, seeded())
    assert float(_rms(polymorphs, 2, back.frac_coords).max()) < 0.3
    assert torch.equal(generator.renoise(*task, truth, 0.0, seeded()).frac_coords, truth)


# --- the component ---


def test_odd_requests_are_answered_plainly(overfitted: Flow, corpus: Corpus) -> None:
    problem, target = _task(corpus, 0)
    generator = _generator(overfitted, steps=2)
    assert generator.generate(problem, target, 0, seeded()).frac_coords.shape == (0, 5, 3)
    assert generator.can_renoise
    with pytest.raises(OptionError, match="0 to 1"):
        generator.renoise(problem, target, torch.zeros(1, 5, 3), 1.5, seeded())
    with pytest.raises(StructureError, match="no X-ray form factor"):
        generator.generate(replace(problem, species=np.array([8, 8, 8, 22, 110])), target, 1, seeded())


def test_one_atom_needs_no_network(overfitted: Flow, corpus: Corpus) -> None:
    problem, target = _task(corpus, 0)
    lone = replace(problem, species=np.array([29]))
    assert torch.equal(_generator(overfitted).generate(lone, target, 2, seeded()).frac_coords, torch.zeros(2, 1, 3))


def test_more_atoms_than_trained_for_warn_but_work(overfitted: Flow, corpus: Corpus) -> None:
    with pytest.warns(LargerThanTrainedWarning, match="at most 4"):
        found = _generator(overfitted, steps=2, max_atoms=4).generate(*_task(corpus, 0), 1, seeded())
    assert found.frac_coords.shape == (1, 5, 3)


def test_the_spacing_limit_of_training_is_kept(corpus: Corpus) -> None:
    problem, target = _task(corpus, 0)
    told = condition_of(target, torch.as_tensor(problem.species)[None], max_peaks=400)
    reach = (told.hkl[0] @ torch.linalg.inv(told.basis[0]).T).norm(dim=-1)
    used = told.patterson.abs().sum(dim=1)[0] > 0
    assert float(reach[used].max()) < 1 / 1.19
    assert bool(torch.isfinite(told.peaks).all())


# --- weights ---


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    options = FlowOptions(denoiser=SMALL)
    card = WeightsCard(
        kind=ComponentKind.GENERATOR,
        component="flow",
        options=options.model_dump(mode="json"),
        max_atoms=20,
        data="none",
    )
    path = tmp_path / "tiny.safetensors"
    save_weights(path, dict(network().named_parameters()), card)
    return path


def test_saved_weights_give_the_same_candidates(saved: Path, corpus: Corpus) -> None:
    task = _task(corpus, 0)
    loaded = FlowGenerator(FlowOptions(weights=str(saved), steps=3)).generate(*task, 2, seeded())
    flow = replace(Flow.from_options(FlowOptions(denoiser=SMALL, steps=3)), denoiser=network())
    assert torch.allclose(loaded.frac_coords, _generator(flow, steps=3).generate(*task, 2, seeded()).frac_coords)


def _edit(path: Path, **changes: object) -> None:
    card = json.loads(card_path(path).read_text())
    card_path(path).write_text(json.dumps({**card, **changes}))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


DAMAGE: list[tuple[Callable[[Path], object], str]] = [
    (_truncate, "truncated or altered"),
    (_alter, "truncated or altered"),
    (lambda path: _edit(path, component="cellnet"), "expected those of the generator 'flow'"),
    (lambda path: _edit(path, kind="encoder"), "expected those of the generator 'flow'"),
    (lambda path: _edit(path, format=2), "update pxrdgen"),
    (lambda path: _edit(path, surprise=1), "surprise"),
    (lambda path: card_path(path).unlink(), "without a readable card"),
    (lambda path: card_path(path).write_text("{"), "not JSON"),
    (lambda path: path.unlink(), "no file"),
    (lambda path: _edit(path, options={"denoiser": {"width": 32, "heads": 2, "layers": 2}}), "other shapes"),
    (lambda path: _edit(path, options={"denoiser": {**SMALL.model_dump(), "layers": 3}}), "do not fit their own card"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGE, ids=[message for _, message in DAMAGE])
def test_bad_weights_are_refused(damage: Callable[[Path], object], message: str, saved: Path) -> None:
    damage(saved)
    with pytest.raises(WeightsError, match=message):
        FlowGenerator(FlowOptions(weights=str(saved)))


def test_options_that_contradict_the_weights_are_refused(saved: Path) -> None:
    with pytest.raises(OptionError, match="differ"):
        FlowGenerator(FlowOptions(weights=str(saved), denoiser=AttentionOptions(width=32)))


def test_a_card_says_what_it_is_and_verifies(saved: Path) -> None:
    assert verify_weights(saved) == read_card(saved)
    assert len(read_card(saved).sha256) == 64
    assert math.isclose(read_card(saved).max_atoms, 20)
