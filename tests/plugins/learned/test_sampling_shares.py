"""What samples of one crystal have in common is computed once, in pieces, and anywhere; the samples stay the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from pxrdgen.interfaces.denoiser import Denoiser
from pxrdgen_generators import denoising_model
from pxrdgen_generators.conditions import Condition
from pxrdgen_generators.denoisers.activations import gelu, silu
from pxrdgen_generators.denoisers.attention import AttentionDenoiser
from pxrdgen_generators.denoisers.conditioned import ConditionedDenoiser
from pxrdgen_generators.denoisers.cspnet import CspNetDenoiser
from pxrdgen_generators.denoisers.pairs import (
    PATTERSON,
    PATTERSON_GRADIENT,
    SHELL_GRADIENTS,
    pair_features,
    pair_tables,
)
from pxrdgen_generators.denoising_model import DenoisingModel
from pxrdgen_generators.diffusion import diffusion_model
from pxrdgen_generators.flow import flow_model
from pxrdgen_generators.manifolds import minimum_image
from pxrdgen_generators.options import AttentionOptions, CspNetOptions, DiffusionOptions, FlowOptions
from pxrdgen_learning.training.batch import Rows, make_batch
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.simulation_options import SimulationOptions

SMALL = AttentionOptions(width=16, layers=3, heads=2, peak_width=8, pair_hidden=16, pair_width=4)
Told = Callable[[Corpus, Tensor], Condition]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def attention() -> Denoiser:
    """A network that does something: the head of an untrained one is zero."""
    torch.manual_seed(1)
    built = AttentionDenoiser(SMALL)
    nn.init.normal_(built.head.weight, std=0.3)
    for block in built.blocks:
        nn.init.normal_(block.modulation.weight, std=0.2)
    return built.eval()


def cspnet() -> Denoiser:
    torch.manual_seed(1)
    return CspNetDenoiser(CspNetOptions(width=24, layers=2, frequencies=4)).eval()


def models(cell: str) -> list[DenoisingModel]:
    return [
        flow_model(FlowOptions(cell=cell, steps=5), attention()),  # type: ignore[arg-type]
        diffusion_model(DiffusionOptions(cell=cell, steps=5), cspnet()),  # type: ignore[arg-type]
    ]


def together(condition: Condition, count: int) -> Condition:
    """One crystal's condition, ``count`` times over."""
    own = {name: value for name, value in vars(condition).items() if isinstance(value, Tensor)}
    return replace(condition, **{name: value.repeat(count, *[1] * (value.ndim - 1)) for name, value in own.items()})


@pytest.mark.parametrize("build", [attention, cspnet], ids=["attention", "cspnet"])
def test_one_condition_serves_all_samples(build: Callable[[], Denoiser], corpus: Corpus, told: Told) -> None:
    net, one = build(), told(corpus, torch.tensor([2]))
    state, t = torch.rand(6, 5, 3, generator=seeded()), torch.full((6,), 0.3)
    apart = net(state, t, together(one, 6)).atoms
    with torch.no_grad():
        shared = net(state, t[:1], one, net.encode(one)).atoms
    assert float(apart.detach().abs().max()) > 0.05
    assert torch.allclose(shared, apart, atol=1e-5)


@pytest.mark.parametrize("build", [attention, cspnet], ids=["attention", "cspnet"])
def test_one_condition_serves_all_cells(build: Callable[[], Denoiser], corpus: Corpus, told: Told) -> None:
    torch.manual_seed(3)
    net = ConditionedDenoiser(build(), None, cell_numbers=6).eval()
    cells = torch.randn(4, 6, generator=seeded(1))
    bases = told(corpus, torch.arange(4)).basis
    one = told(corpus, torch.tensor([2]))
    state, t = torch.rand(4, 5, 3, generator=seeded()), torch.full((4,), 0.3)
    apart = net(state, t, together(one, 4).without_cell(bases, cells))
    shared_condition = one.without_cell(bases, cells)
    with torch.no_grad():
        shared = net(state, t[:1], shared_condition, net.encode(shared_condition))
    assert torch.allclose(shared.atoms, apart.atoms, atol=1e-5)
    assert shared.cell is not None
    assert apart.cell is not None
    assert torch.allclose(shared.cell, apart.cell, atol=1e-5)


@pytest.mark.parametrize("cell", ["given", "generated"])
def test_the_pattern_is_looked_at_once_a_sample(cell: str, corpus: Corpus, told: Told) -> None:
    model, seen = models(cell)[0], []
    (encoder,) = (module for name, module in model.network.named_modules() if name.endswith("peak_encoder"))
    encoder.register_forward_hook(lambda _module, inputs, _output: seen.append(len(inputs[0])))
    model.sample(told(corpus, torch.tensor([0])), 7, seeded(), generate_cell=cell == "generated")
    assert seen == [1]


