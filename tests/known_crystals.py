"""Small crystals, and what the solver would know of them from a clean pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import LABORATORY, Instrument
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.decomposition.decompose import Decomposition, decompose
from pxrdgen_crystallography.diffraction import simulate_profile
from pxrdgen_crystallography.structure_fit.intensities import intensity_target
from pxrdgen_testing.samples import rutile

FloatArray = NDArray[np.float64]

FACE_CENTRED = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2


def _crystal(species: list[int], coords: list[list[float]], basis: FloatArray, name: str) -> Crystal:
    crystal = Crystal(species=np.array(species), frac_coords=np.array(coords), basis=basis, name=name)
    return crystal.sorted_by_species()


def salt() -> Crystal:
    return _crystal([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], 5.64 * FACE_CENTRED, "salt")


def fluorite() -> Crystal:
    return _crystal([20, 9, 9], [[0, 0, 0], [0.25] * 3, [0.75] * 3], 5.463 * FACE_CENTRED, "fluorite")


def quartz() -> Crystal:
    u, (x, y, z), third = 0.4697, (0.4135, 0.2669, 0.1191), 1 / 3
    silicon = [[u, 0, 0], [0, u, 2 * third], [-u, -u, third]]
    oxygen = [
        [x, y, z],
        [-y, x - y, z + 2 * third],
        [y - x, -x, z + third],
        [y, x, 2 * third - z],
        [x - y, -y, -z],
        [-x, y - x, third - z],
    ]
    basis = UnitCell(4.9137, 4.9137, 5.4047, 90, 90, 120).basis
    return _crystal([14] * 3 + [8] * 6, [*silicon, *oxygen], basis, "quartz")


def perovskite() -> Crystal:
    coords = [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    return _crystal([38, 22, 8, 8, 8], coords, 3.905 * np.eye(3), "perovskite")


def lopsided() -> Crystal:
    """Four atoms without symmetry, iron among them."""
    coords = [[0.02, 0.11, 0.31], [0.51, 0.37, 0.72], [0.25, 0.81, 0.07], [0.77, 0.63, 0.44]]
    return _crystal([26, 14, 8, 8], coords, UnitCell(4.1, 4.6, 5.3, 85, 95, 101).basis, "lopsided")


@pytest.fixture(scope="session")
def known() -> dict[str, Crystal]:
    """Crystals by name, primitive cells, atoms in order of atomic number."""
    crystals = (salt(), fluorite(), perovskite(), rutile(), quartz(), lopsided())
    return {crystal.name: crystal for crystal in crystals}


def clean_profile(crystal: Crystal, grid: FloatArray, instrument: Instrument = LABORATORY) -> FloatArray:
    """The diffraction engine's profile, its highest point 1."""
    batch = CrystalBatch.from_crystals([crystal], dtype=torch.float64)
    span = (grid[0] - 0.3, grid[-1] + 0.5)
    profile = simulate_profile(batch, instrument, torch.as_tensor(grid), reflection_range=span)[0].numpy()
    return np.asarray(profile / profile.max())


@pytest.fixture(scope="session")
def profile() -> Callable[..., FloatArray]:
    """``profile(crystal, grid, instrument)``, highest point 1."""
    return clean_profile


@pytest.fixture(scope="session")
def decomposed(known: dict[str, Crystal]) -> Callable[[str], Decomposition]:
    """The decomposition of a known crystal's noise-free pattern, 10-80 degrees, in its true cell."""
    found: dict[str, Decomposition] = {}

    def lookup(name: str) -> Decomposition:
        if name not in found:
            grid = np.arange(10.0, 80.0, 0.03)
            intensity = 1e4 * clean_profile(known[name], grid) + 20.0
            level = np.full_like(grid, 20.0)
            found[name] = decompose(
                grid,
                intensity,
                np.sqrt(intensity),
                level,
                LABORATORY,
                known[name].basis,
                refine_cell=False,
                refine_widths=False,
            )
        return found[name]

    return lookup


@pytest.fixture(scope="session")
def target_of(
    known: dict[str, Crystal], decomposed: Callable[[str], Decomposition]
) -> Callable[[str], IntensityTarget]:
    """What a clean pattern says about a known crystal."""
    return lambda name: intensity_target(decomposed(name), known[name].species)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
