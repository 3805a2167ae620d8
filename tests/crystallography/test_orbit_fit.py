"""Fitting within a space group: the reduced description says the same as the full one, with fewer numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.structure_fit.chemistry import OrbitChemistry
from pxrdgen_crystallography.structure_fit.contact_prior import ContactPenalty, OrbitContacts
from pxrdgen_crystallography.structure_fit.coordinate_fit import fit_coordinates
from pxrdgen_crystallography.structure_fit.grouped_model import GroupedModel, GroupedParameters
from pxrdgen_crystallography.structure_fit.orbit_fit import fit_orbits
from pxrdgen_crystallography.structure_fit.orbit_model import (
    OrbitMap,
    OrbitModel,
    OrbitParameters,
    SymmetricReflections,
)
from pxrdgen_crystallography.structure_fit.valence_prior import OrbitValences, ValencePenalty
from pxrdgen_crystallography.symmetry.freedom import free_coordinates
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry

TargetOf = Callable[[str], IntensityTarget]
Described = tuple[IntensityTarget, SymmetricReflections, OrbitMap]


@pytest.fixture(params=["rutile", "quartz"])
def described(request: pytest.FixtureRequest, target_of: TargetOf, known: dict[str, Crystal]) -> Described:
    target, symmetry = target_of(request.param), find_symmetry(known[request.param])
    reflections = SymmetricReflections(target, symmetry.rotations, symmetry.translations)
    atoms = len(symmetry.crystal)
    linear = torch.as_tensor(free_coordinates(symmetry), dtype=torch.float32).reshape(atoms, 3, -1)
    _, orbit = np.unique(symmetry.orbits, return_inverse=True)
    constant = torch.as_tensor(symmetry.crystal.frac_coords, dtype=torch.float32)
    return target, reflections, OrbitMap(linear=linear, constant=constant, orbit=torch.as_tensor(orbit))


def free_of(orbits: OrbitMap, size: float = 0.2, count: int = 5) -> torch.Tensor:
    return size * (torch.rand(count, orbits.freedom, generator=torch.Generator().manual_seed(1)) - 0.5)


def full(orbits: OrbitMap, one: OrbitParameters) -> GroupedParameters:
    return GroupedParameters(frac_coords=orbits.coordinates(one.free), log_scale=one.log_scale, u_iso=one.u_iso)


def test_reduced_reflections_give_the_same_residuals_and_derivatives(described: Described) -> None:
    target, reflections, orbits = described
    assert len(reflections) < 0.4 * target.hkl.shape[0]
    model, whole = OrbitModel(reflections, orbits), GroupedModel(target)
    start = model.start(free_of(orbits))
    residual, jacobian = model.residual_and_jacobian(start)
    expected, columns = whole.residual_and_jacobian(full(orbits, start))
    assert residual.numpy() == pytest.approx(expected.numpy(), abs=2e-4)
    size = 3 * orbits.linear.shape[0]
    along = columns[..., :size] @ orbits.linear.reshape(size, -1)
    assert jacobian[..., : orbits.freedom].numpy() == pytest.approx(along.numpy(), abs=5e-3, rel=1e-3)
    assert jacobian[..., orbits.freedom :].numpy() == pytest.approx(columns[..., size:].numpy(), abs=5e-3, rel=1e-3)


def test_contacts_seen_from_one_atom_of_each_orbit_cost_the_same(described: Described) -> None:
    target, _, orbits = described
    free = free_of(orbits, 0.5)
    value, matrix, gradient = OrbitContacts(target, orbits).value_and_normal(free)
    whole = ContactPenalty(target.species, target.basis).value_and_normal(orbits.coordinates(free))
    linear = orbits.linear.reshape(-1, orbits.freedom)
    assert float(value.max()) > 1e-3
    assert value.numpy() == pytest.approx(whole[0].numpy(), abs=1e-5)
    assert matrix.numpy() == pytest.approx((linear.T @ whole[1] @ linear).numpy(), abs=2e-3)
    assert gradient.numpy() == pytest.approx((whole[2] @ linear).numpy(), abs=1e-4)


def test_valences_seen_from_one_atom_of_each_orbit_cost_the_same(described: Described) -> None:
    target, _, orbits = described
    free = free_of(orbits, 0.3)
    value, matrix, gradient = OrbitValences(target, orbits).value_and_normal(free)
    whole = ValencePenalty(target.species, target.valence, target.basis).value_and_normal(orbits.coordinates(free))
    linear = orbits.linear.reshape(-1, orbits.freedom)
    assert float(value.max()) > 1e-4
    assert value.numpy() == pytest.approx(whole[0].numpy(), rel=1e-3, abs=1e-7)
    assert gradient.numpy() == pytest.approx((whole[2] @ linear).numpy(), rel=1e-2, abs=1e-5)
    assert matrix.shape == (linear.T @ whole[1] @ linear).shape


def test_displaced_atoms_come_home_in_their_free_coordinates(described: Described) -> None:
    target, reflections, orbits = described
    model = OrbitModel(reflections, orbits)
    fit = fit_orbits(model, OrbitChemistry(target, orbits), model.start(free_of(orbits, 0.1)), iterations=25)
    assert float(fit.score.min()) < 0.05
    moved = orbits.coordinates(fit.parameters.free[fit.score.argmin()][None])[0] - orbits.constant
    moved = (moved - moved.round()) @ target.basis
    assert float(torch.linalg.vector_norm(moved, dim=1).max()) < 0.05


def test_texture_factors_act_on_stars_as_on_their_members(described: Described) -> None:
    target, reflections, orbits = described
    texture = 0.5 + torch.rand(2, target.hkl.shape[0], generator=torch.Generator().manual_seed(2))
    model = OrbitModel(reflections, orbits)
    one = model.start(torch.zeros(1, orbits.freedom))
    ours = model.textured_misfits(one, texture)[0]
    theirs = GroupedModel(target).textured_misfits(full(orbits, one), texture)[0]
    assert ours.numpy() == pytest.approx(theirs.numpy(), abs=1e-4)


def test_each_arrangement_may_have_a_constraint_of_its_own(target_of: TargetOf, known: dict[str, Crystal]) -> None:
    target, symmetry = target_of("rutile"), find_symmetry(known["rutile"])
    columns = torch.as_tensor(free_coordinates(symmetry), dtype=torch.float32)
    still = torch.zeros_like(columns)
    start = GroupedModel(target).start(
        torch.as_tensor(symmetry.crystal.frac_coords, dtype=torch.float32)[None] + 0.1 * columns.reshape(1, 6, 3)
    )
    both = start.select(torch.tensor([0, 0]))
    fit = fit_coordinates(GroupedModel(target), both, iterations=20, constraint=torch.stack([columns, still]))
    assert torch.equal(fit.parameters.frac_coords[1], start.frac_coords[0])
    assert float(fit.score[0]) < 0.3 * float(fit.score[1])
