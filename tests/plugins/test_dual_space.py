"""Dual space: maps, symmetry, texture and labels as they should be, and olivine found from random phases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.diffraction.texture import march_dollase
from pxrdgen_crystallography.symmetry.similar import same_structure
from pxrdgen_generators.dual_space.amplitudes import Amplitudes
from pxrdgen_generators.dual_space.arrangement import Group
from pxrdgen_generators.dual_space.flipping import flip_charges, random_phases
from pxrdgen_generators.dual_space.labels import Labeller
from pxrdgen_generators.dual_space.maps import FINE, Maps
from pxrdgen_generators.dual_space.options import DualSpaceOptions
from pxrdgen_generators.dual_space.orbits import find_orbits, least_distances
from pxrdgen_generators.dual_space.origins import find_origins, shifted
from pxrdgen_generators.dual_space.session import DualSpaceSession
from pxrdgen_generators.dual_space.texture_prior import TexturePrior
from pxrdgen_testing.samples import Sample, sample_of

#: Forsterite, Pbnm (Birle et al. 1968): element, x, y, z of each orbit.
ORBITS = (
    (12, 0.0, 0.0, 0.0),
    (12, 0.9915, 0.2774, 0.25),
    (14, 0.4262, 0.0940, 0.25),
    (8, 0.7657, 0.0913, 0.25),
    (8, 0.2215, 0.4474, 0.25),
    (8, 0.2777, 0.1628, 0.0331),
)


def _forsterite() -> Crystal:
    species, coords = [], []
    for element, x, y, z in ORBITS:
        half = 0.5
        images = [(x, y, z), (-x, -y, z + half), (half + x, half - y, -z), (half - x, half + y, half - z)]
        images += [tuple(-value for value in image) for image in images]
        points: list[np.ndarray] = []
        for image in np.array(images) % 1.0:
            if all(np.abs((image - point + 0.5) % 1.0 - 0.5).max() > 1e-6 for point in points):
                points.append(image)
        species += [element] * len(points)
        coords += points
    basis = UnitCell(4.753, 10.190, 5.978).basis
    return Crystal(
        species=np.array(species), frac_coords=np.array(coords), basis=basis, name="forsterite"
    ).sorted_by_species()


@pytest.fixture(scope="module")
def olivine() -> Sample:
    crystal = _forsterite()
    assert len(crystal) == 28
    return sample_of(crystal, "Mg2SiO4", z=4, high=100.0)


@pytest.fixture(scope="module")
def amplitudes(olivine: Sample) -> Amplitudes:
    return Amplitudes.of(olivine.target)


@pytest.fixture(scope="module")
def group(olivine: Sample, amplitudes: Amplitudes) -> Group:
    """Pbnm, whichever place it has among the ranked groups."""
    candidate = next(entry for entry in olivine.problem.groups if entry.space_group.number == 62)
    return Group.of(candidate, olivine.target, amplitudes.hkl)


def _true(olivine: Sample, amplitudes: Amplitudes) -> torch.Tensor:
    """[n] amplitudes of the crystal in the frame of the problem's primitive cell."""
    return amplitudes.of_atoms(olivine.crystal.frac_coords, olivine.target.element_of.numpy())


def _on_origin(olivine: Sample, amplitudes: Amplitudes, group: Group) -> torch.Tensor:
    """[1, n] the same with the group's origin, which need not be the crystal's."""
    own = _true(olivine, amplitudes)
    (shift,), (agreement,) = find_origins(own[None], Maps(amplitudes.hkl), group.symmetry, amplitudes.hkl)
    assert float(agreement) > 0.98
    return shifted(own, amplitudes.hkl, shift)[None]


def test_maps_and_amplitudes_are_each_others_inverse(amplitudes: Amplitudes) -> None:
    maps = Maps(amplitudes.hkl)
    waves = random_phases(amplitudes, 3, torch.Generator().manual_seed(0))
    back, mean = maps.amplitudes(maps.density(waves, torch.tensor([0.0, 2.0, 5.0])))
    assert torch.allclose(back, waves, atol=1e-4)
    assert mean.tolist() == pytest.approx([0.0, 2.0, 5.0], abs=1e-4)


def test_the_projection_gives_each_group_its_intensity(amplitudes: Amplitudes) -> None:
    waves = 0.3 * random_phases(amplitudes, 2, torch.Generator().manual_seed(1))
    projected = amplitudes.project(waves)
    free = amplitudes.start < 3.0
    whole = torch.ones(amplitudes.intensity.numel(), dtype=torch.bool)
    whole[amplitudes.group[~free]] = False
    sums = amplitudes.group_sums(projected**2)
    assert torch.allclose(sums[:, whole], amplitudes.intensity[whole].expand(2, -1), rtol=1e-3)


def test_a_group_leaves_the_amplitudes_of_its_crystal_alone(
    olivine: Sample, amplitudes: Amplitudes, group: Group
) -> None:
    own = _on_origin(olivine, amplitudes, group)
    assert torch.allclose(group.symmetry.symmetrise(own), own, atol=0.12 * float(own.abs().max()))
    assert float(own[:, group.symmetry.absent].abs().max()) < 0.02
    assert 0 < int(group.symmetry.absent.sum()) < len(amplitudes)
    # averaging twice is averaging once
    noise = random_phases(amplitudes, 2, torch.Generator().manual_seed(2))
    once = group.symmetry.symmetrise(noise)
    assert torch.allclose(group.symmetry.symmetrise(once), once, atol=1e-4)


