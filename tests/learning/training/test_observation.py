"""What a network sees of a crystal: the closed form where it is clean, something finite where it is not."""

from __future__ import annotations

import math

import pytest
import torch

from pxrdgen.values.instrument import CUKA
from pxrdgen_crystallography.scattering.amplitudes import scattering_of
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.simulation import observe
from pxrdgen_learning.training.simulation_options import SimulationOptions

from .toy import CLEAN


@pytest.mark.parametrize("index", [(0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 1.0)])
def test_a_clean_observation_is_the_closed_form(corpus: Corpus, index: tuple[float, ...]) -> None:
    """CsCl type: F = f1 + f2 for h + k + l even, f1 - f2 for odd; a line collects its multiplicity."""
    group = corpus.groups[2]
    observed, _ = observe(group.crystals(torch.tensor([0])), CLEAN, torch.Generator().manual_seed(0))
    members = (observed.hkl[0].abs().sort(dim=1).values == torch.tensor(index)).all(dim=1)
    (line,) = set(observed.group[0][members].tolist())
    s_squared = torch.tensor([[sum(index) / (4.0 * 3.0**2)]], dtype=torch.float64)
    factors, species = scattering_of(CUKA), torch.tensor([[11, 17]])
    f = factors.normal(species, s_squared)[0, :, 0] + 1j * factors.f_double_prime[species[0]]
    sign = 1.0 if sum(index) % 2 == 0 else -1.0
    closed = abs(f[0] + sign * f[1]) ** 2 * torch.exp(-16 * math.pi**2 * 0.01 * s_squared)
    assert float(observed.strength[0, line]) == pytest.approx(2 * int(members.sum()) * float(closed), rel=1e-4)


def test_every_reflection_counts_in_exactly_one_group(corpus: Corpus) -> None:
    observed, _ = observe(corpus.groups[3].crystals(torch.arange(4)), CLEAN, torch.Generator().manual_seed(1))
    assert bool((observed.group.diff(dim=1) >= 0).all())
    members = torch.zeros_like(observed.strength).scatter_add_(1, observed.group, observed.measured.float())
    assert bool(((members > 0) | (observed.strength == 0)).all())


def test_augmented_observations_stay_finite_and_differ(corpus: Corpus) -> None:
    crystals = corpus.groups[3].crystals(torch.arange(10))
    rough = SimulationOptions(clean_fraction=0.0)
    first, basis = observe(crystals, rough, torch.Generator().manual_seed(1))
    second, _ = observe(crystals, rough, torch.Generator().manual_seed(2))
    assert bool(torch.isfinite(first.strength).all())
    assert bool((first.strength >= 0).all())
    assert first.strength.shape != second.strength.shape or not torch.allclose(first.strength, second.strength)
    change = (basis - crystals.basis).norm(dim=(1, 2)) / crystals.basis.norm(dim=(1, 2))
    assert 1e-4 < float(change.min()) < float(change.max()) < 0.02
