"""What a denoiser may and may not depend on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pxrdgen.errors import OptionError
from pxrdgen.interfaces.denoiser import Denoiser
from pxrdgen.values.pattern_batch import PatternBatch, PatternFeatures
from pxrdgen_generators.conditions import Condition
from pxrdgen_generators.denoisers.attention import AttentionDenoiser
from pxrdgen_generators.denoisers.conditioned import ConditionedDenoiser
from pxrdgen_generators.denoisers.cspnet import CspNetDenoiser
from pxrdgen_generators.denoisers.pairs import pair_features
from pxrdgen_generators.manifolds import wrap
from pxrdgen_generators.options import AttentionOptions, CspNetOptions

SMALL = AttentionOptions(width=16, layers=2, heads=2, peak_width=8, pair_hidden=16, pair_width=4)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def attention() -> Denoiser:
    """A network that does something: the head of an untrained one is zero."""
    torch.manual_seed(1)
    built = AttentionDenoiser(SMALL)
    nn.init.normal_(built.head.weight)
    for block in built.blocks:
        nn.init.normal_(block.modulation.weight, std=0.2)
    return built.eval()


def cspnet() -> Denoiser:
    torch.manual_seed(1)
    return CspNetDenoiser(CspNetOptions(width=24, layers=2, frequencies=4)).eval()


def with_cell() -> Denoiser:
    torch.manual_seed(1)
    return ConditionedDenoiser(cspnet(), None, cell_numbers=6).eval()


@pytest.fixture(params=[attention, cspnet, with_cell], ids=["attention", "cspnet", "cell"])
def net(request: pytest.FixtureRequest) -> Denoiser:
    built: Denoiser = request.param()
    return built


@pytest.fixture
def state() -> Tensor:
    return torch.rand(4, 5, 3, generator=seeded())


def test_moving_all_atoms_changes_nothing(net: Denoiser, condition: Condition, state: Tensor) -> None:
    t = torch.full((4,), 0.4)
    here = net(state, t, condition).atoms.detach()
    there = net(wrap(state + torch.tensor([0.21, 0.68, 0.43])), t, condition).atoms
    assert float(here.abs().max()) > 0.01
    assert torch.allclose(here, there, atol=2e-3)


def test_exchanging_equal_atoms_exchanges_the_answers(net: Denoiser, condition: Condition, state: Tensor) -> None:
    t, order = torch.full((4,), 0.4), torch.tensor([2, 0, 1, 3, 4])
    assert torch.allclose(net(state, t, condition).atoms[:, order], net(state[:, order], t, condition).atoms, atol=1e-4)


def test_answers_have_mean_zero_and_depend_on_time(net: Denoiser, condition: Condition, state: Tensor) -> None:
    t = torch.full((4,), 0.4)
    answer = net(state, t, condition).atoms.detach()
    assert float(answer.mean(dim=1).abs().max()) < 1e-5
    assert not torch.allclose(answer, net(state, t + 0.3, condition).atoms, atol=1e-4)


def test_attention_looks_at_the_pattern(condition: Condition, state: Tensor) -> None:
    net, t = attention(), torch.full((4,), 0.4)
    answer = net(state, t, condition).atoms
    blind = net(state, t, condition.blinded(torch.tensor([True, False, False, False]))).atoms
    assert not torch.allclose(answer[0], blind[0], atol=1e-3)
    assert torch.allclose(answer[1:], blind[1:], atol=1e-5)


def test_a_batch_is_its_members(net: Denoiser, condition: Condition, state: Tensor) -> None:
    t = torch.tensor([0.1, 0.4, 0.7, 0.9])
    together = net(state, t, condition).atoms
    rows = [slice(row, row + 1) for row in range(4)]
    apart = torch.cat([net(state[row], t[row], condition.rows(row)).atoms for row in rows])
    assert torch.allclose(together, apart, atol=1e-4)


def test_the_factorised_first_layer_is_the_product_with_everything_concatenated(state: Tensor) -> None:
    """W [h_i, h_j, f_ij, cell] = W_1 h_i + W_2 h_j + W_3 f_ij + W_4 cell."""
    layer = cspnet().layers[0]  # type: ignore[index]
    h, fourier, metric = torch.randn(4, 5, 24), torch.randn(4, 5, 5, 24), torch.randn(4, 9)
    weight = torch.cat([layer.receiver.weight, layer.sender.weight, layer.pair.weight, layer.cell.weight], dim=1)
    size = (4, 5, 5, -1)
    everything = torch.cat(
        [
            h[:, :, None].expand(size),
            h[:, None].expand(size),
            fourier,
            metric[:, None, None].expand(size),
        ],
        dim=-1,
    )
    naive = everything @ weight.T + layer.receiver.bias
    summed = (layer.receiver(h) + layer.cell(metric)[:, None])[:, :, None] + layer.sender(h)[:, None]
    assert torch.allclose(naive, layer.pair(fourier) + summed, atol=1e-4)


class LoudEncoder(nn.Module):
    """Says the number of peaks."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.dropout = nn.Dropout(0.5)

    width = 3
    grid = None

    def encode(self, patterns: PatternBatch) -> PatternFeatures:
        count = patterns.peak_mask.sum(1, keepdim=True).float()
        return PatternFeatures(vector=self.dropout(self.scale * torch.cat([count, -count, count**0.5], dim=-1)))


def patterns(count: int) -> PatternBatch:
    mask = torch.arange(6).expand(count, 6) < torch.arange(1, count + 1)[:, None]
    return PatternBatch(
        peaks=torch.rand(count, 6, 2, generator=seeded()),
        peak_mask=mask,
        q_range=torch.ones(count, 2),
        q_grid=torch.zeros(0),
        profile=torch.zeros(count, 0),
        measured=torch.zeros(count, 0, dtype=torch.bool),
    )


@pytest.mark.parametrize("inner", [attention, cspnet], ids=["attention", "cspnet"])
def test_an_encoder_is_heard(inner: Callable[[], Denoiser], condition: Condition, state: Tensor) -> None:
    from dataclasses import replace

    net = ConditionedDenoiser(inner(), LoudEncoder()).eval()  # type: ignore[arg-type]
    t = torch.full((4,), 0.4)
    quiet = net(state, t, condition).atoms
    heard = net(state, t, replace(condition, patterns=patterns(4))).atoms
    assert not torch.allclose(quiet, heard, atol=1e-4)


def test_an_encoder_that_cannot_learn_is_refused() -> None:
    with pytest.raises(OptionError, match="no torch module"):
        ConditionedDenoiser(cspnet(), object())  # type: ignore[arg-type]


def test_geometry_is_never_rounded(condition: Condition, state: Tensor) -> None:
    exact = pair_features(state, condition)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(pair_features(state, condition), exact)
