"""Batched least squares on grouped intensities, and the penalty that keeps atoms apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.structure_fit.chemistry import Chemistry
from pxrdgen_crystallography.structure_fit.contact_prior import STRENGTH, ContactPenalty, usual_contacts
from pxrdgen_crystallography.structure_fit.coordinate_fit import U_RANGE, fit_coordinates
from pxrdgen_crystallography.structure_fit.grouped_model import GroupedModel
from pxrdgen_crystallography.symmetry.freedom import free_coordinates
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry

TargetOf = Callable[[str], IntensityTarget]


def coords_of(crystal: Crystal) -> Tensor:
    return torch.as_tensor(crystal.frac_coords, dtype=torch.float32)


def displaced(crystal: Crystal, distance: float, count: int, seed: int = 0) -> Tensor:
    """[count, N, 3] with every atom moved by about ``distance`` A."""
    rng = torch.Generator().manual_seed(seed)
    moves = distance / 3**0.5 * torch.randn(count, len(crystal), 3, generator=rng)
    return coords_of(crystal) + moves @ torch.linalg.inv(torch.as_tensor(crystal.basis, dtype=torch.float32))


def distance_from(found: Tensor, crystal: Crystal) -> Tensor:
    """[M] largest distance (A) of any atom from its place, once the origins agree (common shift taken out)."""
    delta = found - coords_of(crystal)
    delta = delta - torch.round(delta)
    delta = (delta - delta.mean(dim=1, keepdim=True)) @ torch.as_tensor(crystal.basis, dtype=torch.float32)
    return torch.linalg.vector_norm(delta, dim=-1).amax(dim=1)


def exact(target_of: TargetOf, known: dict[str, Crystal], name: str) -> tuple[GroupedModel, IntensityTarget]:
    """The target whose intensities are the model's own, so that the minimum is exactly the crystal."""
    target = target_of(name)
    model = GroupedModel(target)
    observed = model.groups(model.start(coords_of(known[name])[None]))[:, 0]
    target = replace(target, observed=observed / observed.mean())
    return GroupedModel(target), target


@pytest.mark.parametrize("name", ["lopsided", "quartz"])
def test_displaced_crystals_come_home(name: str, target_of: TargetOf, known: dict[str, Crystal]) -> None:
    model, _ = exact(target_of, known, name)
    fit = fit_coordinates(model, model.start(displaced(known[name], 0.12, 16)), iterations=60)
    home = distance_from(fit.parameters.frac_coords, known[name]) < 1e-2
    assert int(home.sum()) >= 14
    assert float(fit.misfit[home].max()) < 1e-3
    assert float(distance_from(fit.parameters.frac_coords, known[name]).median()) < 2e-3


def test_atoms_fixed_by_symmetry_come_back_from_anywhere_nearby(target_of: TargetOf, known: dict[str, Crystal]) -> None:
    for name in ("fluorite", "perovskite"):
        model = GroupedModel(target_of(name))
        fit = fit_coordinates(model, model.start(displaced(known[name], 0.15, 8)), iterations=40)
        true = model.misfit(model.start(coords_of(known[name])[None], u_iso=0.01))
        assert bool((fit.misfit < true + 0.01).all()), name


def test_more_iterations_never_score_worse(target_of: TargetOf, known: dict[str, Crystal]) -> None:
    target = target_of("quartz")
    model, chemistry = GroupedModel(target), Chemistry(target)
    start = model.start(torch.rand(8, 9, 3, generator=torch.Generator().manual_seed(4)))
    before = chemistry.objective(model.misfit(start), start.frac_coords).score
    scores = [fit_coordinates(model, start, iterations=n, chemistry=chemistry).score for n in (0, 1, 2, 5, 10, 20)]
    assert scores[0].numpy() == pytest.approx(before.numpy(), rel=1e-5)
    for fewer, more in pairwise(scores):
        assert bool((more <= fewer + 1e-6).all())
    assert bool((scores[-1] < 0.8 * scores[0]).all())


def test_the_score_is_misfit_and_penalty_of_the_parameters_returned(target_of: TargetOf) -> None:
    target = target_of("rutile")
    model, chemistry = GroupedModel(target), Chemistry(target)
    start = model.start(torch.rand(6, 6, 3, generator=torch.Generator().manual_seed(5)))
    fit = fit_coordinates(model, start, iterations=12, chemistry=chemistry)
    misfit = model.misfit(fit.parameters)
    score = chemistry.objective(misfit, fit.parameters.frac_coords).score
    assert fit.misfit.numpy() == pytest.approx(misfit.numpy(), abs=1e-5)
    assert fit.score.numpy() == pytest.approx(score.numpy(), abs=1e-5)
    assert bool((fit.parameters.u_iso >= U_RANGE[0]).all())
    assert bool((fit.parameters.u_iso <= U_RANGE[1]).all())


def test_a_batch_gives_each_member_what_it_gets_alone(target_of: TargetOf, known: dict[str, Crystal]) -> None:
    target = target_of("quartz")
    model, chemistry = GroupedModel(target), Chemistry(target)
    start = model.start(displaced(known["quartz"], 0.2, 4, seed=1))
    together = fit_coordinates(model, start, iterations=8, chemistry=chemistry)
    for row in range(4):
        alone = fit_coordinates(model, start.select(torch.tensor([row])), iterations=8, chemistry=chemistry)
        assert float(alone.score[0]) == pytest.approx(float(together.score[row]), abs=2e-3)


