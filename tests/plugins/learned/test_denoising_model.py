"""Flow and diffusion as generative models: losses, sampling, and learning a few crystals by heart."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pxrdgen.errors import OptionError
from pxrdgen.interfaces.denoiser import Denoiser
from pxrdgen_generators.conditions import Condition
from pxrdgen_generators.denoisers.attention import AttentionDenoiser
from pxrdgen_generators.denoisers.cspnet import CspNetDenoiser
from pxrdgen_generators.denoising_model import DenoisingModel
from pxrdgen_generators.diffusion import diffusion_model
from pxrdgen_generators.flow import flow_model
from pxrdgen_generators.options import AttentionOptions, CspNetOptions, DiffusionOptions, FlowOptions
from pxrdgen_learning.generative.cell_coordinates import LengthsAngles
from pxrdgen_learning.training.batch import Rows, make_batch
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.loop import fit
from pxrdgen_learning.training.options import TrainingOptions
from pxrdgen_learning.training.schedule import Schedule
from pxrdgen_learning.training.simulation_options import SimulationOptions

CLEAN = SimulationOptions(clean_fraction=1.0)
STEPS = 300


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def attention(width: int = 16) -> Denoiser:
    torch.manual_seed(0)
    return AttentionDenoiser(
        AttentionOptions(width=width, layers=2, heads=4, peak_width=16, pair_hidden=24, pair_width=8)
    )


def cspnet() -> Denoiser:
    torch.manual_seed(0)
    return CspNetDenoiser(CspNetOptions(width=16, layers=2, frequencies=4))


def models(cell: str, **more: object) -> list[DenoisingModel]:
    common = {"cell": cell, "pattern_dropout": 0.0, "steps": 6, **more}
    return [
        make(options.model_validate(common), net())  # type: ignore[operator]
        for make, options in ((flow_model, FlowOptions), (diffusion_model, DiffusionOptions))
        for net in (attention, cspnet)
    ]


def trained(model: DenoisingModel, corpus: Corpus, folder: object, steps: int = STEPS) -> None:
    training = TrainingOptions(
        steps=steps,
        learning_rate=4e-3,
        warmup=20,
        atoms=96,
        per_step=1,
        checkpoint_every=10_000,
        threads=1,
        simulation=CLEAN,
    )
    schedule = Schedule(peak=4e-3, warmup=20, cooldown_start=steps // 2, cooldown_steps=steps // 2)
    fit(model, corpus, folder, training, schedule=schedule)  # type: ignore[arg-type]
    model.network.eval()


@pytest.mark.parametrize("cell", ["given", "generated"])
def test_a_loss_is_a_crystals_own_and_repeats_with_its_seed(cell: str, corpus: Corpus) -> None:
    batch = make_batch(corpus, Rows(size=5, rows=torch.arange(4)), CLEAN, seeded())
    for model in models(cell):
        losses = model.loss(batch, seeded(2))
        assert losses.shape == (4,)
        assert bool(torch.isfinite(losses).all())
        assert torch.equal(losses, model.loss(batch, seeded(2)))
        assert not torch.equal(losses, model.loss(batch, seeded(3)))


@pytest.mark.parametrize("cell", ["given", "generated"])
def test_gradients_reach_every_parameter_but_those_of_the_pattern_nobody_shows(cell: str, corpus: Corpus) -> None:
    batch = make_batch(corpus, Rows(size=5, rows=torch.arange(4)), CLEAN, seeded())
    for model in models(cell):
        head = next(module for name, module in model.network.named_modules() if name.endswith("head"))
        if isinstance(head, torch.nn.Linear):
            torch.nn.init.normal_(head.weight)  # an untrained one is zero and lets nothing through
        model.loss(batch, seeded(2)).sum().backward()
        silent = [name for name, p in model.network.named_parameters() if p.grad is None]
        assert not silent, silent


@pytest.mark.parametrize("cell", ["given", "generated"])
def test_samples_have_their_shape_and_repeat_with_the_seed(
    cell: str, corpus: Corpus, told: Callable[[Corpus, Tensor], Condition]
) -> None:
    condition = told(corpus, torch.tensor([0]))
    for model in models(cell):
        model.network.eval()
        find = cell == "generated"
        found = model.sample(condition, 3, seeded(), generate_cell=find, record=True)
        assert found.frac_coords.shape == (3, 5, 3)
        assert found.basis.shape == (3, 3, 3)
        assert bool((found.frac_coords >= 0).all() & (found.frac_coords < 1).all())
        assert len(found.path) == 6
        again = model.sample(condition, 3, seeded(), generate_cell=find)
        assert torch.equal(found.frac_coords, again.frac_coords)
        given = bool(torch.allclose(found.basis, condition.basis.expand(3, 3, 3)))
        assert given == (not find)


def test_what_was_not_trained_is_refused(corpus: Corpus, told: Callable[[Corpus, Tensor], Condition]) -> None:
    condition = told(corpus, torch.tensor([0]))
    given, generated = models("given")[0], models("generated")[0]
    with pytest.raises(OptionError, match="trained with the cell given"):
        given.sample(condition, 1, seeded(), generate_cell=True)
    with pytest.raises(OptionError, match="trained with the cell generated"):
        generated.sample(condition, 1, seeded())
    with pytest.raises(OptionError, match=r"expected a subclass of .*Denoiser"):
        flow_model(FlowOptions(), torch.nn.Linear(2, 2))


def test_a_late_start_takes_fewer_steps_and_leaves_a_record(
    corpus: Corpus, told: Callable[[Corpus, Tensor], Condition]
) -> None:
    model = flow_model(FlowOptions(steps=20), attention())
    start = corpus.groups[5].frac_coords[:1].expand(3, -1, -1)
    found = model.sample(told(corpus, torch.tensor([0])), 3, seeded(), start=start, time=0.5, record=True)
    assert len(found.path) == 10


def test_the_published_sampler_calls_the_network_twice_a_step(
    corpus: Corpus, told: Callable[[Corpus, Tensor], Condition]
) -> None:
    net = cspnet()
    calls = []
    net.register_forward_hook(lambda *_: calls.append(1))
    for sampler, expected in (("ancestral", 6), ("predictor-corrector", 12)):
        calls.clear()
        model = diffusion_model(DiffusionOptions(sampler=sampler, steps=6), net)  # type: ignore[arg-type]
        model.sample(told(corpus, torch.tensor([0])), 2, seeded())
        assert len(calls) == expected


@pytest.mark.parametrize("kind", ["diffusion", "either"])
def test_a_few_crystals_are_learned_by_heart(
    kind: str,
    polymorphs: Corpus,
    many: Callable[[Corpus, int], Corpus],
    told: Callable[[Corpus, Tensor], Condition],
    distance: Callable[[Corpus, int, Tensor], Tensor],
    tmp_path: object,
) -> None:
    """By the diffusion, and by a flow that is given the cell half of the time; the plain flow has a test of its own."""
    more = {"pattern_dropout": 0.0, "steps": 25}
    model = (
        diffusion_model(DiffusionOptions.model_validate(more), attention(32))
        if kind == "diffusion"
        else flow_model(FlowOptions.model_validate({**more, "cell": "either", "cell_weight": 1.0}), attention(32))
    )
    trained(model, many(polymorphs, 16), tmp_path, steps=STEPS if kind == "diffusion" else 3 * STEPS // 2)
    conditions = [told(polymorphs, torch.tensor([row])) for row in range(3)]
    home = [
        distance(polymorphs, row, model.sample(conditions[row], 10, seeded(row)).frac_coords) < 0.35 for row in range(3)
    ]
    assert float(torch.cat(home).float().mean()) >= 0.85
    if kind == "either":
        truth = polymorphs.groups[2].basis
        numbers = LengthsAngles()
        for row in range(3):
            found = model.sample(conditions[row], 10, seeded(row), generate_cell=True).basis
            off = (found.det().median() / truth[row].det() - 1.0).abs()
            assert float(off) < 0.1, (numbers.of(found, 2).median(0), numbers.of(truth[row : row + 1], 2))
