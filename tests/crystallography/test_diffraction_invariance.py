"""What must not change a powder pattern: origin, cell choice, supercell, order of atoms, company in a batch, chunks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import GSAS2_DEFAULT, TUBES
from pxrdgen_crystallography.diffraction import (
    ReflectionList,
    profile_sum,
    simulate,
    simulate_profile,
    simulate_reflections,
)
from pxrdgen_crystallography.diffraction.texture import march_dollase
from pxrdgen_crystallography.powder_line.strength import lorentz_polarization

GRID = 10.0 + 0.02 * torch.arange(3001, dtype=torch.float64)
RANGE = (10.0, 70.0)


def crystal(seed: int, atoms: int = 4) -> Crystal:
    """Atoms of four elements at random places of a triclinic cell of 15 A^3 an atom."""
    rng = np.random.default_rng(seed)
    basis = np.eye(3) + rng.uniform(-0.25, 0.25, (3, 3))
    basis *= (15.0 * atoms / np.linalg.det(basis)) ** (1.0 / 3.0)
    species = rng.choice([8, 14, 26, 56], size=atoms)
    return Crystal(species=species, frac_coords=rng.random((atoms, 3)), basis=basis)


def polar() -> Crystal:
    """Wurtzite ZnO, which has no centre of symmetry."""
    basis = np.array([[3.25, 0.0, 0.0], [-1.625, 2.814583, 0.0], [0.0, 0.0, 5.207]])
    thirds = [[1 / 3, 2 / 3, 0.0], [2 / 3, 1 / 3, 0.5], [1 / 3, 2 / 3, 0.382], [2 / 3, 1 / 3, 0.882]]
    return Crystal(species=np.array([30, 30, 8, 8]), frac_coords=np.array(thirds), basis=basis)


def face_centred(sites: dict[int, list[float]], a: float) -> Crystal:
    """Sites of a cubic cell repeated by face centring."""
    centring = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    coords = np.concatenate(
        [np.array(site) + centring for sites_of in sites.values() for site in np.atleast_2d(sites_of)]
    )
    species = np.concatenate([[z] * (4 * len(np.atleast_2d(sites_of))) for z, sites_of in sites.items()])
    return Crystal(species=species, frac_coords=coords, basis=a * np.eye(3))


HALITE = face_centred({11: [0.0, 0.0, 0.0], 17: [0.5, 0.5, 0.5]}, 5.64)
DIAMOND = face_centred({6: [[0.0, 0.0, 0.0], [0.25, 0.25, 0.25]]}, 3.567)  # type: ignore[dict-item]


def batch_of(*crystals: Crystal, dtype: torch.dtype = torch.float64) -> CrystalBatch:
    return CrystalBatch.from_crystals(crystals, dtype=dtype)


def profile(*crystals: Crystal, dtype: torch.dtype = torch.float64) -> Tensor:
    return simulate_profile(batch_of(*crystals, dtype=dtype), GSAS2_DEFAULT, GRID, reflection_range=RANGE)


def reflections(*crystals: Crystal) -> ReflectionList:
    return simulate_reflections(batch_of(*crystals), GSAS2_DEFAULT, two_theta_min=RANGE[0], two_theta_max=RANGE[1])


def assert_same(got: Tensor, wanted: Tensor, tolerance: float = 1e-9) -> None:
    assert float(wanted.abs().max()) > 0.0
    assert float((got - wanted).abs().max()) <= tolerance * float(wanted.abs().max())


def in_cell(original: Crystal, transform: NDArray[np.int64]) -> Crystal:
    """The same crystal described in the cell ``transform @ basis`` (determinant 1)."""
    coords = original.frac_coords @ np.linalg.inv(transform.astype(np.float64))
    return Crystal(species=original.species, frac_coords=coords, basis=transform @ original.basis)


shears = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 2), st.integers(-2, 2)), min_size=1, max_size=4)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.tuples(*[st.floats(-1.0, 1.0)] * 3))
def test_the_origin_is_free(seed: int, shift: tuple[float, float, float]) -> None:
    original = crystal(seed)
    moved = replace(original, frac_coords=original.frac_coords + np.array(shift))
    assert_same(profile(moved), profile(original))


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), moves=shears)
def test_any_cell_of_the_lattice_will_do(seed: int, moves: list[tuple[int, int, int]]) -> None:
    transform = np.eye(3, dtype=np.int64)
    for axis, other, times in moves:
        transform[axis] += times * transform[(axis + other) % 3]
    original = crystal(seed, atoms=2)
    assert round(float(np.linalg.det(transform))) == 1
    assert_same(profile(in_cell(original, transform)), profile(original), tolerance=1e-6)


def test_the_niggli_cell_gives_the_pattern_of_a_very_skewed_one() -> None:
    original = crystal(3)
    skewed = in_cell(original, np.array([[1, 0, 0], [3, 1, 0], [-2, 4, 1]]))
    assert max(skewed.cell.parameters[:3]) > 2.0 * max(original.cell.parameters[:3])
    assert_same(profile(skewed.niggli()), profile(skewed), tolerance=1e-6)


@pytest.mark.parametrize("repeats", [(2, 1, 1), (1, 2, 3)])
def test_a_supercell_has_the_pattern_of_its_cell_times_the_volume(repeats: tuple[int, int, int]) -> None:
    """|F|^2 grows with the square of the volume and I = m |F|^2 LP / V with the volume."""
    original = crystal(5)
    steps = np.array([(i, j, k) for i in range(repeats[0]) for j in range(repeats[1]) for k in range(repeats[2])])
    times = len(steps)
    coords = (original.frac_coords[None] + steps[:, None]).reshape(-1, 3) / np.array(repeats)
    supercell = Crystal(
        species=np.tile(original.species, times), frac_coords=coords, basis=np.array(repeats)[:, None] * original.basis
    )
    assert_same(profile(supercell), times * profile(original), tolerance=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.permutations(range(6)))
def test_the_order_of_atoms_is_free(seed: int, order: list[int]) -> None:
    original = crystal(seed, atoms=6)
    shuffled = replace(original, species=original.species[order], frac_coords=original.frac_coords[order])
    assert_same(profile(shuffled), profile(original))


@settings(max_examples=8, deadline=None)
@given(order=st.permutations(range(5)))
def test_a_batch_gives_what_its_members_give(order: list[int]) -> None:
    crystals = [crystal(1, 1), crystal(2, 9), crystal(3, 3), HALITE, polar()]
    together, lists = profile(*(crystals[i] for i in order)), reflections(*(crystals[i] for i in order))
    for row, number in enumerate(order):
        assert_same(together[row], profile(crystals[number])[0])
        alone = reflections(crystals[number])
        count = int(alone.mask.sum())
        assert int(lists.mask[row].sum()) == count
        assert_same(lists.hkl[row][:count], alone.hkl[0])
        assert_same(lists.intensity[row][:count], alone.intensity[0])
        assert bool((lists.intensity[row][count:] == 0.0).all())
        assert bool((lists.d[row][count:] == 1.0).all())


@pytest.mark.parametrize("elements", [1, 3_000, 100_000_000])
def test_the_size_of_chunks_does_not_matter(monkeypatch: pytest.MonkeyPatch, elements: int) -> None:
    crystals = [crystal(seed, atoms) for seed, atoms in enumerate((1, 2, 5, 8, 3))]
    wanted, intensity = profile(*crystals), reflections(*crystals).intensity
    monkeypatch.setattr(simulate, "CHUNK_ELEMENTS", elements)
    monkeypatch.setattr(profile_sum, "CHUNK_ELEMENTS", max(elements, 640))
    assert_same(profile(*crystals), wanted)
    assert_same(reflections(*crystals).intensity, intensity)


@pytest.mark.parametrize("subject", [HALITE, polar(), crystal(7, 12)], ids=["halite", "zincite", "triclinic"])
def test_single_precision_is_good_to_a_ten_thousandth_of_the_peak(subject: Crystal) -> None:
    assert_same(profile(subject, dtype=torch.float32).double(), profile(subject), tolerance=1e-4)


def test_an_inverted_polar_crystal_has_the_same_powder_pattern() -> None:
    inverted = replace(polar(), frac_coords=-polar().frac_coords)
    assert_same(profile(inverted), profile(polar()))
    assert_same(reflections(inverted).f_squared, reflections(polar()).f_squared)


def intensity_by_index(subject: Crystal) -> dict[tuple[int, ...], float]:
    found = reflections(subject)
    indices = found.hkl[0].round().long().tolist()
    return {tuple(index): value for index, value in zip(indices, found.f_squared[0].tolist(), strict=True)}


def test_absences_of_face_centring_and_of_diamond_glide() -> None:
    halite, diamond = intensity_by_index(HALITE), intensity_by_index(DIAMOND)
    strongest = max(diamond.values())
    for index, value in halite.items():
        mixed = len({number % 2 for number in index}) > 1
        assert (value < 1e-9 * max(halite.values())) == mixed, index
    for index, value in diamond.items():
        absent = len({number % 2 for number in index}) > 1 or (all(n % 2 == 0 for n in index) and sum(index) % 4 == 2)
        assert (value < 1e-9 * strongest) == absent, index


def test_texture_of_ratio_one_is_none_and_any_other_averages_to_one() -> None:
    rng = np.random.default_rng(4)
    directions = torch.from_numpy(rng.normal(size=(1, 200_000, 3)))
    basis, axis = 4.0 * torch.eye(3, dtype=torch.float64)[None], torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    for ratio, tolerance in ((1.0, 1e-12), (0.7, 0.01), (1.3, 0.01)):
        weights = march_dollase(directions, basis, axis, torch.tensor([ratio], dtype=torch.float64))
        assert float(weights.mean()) == pytest.approx(1.0, abs=tolerance)
        assert (float(weights.std()) < 1e-12) == (ratio == 1.0)


def test_plates_strengthen_the_reflection_along_their_axis() -> None:
    hkl = torch.tensor([[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]], dtype=torch.float64)
    axis, ratio = hkl[:, 0], torch.tensor([0.5], dtype=torch.float64)
    weights = march_dollase(hkl, torch.eye(3, dtype=torch.float64)[None], axis, ratio)
    assert weights[0].tolist() == pytest.approx([0.5**-3, 0.5**1.5])


def test_the_second_line_adds_half_the_area_at_higher_angle() -> None:
    doublet, single = (replace(GSAS2_DEFAULT, radiation=TUBES[name], sh_l=0.0) for name in ("CuKa", "CuKa1"))
    batch = batch_of(HALITE)
    around = 31.7 + torch.arange(-300, 301, dtype=torch.float64) * 0.002
    both, one = (simulate_profile(batch, line, around, reflection_range=(31.0, 32.5))[0] for line in (doublet, single))
    extra = both - one
    assert float(extra.min()) >= -1e-9 * float(one.max())
    shift = float(around[extra.argmax()] - around[one.argmax()])
    theta = np.radians(float(around[one.argmax()]) / 2.0)
    wanted = np.degrees(2.0 * (1.544427 - 1.540593) / 1.540593 * np.tan(theta))
    assert shift == pytest.approx(wanted, abs=0.004)
    assert float(extra.max()) == pytest.approx(0.5 * float(one.max()), rel=0.01)


def test_polarisation_runs_from_none_to_cos_squared() -> None:
    theta = torch.deg2rad(torch.tensor([10.0, 22.5, 45.0], dtype=torch.float64))
    sine = torch.sin(theta)
    perpendicular, parallel = lorentz_polarization(sine, 1.0), lorentz_polarization(sine, 0.0)
    assert_same(parallel / perpendicular, torch.cos(2.0 * theta) ** 2)
    assert_same(lorentz_polarization(sine, 0.5), 0.5 * (perpendicular + parallel))
    assert float(parallel[2]) == pytest.approx(0.0, abs=1e-12)


def test_the_zero_moves_the_whole_pattern() -> None:
    shifted = replace(GSAS2_DEFAULT, zero=0.1)
    got = simulate_profile(batch_of(HALITE), shifted, GRID, reflection_range=RANGE)[0]
    assert_same(got[5:], profile(HALITE)[0][:-5], tolerance=1e-3)
