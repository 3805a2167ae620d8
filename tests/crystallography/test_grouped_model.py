"""Grouped intensities: they are the diffraction engine's sums, and their derivatives are right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import LABORATORY
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.decomposition.decompose import Decomposition
from pxrdgen_crystallography.diffraction import simulate_reflections
from pxrdgen_crystallography.diffraction.texture import march_dollase
from pxrdgen_crystallography.structure_fit.grouped_model import GroupedModel, GroupedParameters
from pxrdgen_crystallography.structure_fit.texture_fit import TextureFit, low_index_axes

TargetOf = Callable[[str], IntensityTarget]


@pytest.fixture
def double_precision() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def in_double(target: IntensityTarget) -> IntensityTarget:
    tensors = {field.name: getattr(target, field.name) for field in fields(target)}
    changed = {
        name: value.double() for name, value in tensors.items() if getattr(value, "dtype", None) == torch.float32
    }
    return replace(target, **changed)


def coords_of(crystal: Crystal) -> Tensor:
    return torch.as_tensor(crystal.frac_coords, dtype=torch.get_default_dtype())[None]


def unpacked(vector: Tensor, like: GroupedParameters) -> GroupedParameters:
    columns = like.frac_coords[0].numel()
    return replace(
        like,
        frac_coords=vector[:columns].reshape(like.frac_coords.shape),
        log_scale=vector[columns : columns + 1],
        u_iso=vector[columns + 1 :][None],
    )


@pytest.mark.parametrize("name", ["lopsided", "quartz"])
@pytest.mark.parametrize("textured", [False, True])
def test_the_jacobian_is_the_derivative_of_the_residual(
    name: str, textured: bool, target_of: TargetOf, known: dict[str, Crystal], double_precision: None
) -> None:
    target = in_double(target_of(name))
    model = GroupedModel(target)
    rng = torch.Generator().manual_seed(3)
    start = model.start(coords_of(known[name]) + 0.03 * torch.randn(1, len(known[name]), 3, generator=rng))
    if textured:
        start = replace(start, texture=0.5 + torch.rand(1, target.hkl.shape[0], generator=rng))
    start = replace(start, u_iso=0.004 + 0.01 * torch.rand(start.u_iso.shape, generator=rng))
    _, jacobian = model.residual_and_jacobian(start)
    vector = torch.cat([start.frac_coords.flatten(), start.log_scale, start.u_iso[0]])
    for column in range(len(vector)):
        step = torch.zeros_like(vector)
        step[column] = 1e-6
        plus, _ = model.residual_and_jacobian(unpacked(vector + step, start))
        minus, _ = model.residual_and_jacobian(unpacked(vector - step, start))
        expected = (plus - minus)[:, 0] / 2e-6
        tolerance = 1e-6 * (1.0 + float(expected.abs().max()))
        assert jacobian[0, :, column].numpy() == pytest.approx(expected.numpy(), abs=tolerance)


@pytest.mark.parametrize("name", ["fluorite", "rutile", "lopsided"])
def test_groups_are_sums_of_the_diffraction_engines_intensities(
    name: str, target_of: TargetOf, known: dict[str, Crystal]
) -> None:
    target, crystal = target_of(name), known[name]
    model = GroupedModel(target)
    groups = model.groups(model.start(coords_of(crystal), u_iso=0.012))[:, 0].numpy()
    batch = CrystalBatch.from_crystals([replace(crystal, u_iso=np.full(len(crystal), 0.012))], dtype=torch.float64)
    listed = simulate_reflections(batch, LABORATORY, two_theta_min=5.0, two_theta_max=85.0)
    by_index = dict(zip(map(tuple, listed.hkl[0].int().tolist()), listed.intensity[0].tolist(), strict=True))
    expected = np.zeros(target.num_groups)
    for hkl, group in zip(target.hkl.int().tolist(), target.group.tolist(), strict=True):
        mate = tuple(-index for index in hkl)
        expected[group] += by_index[tuple(hkl)] if tuple(hkl) in by_index else by_index[mate]
    # the engine averages Friedel mates as this model does, so only the scale differs
    assert groups / groups.sum() == pytest.approx(expected / expected.sum(), abs=2e-5)


def test_the_true_crystal_explains_its_own_pattern(target_of: TargetOf, known: dict[str, Crystal]) -> None:
    for name, crystal in known.items():
        model = GroupedModel(target_of(name))
        assert float(model.misfit(model.start(coords_of(crystal), u_iso=0.01))) < 0.03, name
        elsewhere = torch.rand(1, len(crystal), 3, generator=torch.Generator().manual_seed(1))
        assert float(model.misfit(model.start(elsewhere, u_iso=0.01))) > 0.1, name


def test_origin_and_hand_do_not_show(target_of: TargetOf, known: dict[str, Crystal]) -> None:
    model = GroupedModel(target_of("lopsided"))
    coords = coords_of(known["lopsided"]) + 0.02
    arrangements = torch.cat([coords, coords + torch.tensor([0.31, 0.77, 0.5]), -coords, coords + 1.0])
    misfit = model.misfit(model.start(arrangements))
    assert misfit.numpy() == pytest.approx(misfit[0].item(), abs=1e-5)


def test_like_atoms_may_change_places_but_unlike_ones_may_not(target_of: TargetOf, known: dict[str, Crystal]) -> None:
    model = GroupedModel(target_of("lopsided"))
    coords = coords_of(known["lopsided"])[0]  # O O Si Fe
    swapped = torch.stack([coords, coords[[1, 0, 2, 3]], coords[[0, 1, 3, 2]]])
    misfit = model.misfit(model.start(swapped)).tolist()
    assert misfit[1] == pytest.approx(misfit[0], abs=1e-5)
    assert misfit[2] > misfit[0] + 0.05


def test_each_arrangement_of_a_batch_is_computed_as_if_alone(target_of: TargetOf, known: dict[str, Crystal]) -> None:
    model = GroupedModel(target_of("quartz"))
    start = model.start(torch.rand(5, 9, 3, generator=torch.Generator().manual_seed(0)))
    residual, jacobian = model.residual_and_jacobian(start)
    for row in range(5):
        one, slope = model.residual_and_jacobian(start.select(torch.tensor([row])))
        assert one[:, 0].numpy() == pytest.approx(residual[:, row].numpy(), abs=1e-5)
        assert slope[0].numpy() == pytest.approx(jacobian[row].numpy(), abs=1e-3)


def test_atoms_out_of_order_are_refused(target_of: TargetOf) -> None:
    target = target_of("salt")
    with pytest.raises(ValueError, match="sorted by atomic number"):
        GroupedModel(replace(target, element_of=target.element_of.flip(0)))


def with_texture(
    target: IntensityTarget, crystal: Crystal, axis: tuple[int, int, int], ratio: float
) -> IntensityTarget:
    model = GroupedModel(target)
    factors = march_dollase(target.hkl, target.basis, torch.tensor(axis).float(), torch.tensor(ratio))
    true = replace(model.start(coords_of(crystal)), texture=factors[None])
    observed = model.groups(true)[:, 0]
    return replace(target, observed=observed / observed.mean())


def test_the_texture_of_the_sample_is_found(target_of: TargetOf, known: dict[str, Crystal]) -> None:
    target = with_texture(target_of("rutile"), known["rutile"], (0, 0, 1), 0.65)
    model = GroupedModel(target)
    plain = model.start(coords_of(known["rutile"]))
    fitted = TextureFit(target, model).fit(plain)[0]
    assert fitted.texture is not None
    expected = march_dollase(target.hkl, target.basis, torch.tensor([0.0, 0.0, 1.0]), torch.tensor(0.65))
    assert fitted.texture[0].numpy() == pytest.approx(expected.numpy(), rel=1e-4)
    assert float(model.misfit(fitted)) < 0.01 < 0.1 < float(model.misfit(plain))


def test_a_sample_without_texture_is_left_alone(target_of: TargetOf, known: dict[str, Crystal]) -> None:
    target = with_texture(target_of("rutile"), known["rutile"], (0, 0, 1), 1.0)
    model = GroupedModel(target)
    fitted = TextureFit(target, model).fit(model.start(coords_of(known["rutile"])))[0]
    assert fitted.texture is not None
    assert bool(fitted.texture.eq(1.0).all())


def test_the_textured_misfits_are_those_of_textured_parameters(target_of: TargetOf, known: dict[str, Crystal]) -> None:
    target = with_texture(target_of("quartz"), known["quartz"], (1, 0, 0), 1.35)
    model = GroupedModel(target)
    one = model.start(coords_of(known["quartz"]))
    factors = 0.5 + torch.rand(4, target.hkl.shape[0], generator=torch.Generator().manual_seed(2))
    misfit, log_scale = model.textured_misfits(one, factors)
    for row in range(4):
        direct = replace(one, texture=factors[row : row + 1], log_scale=log_scale[row : row + 1])
        assert float(model.misfit(direct)) == pytest.approx(float(misfit[row]), abs=1e-5)


def test_low_index_axes_name_each_plane_once() -> None:
    axes = low_index_axes()
    assert axes.shape == (13, 3)
    both = torch.cat([axes, -axes])
    assert len(torch.unique(both, dim=0)) == 26


def test_groups_cover_the_measured_lines_in_order(
    target_of: TargetOf, decomposed: Callable[[str], Decomposition]
) -> None:
    target = target_of("quartz")
    assert bool((target.group.diff() >= 0).all())
    assert torch.unique(target.group).tolist() == list(range(target.num_groups))
    assert float(target.observed.mean()) == pytest.approx(1.0, rel=1e-4)
    assert bool((target.group_d.diff() < 0).all())
    assert target.num_groups <= len(decomposed("quartz").lines)