def test_what_symmetry_fixes_stays_fixed(target_of: TargetOf, known: dict[str, Crystal]) -> None:
    crystal, target = known["rutile"], target_of("rutile")
    symmetry = find_symmetry(crystal)
    constraint = torch.as_tensor(free_coordinates(symmetry), dtype=torch.float32)
    assert constraint.shape == (18, 1)
    model = GroupedModel(target)
    begin = coords_of(symmetry.crystal)
    start = model.start((begin + 0.12 * constraint[:, 0].reshape(6, 3))[None])
    fit = fit_coordinates(model, start, iterations=30, constraint=constraint)
    moved = (fit.parameters.frac_coords[0] - begin).flatten()
    along = constraint @ (constraint.T @ moved)
    assert moved.numpy() == pytest.approx(along.numpy(), abs=1e-6)
    assert float(torch.linalg.vector_norm(moved)) < 0.01  # and x(O) came back


def test_displacement_parameters_move_only_when_free(target_of: TargetOf, known: dict[str, Crystal]) -> None:
    model = GroupedModel(target_of("quartz"))
    start = model.start(coords_of(known["quartz"])[None], u_iso=0.03)
    held = fit_coordinates(model, start, iterations=10, free_u=False)
    free = fit_coordinates(model, start, iterations=10)
    assert held.parameters.u_iso.numpy() == pytest.approx(0.03)
    assert float(free.parameters.u_iso.max()) < 0.029
    assert float(free.score[0]) < float(held.score[0])


def penalty_of(crystal: Crystal) -> ContactPenalty:
    return ContactPenalty(torch.as_tensor(crystal.species), torch.as_tensor(crystal.basis))


@pytest.mark.parametrize("name", ["salt", "fluorite", "perovskite", "rutile", "quartz"])
def test_real_crystals_have_no_short_contacts(name: str, known: dict[str, Crystal]) -> None:
    crystal = known[name]
    assert float(penalty_of(crystal).value(coords_of(crystal)[None])[0]) < 1e-4


def test_one_short_contact_costs_what_it_says() -> None:
    crystal = Crystal(species=np.array([11, 17]), frac_coords=np.array([[0.0] * 3, [0.1, 0, 0]]), basis=9.0 * np.eye(3))
    usual = usual_contacts(np.array([11, 17]))[0, 1]
    assert 2.2 < usual < 2.9
    expected = (STRENGTH * (1 - 0.9 / usual)) ** 2
    penalty = penalty_of(crystal)
    assert float(penalty.value(coords_of(crystal)[None])[0]) == pytest.approx(expected, rel=1e-4)
    across = coords_of(crystal)[None].clone()
    across[0, 1, 0] = 0.9  # as close, through the wall of the cell
    assert float(penalty.value(across)[0]) == pytest.approx(expected, rel=1e-4)


def test_the_penalty_of_crowded_atoms_has_the_gradient_it_claims() -> None:
    rng = np.random.default_rng(6)
    crystal = Crystal(species=np.array([8, 8, 14, 26]), frac_coords=rng.random((4, 3)), basis=4.0 * np.eye(3))
    penalty, coords = penalty_of(crystal), torch.rand(3, 4, 3, generator=torch.Generator().manual_seed(7))
    value, matrix, gradient = penalty.value_and_normal(coords)
    assert bool((value > 0.003).all())
    step = 2e-3
    for column in range(12):
        move = torch.zeros(12)
        move[column] = step
        plus = penalty.value_and_normal(coords + move.reshape(4, 3))[0]
        minus = penalty.value_and_normal(coords - move.reshape(4, 3))[0]
        # the gradient is that of half the penalty, as J^T r is of half the sum of squares
        assert gradient[:, column].numpy() == pytest.approx(((plus - minus) / (4 * step)).numpy(), abs=3e-3)
    assert matrix.numpy() == pytest.approx(matrix.transpose(1, 2).numpy(), abs=1e-6)
    assert float(torch.linalg.eigvalsh(matrix.double()).min()) > -1e-6
    everywhere = torch.tensor([0.3, -0.2, 0.1]).repeat(4)
    assert (matrix @ everywhere).numpy() == pytest.approx(0.0, abs=1e-5)  # a common shift costs nothing


def test_the_normal_matrix_is_that_of_the_overlaps() -> None:
    crystal = Crystal(species=np.array([8, 14]), frac_coords=np.array([[0.1] * 3, [0.25] * 3]), basis=5.0 * np.eye(3))
    penalty, coords = penalty_of(crystal), coords_of(crystal)[None]
    _, matrix, gradient = penalty.value_and_normal(coords)
    value = float(penalty.value(coords)[0])
    # one overlap r: matrix = g g^T and gradient = r g, so gradient gradient^T = r^2 matrix
    outer = torch.outer(gradient[0], gradient[0])
    assert outer.numpy() == pytest.approx((value * matrix[0]).numpy(), abs=1e-6)
    assert value > 0


def test_contacts_push_atoms_apart_where_intensities_say_nothing(
    target_of: TargetOf, known: dict[str, Crystal]
) -> None:
    target = target_of("quartz")
    model, chemistry = GroupedModel(target), Chemistry(target)
    start = model.start(torch.rand(12, 9, 3, generator=torch.Generator().manual_seed(8)))
    without = fit_coordinates(model, start, iterations=20)
    kept = fit_coordinates(model, start, iterations=20, chemistry=chemistry)
    assert float(chemistry.contacts.value(kept.parameters.frac_coords).mean()) < 0.3 * float(
        chemistry.contacts.value(without.parameters.frac_coords).mean()
    )
