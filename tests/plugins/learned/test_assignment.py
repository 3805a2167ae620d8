"""Assignments of least cost, on the processor and on a GPU."""

from __future__ import annotations

import itertools

import pytest
import torch

from pxrdgen_generators.assignment import FORBIDDEN, assign


def problems(count: int, size: int, device: str = "cpu") -> torch.Tensor:
    """Squared distances of atoms of up to three elements."""
    rng = torch.Generator().manual_seed(size)
    species = torch.randint(0, 3, (count, size), generator=rng).sort(dim=1).values
    costs = 30.0 * torch.rand(count, size, size, generator=rng)
    return costs.masked_fill(species[:, :, None] != species[:, None], FORBIDDEN).to(device)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_no_permutation_is_cheaper(size: int) -> None:
    costs = problems(20, size)
    found = costs.gather(2, assign(costs)[..., None]).sum(dim=(1, 2))
    rows = torch.arange(size)
    every = torch.stack([costs[:, rows, list(order)].sum(1) for order in itertools.permutations(range(size))])
    assert torch.allclose(found, every.amin(0))


def test_leading_dimensions_are_kept() -> None:
    costs = problems(6, 4)
    assert torch.equal(assign(costs.view(2, 3, 4, 4)), assign(costs).view(2, 3, 4))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("size", [1, 2, 9, 20, 28])
def test_a_gpu_finds_costs_as_low(size: int) -> None:
    costs = problems(300, size)
    there = assign(costs.cuda()).cpu()
    assert torch.equal(there.sort(dim=1).values, torch.arange(size).expand(300, -1))
    best = costs.gather(2, assign(costs)[..., None]).sum(dim=(1, 2))
    assert torch.allclose(costs.gather(2, there[..., None]).sum(dim=(1, 2)), best)
