"""The learned generators as components: candidates, weights, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import JsonValue
from torch import Tensor, nn

from pxrdgen.errors import OptionError, StructureError, WeightsError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import default_registry
from pxrdgen.specs.component import ComponentSpec
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.problem import StructureProblem
from pxrdgen_generators.denoisers.attention import AttentionDenoiser
from pxrdgen_generators.denoising_generator import condition_of
from pxrdgen_generators.denoising_model import DenoisingModel
from pxrdgen_generators.flow import flow_model
from pxrdgen_generators.flow_generator import FlowGenerator
from pxrdgen_generators.options import AttentionOptions, FlowOptions
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.loop import fit
from pxrdgen_learning.training.options import TrainingOptions
from pxrdgen_learning.training.schedule import Schedule
from pxrdgen_learning.training.simulation_options import SimulationOptions
from pxrdgen_learning.weights.weights import (
    LargerThanTrainedWarning,
    WeightsCard,
    card_path,
    read_card,
    save_weights,
    verify_weights,
)

CLEAN = SimulationOptions(clean_fraction=1.0)
STEPS = 420
SMALL = AttentionOptions(width=16, layers=2, heads=2, peak_width=8, pair_hidden=16, pair_width=4)
NETWORK = ComponentSpec(plugin="attention", options=SMALL.model_dump())
Task = tuple[StructureProblem, IntensityTarget]
Distance = Callable[[Corpus, int, Tensor], Tensor]
Posed = Callable[[Corpus, int], Task]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network() -> AttentionDenoiser:
    """A network that does something: the head of an untrained one is zero."""
    torch.manual_seed(1)
    built = AttentionDenoiser(SMALL)
    nn.init.normal_(built.head.weight)
    return built.eval()


@pytest.fixture(scope="module")
def overfitted(
    polymorphs: Corpus, many: Callable[[Corpus, int], Corpus], tmp_path_factory: pytest.TempPathFactory
) -> DenoisingModel:
    """A small flow that has seen three crystals a few hundred times."""
    torch.manual_seed(0)
    denoiser = AttentionDenoiser(
        AttentionOptions(width=48, layers=3, heads=4, peak_width=24, pair_hidden=32, pair_width=8)
    )
    flow = flow_model(FlowOptions(pattern_dropout=0.0, steps=20), denoiser)
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
    fit(flow, many(polymorphs, 16), tmp_path_factory.mktemp("overfit"), training, schedule=schedule)
    return flow


def _generator(model: DenoisingModel, *, steps: int = 20, max_atoms: int = 20) -> FlowGenerator:
    card = WeightsCard(kind=ComponentKind.GENERATOR, component="flow", options={}, max_atoms=max_atoms, data="made up")
    generator = FlowGenerator(FlowOptions(steps=steps), denoiser=model.network)
    generator.card = card
    return generator


def _restored(weights: Path, **options: JsonValue) -> FlowGenerator:
    spec = ComponentSpec(plugin="flow", weights=str(weights), options=options)
    built = default_registry().build(ComponentKind.GENERATOR, spec)
    assert isinstance(built, FlowGenerator)
    return built


def test_a_few_crystals_can_be_learned_by_heart(
    overfitted: DenoisingModel, polymorphs: Corpus, task: Posed, distance: Distance
) -> None:
    generator = _generator(overfitted)
    found = [generator.generate(*task(polymorphs, row), 10, seeded(row)) for row in range(3)]
    home = torch.cat([distance(polymorphs, row, batch.frac_coords) for row, batch in enumerate(found)]) < 0.3
    assert float(home.float().mean()) >= 0.9


def test_the_pattern_decides_between_arrangements_in_one_cell(
    overfitted: DenoisingModel, polymorphs: Corpus, task: Posed, distance: Distance
) -> None:
    generator, (problem, target), (_, other) = _generator(overfitted), task(polymorphs, 0), task(polymorphs, 1)
    found = generator.generate(problem, other, 10, seeded()).frac_coords
    assert float((distance(polymorphs, 1, found) < 0.3).float().mean()) >= 0.9
    assert torch.allclose(target.basis, other.basis)


def test_candidates_repeat_with_the_seed_and_come_home_after_a_little_noise(
    overfitted: DenoisingModel, polymorphs: Corpus, task: Posed, distance: Distance
) -> None:
    generator = _generator(overfitted)
    task = task(polymorphs, 2)
    first, again = (generator.generate(*task, 3, seeded(9)) for _ in range(2))
    assert torch.equal(first.frac_coords, again.frac_coords)
    assert first.origin == ("flow",) * 3
    truth = polymorphs.groups[2].frac_coords[2:3].expand(4, -1, -1)
    back = generator.renoise(*task, truth, 0.3, seeded())
    assert float(distance(polymorphs, 2, back.frac_coords).max()) < 0.3
    assert torch.equal(generator.renoise(*task, truth, 0.0, seeded()).frac_coords, truth)


def test_odd_requests_are_answered_plainly(overfitted: DenoisingModel, corpus: Corpus, task: Posed) -> None:
    problem, target = task(corpus, 0)
    generator = _generator(overfitted, steps=2)
    assert generator.generate(problem, target, 0, seeded()).frac_coords.shape == (0, 5, 3)
    assert generator.abilities.can_renoise
    with pytest.raises(OptionError, match="0 to 1"):
        generator.renoise(problem, target, torch.zeros(1, 5, 3), 1.5, seeded())
    with pytest.raises(StructureError, match="no X-ray form factor"):
        generator.generate(replace(problem, species=np.array([8, 8, 8, 22, 110])), target, 1, seeded())


def test_one_atom_needs_no_network(overfitted: DenoisingModel, corpus: Corpus, task: Posed) -> None:
    problem, target = task(corpus, 0)
    lone = replace(problem, species=np.array([29]))
    assert torch.equal(_generator(overfitted).generate(lone, target, 2, seeded()).frac_coords, torch.zeros(2, 1, 3))


def test_more_atoms_than_trained_for_warn_but_work(overfitted: DenoisingModel, corpus: Corpus, task: Posed) -> None:
    with pytest.warns(LargerThanTrainedWarning, match="at most 4"):
        found = _generator(overfitted, steps=2, max_atoms=4).generate(*task(corpus, 0), 1, seeded())
    assert found.frac_coords.shape == (1, 5, 3)


def test_the_spacing_limit_of_training_is_kept(corpus: Corpus, task: Posed) -> None:
    problem, target = task(corpus, 0)
    told = condition_of(target, torch.as_tensor(problem.species)[None], max_peaks=400)
    reach = (told.hkl[0] @ torch.linalg.inv(told.basis[0]).T).norm(dim=-1)
    used = told.patterson.abs().sum(dim=1)[0] > 0
    assert float(reach[used].max()) < 1 / 1.19
    assert bool(torch.isfinite(told.peaks).all())


# --- weights ---


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    options = FlowOptions(denoiser=NETWORK)
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


def test_saved_weights_give_the_same_candidates(saved: Path, corpus: Corpus, task: Posed) -> None:
    task = task(corpus, 0)
    loaded = _restored(saved, steps=3).generate(*task, 2, seeded())
    flow = flow_model(FlowOptions(steps=3), network())
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


def _network(**changes: object) -> dict[str, object]:
    return {"denoiser": {"plugin": "attention", "options": {**SMALL.model_dump(), **changes}}}


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
    (lambda path: _edit(path, options=_network(width=32)), "that do not fit their own card"),
    (lambda path: _edit(path, options=_network(layers=3)), "do not fit their own card"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGE, ids=[message for _, message in DAMAGE])
def test_bad_weights_are_refused(damage: Callable[[Path], object], message: str, saved: Path) -> None:
    damage(saved)
    with pytest.raises(WeightsError, match=message):
        _restored(saved)


def test_options_that_contradict_the_weights_are_refused(saved: Path) -> None:
    with pytest.raises(OptionError, match=r"got denoiser=.* for the generator 'flow', which differs"):
        _restored(saved, denoiser={"plugin": "cspnet"})


def test_a_card_says_what_it_is_and_verifies(saved: Path) -> None:
    assert verify_weights(saved) == read_card(saved)
    assert len(read_card(saved).sha256) == 64
    assert math.isclose(read_card(saved).max_atoms, 20)
