"""Automatic derivatives of intensities and profiles equal finite differences, in double precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import GSAS2_DEFAULT
from pxrdgen_crystallography.diffraction import simulate_profile, simulate_reflections

GRID = 10.0 + 0.02 * torch.arange(3001, dtype=torch.float64)
WIDTHS = {"zero": 0.02, "displacement": 0.03, "u": 3.0, "v": -1.5, "w": 6.0, "x": 1.2, "y": 4.0, "sh_l": 0.002}


def triclinic() -> CrystalBatch:
    """Two crystals without symmetry, of three and two atoms, nothing at a special position."""
    species = torch.tensor([[14, 8, 26], [11, 17, 0]])
    coords = [
        [[0.11, 0.23, 0.37], [0.52, 0.71, 0.84], [0.83, 0.41, 0.13]],
        [[0.05, 0.11, 0.21], [0.61, 0.45, 0.57], [0.0] * 3],
    ]
    basis = [[[3.9, 0.0, 0.0], [0.4, 4.6, 0.0], [-0.3, 0.5, 5.2]], [[4.1, 0.0, 0.1], [-0.2, 3.7, 0.0], [0.6, 0.3, 4.4]]]
    u_iso = [[0.008, 0.012, 0.005], [0.02, 0.015, 0.01]]
    return CrystalBatch(
        species=species,
        frac_coords=torch.tensor(coords, dtype=torch.float64),
        basis=torch.tensor(basis, dtype=torch.float64),
        mask=species > 0,
        u_iso=torch.tensor(u_iso, dtype=torch.float64),
    )


def f_squared(batch: CrystalBatch) -> Tensor:
    """A fixed mixture of all |F|^2 and intensities of a batch."""
    reflections = simulate_reflections(batch, GSAS2_DEFAULT, two_theta_min=10.0, two_theta_max=70.0)
    weights = torch.cos(torch.arange(reflections.mask.numel(), dtype=torch.float64)).view(reflections.mask.shape)
    return (weights * (reflections.f_squared + reflections.intensity)).sum()


def profile(batch: CrystalBatch) -> Tensor:
    """A smooth functional of both profiles."""
    curve = simulate_profile(batch, GSAS2_DEFAULT, GRID, reflection_range=(10.0, 70.0))
    return (curve * torch.sin(GRID * 15.0)).sum()


def assert_gradient(function: Callable[[Tensor], Tensor], at: Tensor, *, step: float, tolerance: float) -> None:
    """Compare with central differences along every entry of ``at``; errors relative to the largest derivative."""
    variable = at.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(variable), variable)
    assert bool(torch.isfinite(gradient).all())
    numeric = torch.zeros_like(at)
    for entry in range(at.numel()):
        move = torch.zeros_like(at).view(-1)
        move[entry] = step
        move = move.view(at.shape)
        with torch.no_grad():
            numeric.view(-1)[entry] = (function(at + move) - function(at - move)) / (2.0 * step)
    assert float(gradient.abs().max()) > 0.0
    assert float((gradient - numeric).abs().max()) <= tolerance * float(numeric.abs().max())


@pytest.mark.parametrize("outcome", [f_squared, profile])
@pytest.mark.parametrize("name", ["frac_coords", "u_iso"])
def test_derivatives_by_what_leaves_positions_alone(outcome: Callable[[CrystalBatch], Tensor], name: str) -> None:
    batch = triclinic()
    assert_gradient(
        lambda value: outcome(replace(batch, **{name: value})), getattr(batch, name), step=1e-5, tolerance=1e-7
    )


def test_derivatives_of_intensities_by_the_cell() -> None:
    batch = triclinic()
    assert_gradient(lambda basis: f_squared(replace(batch, basis=basis)), batch.basis, step=1e-6, tolerance=1e-7)


def test_derivatives_of_the_profile_by_the_cell() -> None:
    """Windows (50-75 full widths) end on whole grid points: the step is too small to move one past a point."""
    batch = triclinic()
    assert_gradient(lambda basis: profile(replace(batch, basis=basis)), batch.basis, step=1e-8, tolerance=2e-5)


@pytest.mark.parametrize("name", list(WIDTHS))
def test_derivatives_of_the_profile_by_instrument_parameters(name: str) -> None:
    instrument = replace(GSAS2_DEFAULT, **WIDTHS)
    batch = triclinic()

    def outcome(value: Tensor) -> Tensor:
        curve = simulate_profile(batch, replace(instrument, **{name: value}), GRID, reflection_range=(10.0, 70.0))
        return (curve * torch.sin(GRID * 15.0)).sum()

    step = {"zero": 1e-8, "displacement": 1e-8, "sh_l": 1e-8}.get(name, 1e-6)
    assert_gradient(outcome, torch.tensor(WIDTHS[name], dtype=torch.float64), step=step, tolerance=2e-5)


def test_padded_atoms_and_reflections_get_no_gradient_and_no_nan() -> None:
    batch = triclinic()
    coords, basis = batch.frac_coords.clone().requires_grad_(), batch.basis.clone().requires_grad_()
    assert batch.u_iso is not None
    profile(replace(batch, frac_coords=coords, basis=basis)).backward()
    assert coords.grad is not None
    assert basis.grad is not None
    assert bool(torch.isfinite(coords.grad).all())
    assert bool(torch.isfinite(basis.grad).all())
    assert bool((coords.grad[1, 2] == 0.0).all())


def test_a_symmetric_cell_has_finite_cell_gradients_where_lines_coincide() -> None:
    species = torch.tensor([[11, 17]])
    batch = CrystalBatch(
        species=species,
        frac_coords=torch.tensor([[[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]], dtype=torch.float64),
        basis=4.1 * torch.eye(3, dtype=torch.float64)[None],
        mask=species > 0,
    )
    assert_gradient(lambda basis: f_squared(replace(batch, basis=basis)), batch.basis, step=1e-6, tolerance=1e-7)
