"""Whole-pattern decomposition: a cell that is slightly off, overlapping lines, gaps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import LABORATORY
from pxrdgen_crystallography.decomposition.decompose import Decomposition, decompose
from pxrdgen_crystallography.decomposition.lines import lines_of
from pxrdgen_crystallography.diffraction import simulate_reflections
from pxrdgen_crystallography.lattice.lattice_symmetry import lattice_point_group, proper_rotations
from pxrdgen_crystallography.lattice.strain import strain_basis
from pxrdgen_crystallography.structure_fit.intensities import intensity_target

FloatArray = NDArray[np.float64]
Profile = Callable[..., FloatArray]
GRID = np.arange(10.0, 85.0, 0.02)
BACKGROUND = 40.0 + 60.0 * np.exp(-(GRID - 10.0) / 25.0)


def noisy(profile: Profile, crystal: Crystal, zero: float, seed: int = 0) -> FloatArray:
    """Poisson counts, 10 000 at the highest peak."""
    expected = 1e4 * profile(crystal, GRID, replace(LABORATORY, zero=zero)) + BACKGROUND
    return np.random.default_rng(seed).poisson(expected).astype(np.float64)


def fitted(observed: FloatArray, basis: FloatArray, keep: NDArray[np.bool_] | None = None) -> Decomposition:
    rows = np.ones_like(GRID, dtype=bool) if keep is None else keep
    smooth = np.convolve(observed, np.ones(5) / 5, mode="same")
    sigma = np.sqrt(np.maximum(smooth, 20.0))  # observed counts as variances would pull the fit below the data
    level = BACKGROUND[rows] * 1.1
    return decompose(
        GRID[rows],
        observed[rows],
        sigma[rows],
        level,
        LABORATORY,
        basis,
        background_su=np.full(int(rows.sum()), 1.5),
    )


@pytest.mark.parametrize("name", ["rutile", "quartz", "perovskite"])
def test_a_cell_and_a_zero_that_are_off_are_put_right(name: str, profile: Profile, known: dict[str, Crystal]) -> None:
    crystal = known[name]
    found = fitted(noisy(profile, crystal, zero=0.04), crystal.basis * 1.003)
    assert UnitCell.from_basis(found.basis).parameters == pytest.approx(crystal.cell.parameters, rel=1e-4)
    assert found.instrument.zero == pytest.approx(0.04, abs=0.004)
    assert found.gof < 1.3


def test_a_sheared_cell_without_symmetry_is_put_right(profile: Profile, known: dict[str, Crystal]) -> None:
    crystal = known["lopsided"]
    strain = 2e-3 * np.array([[1.0, 0.3, -0.4], [0.3, -0.8, 0.2], [-0.4, 0.2, 0.5]])
    found = fitted(noisy(profile, crystal, zero=-0.03), crystal.basis @ (np.eye(3) + strain))
    assert UnitCell.from_basis(found.basis).parameters == pytest.approx(crystal.cell.parameters, rel=3e-4)
    assert found.gof < 1.3


def test_isolated_lines_have_the_intensities_of_the_crystal(profile: Profile, known: dict[str, Crystal]) -> None:
    crystal = known["rutile"]
    found = fitted(noisy(profile, crystal, zero=0.0), crystal.basis)
    batch = CrystalBatch.from_crystals([crystal], dtype=torch.float64)
    listed = simulate_reflections(batch, LABORATORY, two_theta_min=5.0, two_theta_max=88.0)
    angles, areas = listed.two_theta[0].numpy(), listed.intensity[0].numpy()
    expected = np.array([areas[np.abs(angles - angle) < 5e-3].sum() for angle in found.two_theta])
    gaps = np.diff(found.two_theta, prepend=0.0, append=180.0)
    alone = (np.minimum(gaps[:-1], gaps[1:]) > 1.0) & (found.two_theta < 84.0) & (expected > 0.02 * expected.max())
    assert alone.sum() >= 8
    scale = np.sum(found.intensity[alone]) / np.sum(expected[alone])
    deviation = (found.intensity - scale * expected)[alone] / found.intensity_su[alone]
    assert np.abs(deviation).max() < 3.0
    extinct = (expected < 1e-6 * expected.max()) & (found.two_theta < 84.0)
    assert extinct.sum() >= 5
    assert found.intensity[extinct].max() < 0.003 * found.intensity.max()


def test_a_wrong_cell_leaves_peaks_unexplained(profile: Profile, known: dict[str, Crystal]) -> None:
    observed = noisy(profile, known["rutile"], zero=0.0)
    assert fitted(observed, 0.93 * known["rutile"].basis).gof > 3.0 * fitted(observed, known["rutile"].basis).gof


@pytest.mark.parametrize(
    ("cell", "count"),
    [
        (UnitCell(4.0, 4.0, 4.0), 1),
        (UnitCell(4.0, 4.0, 4.0, 60, 60, 60), 1),
        (UnitCell(4.0, 4.0, 6.0), 2),
        (UnitCell(4.0, 4.0, 6.0, 90, 90, 120), 2),
        (UnitCell(5.0, 5.0, 5.0, 70, 70, 70), 2),
        (UnitCell(4.0, 5.0, 6.0), 3),
        (UnitCell(4.0, 5.0, 6.0, 90, 104, 90), 4),
        (UnitCell(4.0, 5.0, 6.0, 83, 104, 97), 6),
    ],
)
def test_each_crystal_system_strains_in_as_many_ways_as_it_should(cell: UnitCell, count: int) -> None:
    basis = UnitCell.from_basis(cell.niggli()[1] @ cell.basis).basis
    rotations = lattice_point_group(basis)
    proper = {rotation.tobytes() for rotation in proper_rotations(basis).astype(np.int64)}
    assert {rotation.tobytes() for rotation in rotations} == proper | {
        (-np.frombuffer(rotation, dtype=np.int64)).tobytes() for rotation in proper
    }
    strains = strain_basis(basis, rotations)
    assert strains.shape == (count, 3, 3)
    products = np.einsum("pij,qij->pq", strains, strains)
    assert products == pytest.approx(np.eye(count), abs=1e-9)
    for strain in strains:
        strained = basis @ (np.eye(3) + 1e-3 * strain)
        assert len(lattice_point_group(strained, tolerance=1e-6)) == len(rotations)


def test_points_left_out_do_not_disturb_the_rest(profile: Profile, known: dict[str, Crystal]) -> None:
    crystal = known["quartz"]
    observed = noisy(profile, crystal, zero=0.0)
    observed[(GRID > 44.0) & (GRID < 48.0)] = 5e4  # a holder's peak, to be excluded
    keep = ((GRID < 43.5) | (GRID > 48.5)) & (GRID < 78.0)
    found = fitted(observed, crystal.basis * 1.001, keep)
    assert UnitCell.from_basis(found.basis).parameters == pytest.approx(crystal.cell.parameters, rel=2e-4)
    assert found.gof < 1.3
    assert found.calculated.shape == GRID[keep].shape
    target = intensity_target(found, crystal.species)
    kept_d = target.group_d.numpy()
    hidden = 1.540593 / (2.0 * np.sin(np.radians([45.0, 47.5]) / 2.0))
    assert not np.any((kept_d < hidden[0]) & (kept_d > hidden[1]))
    assert np.isfinite(target.observed.numpy()).all()


def test_lines_are_every_reflection_of_the_half_sphere_once(known: dict[str, Crystal]) -> None:
    basis = known["perovskite"].basis
    lines = lines_of(basis, 1.5406, 10.0, 80.0)
    batch = CrystalBatch.from_crystals([known["perovskite"]], dtype=torch.float64)
    instrument = replace(LABORATORY, radiation=replace(LABORATORY.radiation, wavelengths=(1.5406,), weights=(1.0,)))
    listed = simulate_reflections(batch, instrument, two_theta_min=10.0, two_theta_max=80.0)
    assert len(lines.hkl) == int(listed.mask.sum())
    sums = (lines.hkl**2).sum(axis=1)  # cubic: one line for each h^2 + k^2 + l^2
    assert len(lines) == len(np.unique(sums))
    assert all(len(np.unique(sums[lines.line == number])) == 1 for number in range(len(lines)))