def test_an_origin_that_was_moved_is_found(olivine: Sample, amplitudes: Amplitudes, group: Group) -> None:
    own = _on_origin(olivine, amplitudes, group)[0]
    maps = Maps(amplitudes.hkl)
    moved = shifted(own, amplitudes.hkl, torch.tensor([0.125, 0.25, 0.375]))
    shift, agreement = find_origins(moved[None], maps, group.symmetry, amplitudes.hkl)
    back = shifted(moved, amplitudes.hkl, shift[0])
    assert float(agreement[0]) > 0.95
    symmetric = group.symmetry.symmetrise(back[None])[0]
    assert float((symmetric - back).abs().mean()) < 0.1 * float(back.abs().mean())


def test_the_orbits_of_a_true_map_are_the_atoms_and_are_labelled_right(
    olivine: Sample, amplitudes: Amplitudes, group: Group
) -> None:
    own = _on_origin(olivine, amplitudes, group)
    basis = olivine.target.basis.double().numpy()
    density = Maps(amplitudes.hkl, FINE).density(own)[0].double().numpy()
    orbits = find_orbits(density, group.symmetry, basis, 28)
    assert [len(orbit) for orbit in orbits[:2]] == [4, 4]
    labeller = Labeller(orbits, olivine.target, group.reflections, None, np.random.default_rng(0))
    label = labeller.deal(0.0)
    assert label is not None
    objective, label = labeller.descend(label)
    assert objective < 0.1
    elements = olivine.target.elements.numpy()
    atoms = {
        element: sum(len(o) for o, k in zip(orbits, label, strict=True) if k == i) for i, element in enumerate(elements)
    }
    assert atoms == {8: 16, 12: 8, 14: 4}
    # each labelled orbit lies where the crystal, on the same origin, has that element: distances within the model agree
    silicon = [o for o, k in zip(orbits, label, strict=True) if elements[k] == 14 and k >= 0]
    oxygen = np.concatenate([o.points for o, k in zip(orbits, label, strict=True) if k >= 0 and elements[k] == 8])
    near = np.sort(least_distances(oxygen, silicon[0].points[0], basis))[:4]
    assert near == pytest.approx([1.63] * 4, abs=0.12)


def test_a_texture_is_told_from_the_intensities_alone(olivine: Sample, group: Group) -> None:
    target = olivine.target
    factors = march_dollase(target.hkl[None], target.basis[None], torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([0.6]))[
        0
    ]
    share = {
        name: _share_like(TexturePrior(which, group.symmetry), factors)
        for name, which in (("textured", _with_texture(target, factors)), ("even", target))
    }
    assert share["textured"] > 0.15
    assert share["textured"] > 3.0 * share["even"]


def _share_like(prior: TexturePrior, factors: torch.Tensor) -> float:
    """How many of 200 draws are nearly this texture."""
    dice = np.random.default_rng(0)
    drawn = [prior.draw(dice) for _ in range(200)]
    likeness = [float(torch.corrcoef(torch.stack([one, factors]))[0, 1]) for one in drawn if one is not None]
    return sum(value > 0.9 for value in likeness) / 200


def _with_texture(target: IntensityTarget, factors: torch.Tensor) -> IntensityTarget:
    """The target with the intensities the crystal would have under a texture, shared within groups evenly."""
    plain = torch.zeros(target.num_groups).index_add_(0, target.group, target.factor)
    changed = torch.zeros(target.num_groups).index_add_(0, target.group, target.factor * factors)
    observed = target.observed * changed / plain
    return replace(target, observed=observed / observed.mean())


def test_flipping_tells_structure_from_noise(amplitudes: Amplitudes, group: Group) -> None:
    starts = random_phases(amplitudes, 12, torch.Generator().manual_seed(3))
    flipped, skewness = flip_charges(
        starts,
        amplitudes,
        Maps(amplitudes.hkl),
        cycles=60,
        threshold=torch.full((12,), 0.9),
        weak=0.2,
        symmetry=group.symmetry,
        impose=True,
    )
    _, before = flip_charges(
        starts, amplitudes, Maps(amplitudes.hkl), cycles=0, threshold=torch.full((12,), 0.9), weak=0.0
    )
    assert float(skewness.max()) > 2.0 * float(before.max())
    assert torch.allclose(group.symmetry.symmetrise(flipped), flipped, atol=1e-3)


def test_olivine_is_found_from_random_phases_in_a_few_rounds(olivine: Sample) -> None:
    session = DualSpaceSession(olivine.problem, olivine.target, DualSpaceOptions())
    rng = torch.Generator().manual_seed(0)
    for _ in range(4):
        best = session.run(rng)[0]
        found = Crystal(
            species=olivine.target.species.numpy(), frac_coords=best.frac_coords, basis=olivine.crystal.basis
        )
        if same_structure(found, olivine.crystal) is not None:
            break
    else:
        raise AssertionError(f"not found; the best has score {best.score:.3f}")
    assert best.score < 0.1
    batch = session.batch([best], 1, rng)
    assert batch.frac_coords.shape == (1, 28, 3)
    (columns,) = batch.constraints
    assert columns is not None
    assert torch.allclose(columns.T @ columns, torch.eye(columns.shape[1]), atol=1e-5)
    assert any(trial.starts > 0 for trial in session.trials())
