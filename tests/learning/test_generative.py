"""Gaussian paths and their samplers, held against distributions whose flow is known in closed form."""

from __future__ import annotations

import pytest
import torch

from pxrdgen_learning.generative.paths import CosineDiffusionPath, FlowPath, GaussianPath, clean_from, unit_variance
from pxrdgen_learning.generative.samplers import AncestralSampler, OdeSampler, Sampler

PATHS = (FlowPath(), CosineDiffusionPath())
MEAN, SPREAD = 1.5, 0.2


def posterior_mean(state: torch.Tensor, log_ratio: torch.Tensor) -> torch.Tensor:
    """E[x_1 | x] for data N(MEAN, SPREAD^2): what a perfect network answers."""
    alpha, sigma = torch.sigmoid(-2 * log_ratio).sqrt()[:, None], torch.sigmoid(2 * log_ratio).sqrt()[:, None]
    gain = SPREAD**2 * alpha / (alpha**2 * SPREAD**2 + sigma**2)
    return MEAN + gain * (state - alpha * MEAN)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_leads_from_noise_to_data(path: GaussianPath) -> None:
    clean, noise = torch.full((2, 3), 2.0), torch.full((2, 3), -1.0)
    state = path.state(clean, noise, torch.tensor([0.0, 1.0]))
    assert torch.allclose(state[0], noise[0], atol=1e-6)
    assert torch.allclose(state[1], clean[1], atol=1e-6)


def test_the_velocity_gives_the_data_back() -> None:
    rng = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(5, 6, generator=rng), torch.randn(5, 6, generator=rng)
    log_ratio = torch.linspace(-5.0, 3.0, 5)
    state, velocity = unit_variance(clean, noise, log_ratio)
    assert torch.allclose(clean_from(state, velocity, log_ratio), clean, atol=1e-5)


@pytest.mark.parametrize("path", PATHS)
def test_a_state_at_unit_variance_is_the_paths_state_rescaled(path: GaussianPath) -> None:
    rng = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(4, 6, generator=rng), torch.randn(4, 6, generator=rng)
    t = torch.tensor([0.2, 0.4, 0.6, 0.9])
    state, _ = unit_variance(clean, noise, path.log_ratio(t))
    scale = torch.hypot(path.alpha(t), path.sigma(t))[:, None]
    assert torch.allclose(path.state(clean, noise, t) / scale, state, atol=1e-5)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("sampler", [OdeSampler(steps=60), AncestralSampler(steps=60)])
def test_with_a_perfect_network_every_path_and_sampler_draws_from_the_data(
    path: GaussianPath, sampler: Sampler
) -> None:
    rng = torch.Generator().manual_seed(1)
    drawn = sampler.run(posterior_mean, path, torch.randn(20_000, 1, generator=rng), rng)
    assert abs(float(drawn.mean()) - MEAN) < 0.01
    assert abs(float(drawn.std()) - SPREAD) < 0.02


def test_both_paths_end_at_the_same_data_from_the_same_noise() -> None:
    """The deterministic flow of one distribution is one map, whatever path it is written in."""
    noise = torch.randn(50, 1, generator=torch.Generator().manual_seed(2))
    ends = [OdeSampler(steps=100).run(posterior_mean, path, noise, torch.Generator()) for path in PATHS]
    assert torch.allclose(ends[0], ends[1], atol=0.02)