@pytest.mark.parametrize("cell", ["given", "generated"])
def test_samples_do_not_depend_on_how_many_the_network_sees_at_once(
    cell: str, corpus: Corpus, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = told(corpus, torch.tensor([1]))
    for model in models(cell):
        whole = model.sample(one, 5, seeded(), generate_cell=cell == "generated")
        with monkeypatch.context() as patch:
            patch.setattr(denoising_model, "_ATOMS_AT_ONCE", 10)
            pieces = model.sample(one, 5, seeded(), generate_cell=cell == "generated")
        gap = whole.frac_coords - pieces.frac_coords
        assert float((gap - gap.round()).abs().max()) < 1e-4
        assert torch.allclose(whole.basis, pieces.basis, atol=1e-4)


@pytest.mark.parametrize("cell", ["given", "generated"])
def test_no_tensor_is_made_on_whatever_device_is_the_default(cell: str, corpus: Corpus, told: Told) -> None:
    """A stray tensor would be on ``meta`` and refuse to mix."""
    one, rows = told(corpus, torch.tensor([1])), Rows(size=5, rows=torch.arange(4))
    batch = make_batch(corpus, rows, SimulationOptions(), seeded())
    for model in models(cell):
        plain = model.sample(one, 2, seeded(), generate_cell=cell == "generated").frac_coords
        loss = model.loss(batch, seeded(4)).detach()
        with torch.device("meta"):
            rng = torch.Generator(device="cpu")
            again = model.sample(one, 2, rng.manual_seed(0), generate_cell=cell == "generated").frac_coords
            assert torch.equal(model.loss(batch, rng.manual_seed(4)).detach(), loss)
        assert torch.equal(again, plain)


class ReadBacks(TorchDispatchMode):
    """Counts what would wait for a device: numbers of single precision, or of no floating point, that Python reads."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        reading = func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        self.count += reading and args[0].dtype != torch.float64  # times and levels are doubles and never on a device
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("cell", ["given", "generated"])
def test_no_step_waits_for_a_device(cell: str, corpus: Corpus, told: Told) -> None:
    one = told(corpus, torch.tensor([0]))
    for model in models(cell):
        counts = []
        for steps in (2, 9):
            with ReadBacks() as seen:
                replace(model, steps=steps).sample(one, 3, seeded(), generate_cell=cell == "generated")
            counts.append(seen.count)
        assert counts[0] == counts[1]


def test_pair_features_are_what_they_are_said_to_be(corpus: Corpus, told: Told) -> None:
    """Against sums written out for a single pair."""
    one = told(corpus, torch.tensor([3]))
    state = torch.rand(1, 5, 3, generator=seeded(5))
    features = pair_features(state, one, pair_tables(one))[0]
    basis, length = one.basis[0], float(one.length)
    grid = torch.arange(-1.0, 2.0)
    shifts = torch.cartesian_prod(grid, grid, grid)
    slopes = one.hkl[0] @ torch.linalg.inv(basis).T
    for i, j in ((0, 3), (3, 0), (2, 2)):
        u = state[0, j] - state[0, i]
        vectors = (u - u.round() + shifts) @ basis
        squared = (vectors**2).sum(-1)
        nearest = minimum_image(u[None, None], basis[None])[0, 0]
        angles = (u[:, None] * 2 * torch.pi * torch.arange(1, 6)).flatten()
        distance = nearest.norm()
        geometry = torch.cat(
            [
                angles.sin(),
                angles.cos(),
                torch.exp(-(((distance - torch.linspace(0, 6, 20)) / 0.35) ** 2)),
                nearest / (distance + 0.1),
                nearest / length,
                (vectors * torch.exp(-squared / 4)[:, None]).sum(0),
                torch.stack([torch.exp(-squared / width**2).sum() for width in (0.8, 1.4, 2.2, 3.2)]),
            ]
        )
        assert torch.allclose(features[i, j, : PATTERSON.start], geometry, atol=2e-5)
        phase = 2 * torch.pi * one.hkl[0] @ u
        values = (one.patterson[0] * phase.cos()).sum(-1)
        slope = -torch.pi * (one.patterson[0] * phase.sin())[:, :, None] * slopes
        assert torch.allclose(features[i, j, PATTERSON], values, atol=2e-4)
        assert torch.allclose(features[i, j, PATTERSON_GRADIENT], slope.sum((0, 1)), atol=5e-4)
        assert torch.allclose(features[i, j, SHELL_GRADIENTS], slope[:-1].sum(1).flatten(), atol=5e-4)


def test_activations_are_the_same_with_and_without_a_gradient() -> None:
    x = torch.linspace(-6.0, 6.0, 200)
    for own, reference in ((silu, nn.functional.silu), (gelu, partial(nn.functional.gelu, approximate="tanh"))):
        with torch.no_grad():
            overwritten = own(x.clone())
        assert torch.allclose(own(x), reference(x))
        assert torch.allclose(overwritten, reference(x), atol=1e-6)
