"""The two columns of every table: *clean* (the MP-20 protocol) and *perturbed* (what a laboratory does to a pattern).

The solver gets the pattern, the composition and the (slightly wrong) cell. It was made by people who knew the recipe:
networks are trained on the same ranges, and the strains and texture axes are among those that the solver refines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import CUKA, GSAS2_DEFAULT, Instrument
from pxrdgen.values.pattern import PowderPattern
from pxrdgen_crystallography.diffraction import simulate_profile, simulate_reflections
from pxrdgen_crystallography.diffraction.profile_sum import sum_peaks
from pxrdgen_crystallography.diffraction.texture import march_dollase
from pxrdgen_crystallography.lattice.lattice_symmetry import lattice_point_group
from pxrdgen_crystallography.lattice.strain import strain_basis

#: low-index planes of the primitive cell a textured sample may lie on.
TEXTURE_AXES = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1))


@dataclass(frozen=True, kw_only=True)
class Texture:
    """Crystallites lie on the planes ``axis`` (indices in the cell at hand); March-Dollase ``ratio``, 1 for none."""

    axis: tuple[float, float, float]
    ratio: float


@dataclass(frozen=True, kw_only=True)
class Task:
    """One problem of a benchmark: a pattern and the cell a user would give with it; of a textured sample its texture,
    which no user knows."""

    pattern: PowderPattern
    cell: UnitCell
    texture: Texture | None = None


def clean_task(crystal: Crystal) -> Task:
    """The paper's protocol: GSAS-II's default instrument, 5-80 degrees by 0.01, Uiso 0.01, no noise, the true cell.

    The constant 1 that GSAS-II adds is kept; as published, the last of the 7501 points is dropped.
    """
    grid = torch.arange(7500, dtype=torch.float64) * 0.01 + 5.0
    batch = CrystalBatch.from_crystals([replace(crystal, u_iso=None)], dtype=torch.float64)
    profile = simulate_profile(batch, GSAS2_DEFAULT, grid, background=1.0, reflection_range=(5.0, 80.0))[0].numpy()
    pattern = PowderPattern(two_theta=grid.numpy(), intensity=profile / profile.max(), instrument=GSAS2_DEFAULT)
    return Task(pattern=pattern, cell=crystal.cell)


def perturbed_task(crystal: Crystal, seed: int) -> Task:
    """Cell off by 0.1-0.3 %, zero within 0.05 degrees, widths, Uiso 0.002-0.03 A^2 by element, texture, hump, noise.

    10-80 degrees by 0.02, 10^4 counts at the highest point, Cu K-alpha doublet. Everything follows from ``seed``.
    """
    rng = np.random.default_rng(seed)
    u_by_element = {int(z): float(np.exp(rng.uniform(np.log(0.002), np.log(0.03)))) for z in np.unique(crystal.species)}
    u_iso = np.array([u_by_element[int(z)] for z in crystal.species])
    instrument = Instrument(
        radiation=CUKA,
        zero=float(rng.uniform(-0.05, 0.05)),
        u=float(rng.uniform(2.0, 20.0)),
        v=float(rng.uniform(-4.0, 0.0)),
        w=float(rng.uniform(4.0, 25.0)),
        x=float(rng.uniform(1.0, 7.0)),
        y=float(rng.uniform(3.0, 20.0)),
        name="perturbed",
    )
    ratio, axis = float(rng.uniform(0.7, 1.3)), TEXTURE_AXES[int(rng.integers(len(TEXTURE_AXES)))]
    grid = np.arange(10.0, 80.0 + 1e-9, 0.02)
    peaks = textured_profile(replace(crystal, u_iso=u_iso), instrument, grid, ratio, axis)
    expected = 1e4 * (0.97 * peaks / peaks.max() + 0.03 * humped_background(grid, rng))
    counts = rng.poisson(expected).astype(np.float64)
    pattern = PowderPattern(two_theta=grid, intensity=counts, instrument=Instrument(radiation=CUKA))
    cell = cell_off(crystal, rng, (0.001, 0.003))
    return Task(pattern=pattern, cell=cell, texture=Texture(axis=axis, ratio=ratio))


def textured_profile(
    crystal: Crystal,
    instrument: Instrument,
    grid: NDArray[np.float64],
    ratio: float,
    axis: tuple[int, int, int],
    *,
    last: float = 82.0,
) -> NDArray[np.float64]:
    """[G] peaks, up to ``last`` degrees, of a sample whose crystallites lie on the planes ``axis``.

    March's function after Dollase (1986, doi:10.1107/S0021889886089458); ``ratio`` 1 is no texture.
    """
    batch = CrystalBatch.from_crystals([crystal], dtype=torch.float64)
    reflections = simulate_reflections(batch, instrument, two_theta_min=8.0, two_theta_max=last)
    texture = march_dollase(
        reflections.hkl,
        batch.basis,
        torch.tensor([axis], dtype=torch.float64),
        torch.tensor([ratio], dtype=torch.float64),
    )
    textured = replace(reflections, intensity=reflections.intensity * texture)
    return sum_peaks(textured, instrument, torch.as_tensor(grid))[0].numpy()


def humped_background(grid: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Air scatter that falls with angle, plus the hump of a glass holder; about 1 on average."""
    falling = np.exp(-(grid - grid[0]) / rng.uniform(8.0, 30.0))
    centre, width = rng.uniform(18.0, 35.0), rng.uniform(6.0, 14.0)
    hump = rng.uniform(0.3, 1.5) * np.exp(-0.5 * ((grid - centre) / width) ** 2)
    return np.asarray(0.4 + rng.uniform(0.2, 2.0) * falling + hump)


def cell_off(crystal: Crystal, rng: np.random.Generator, sizes: tuple[float, float]) -> UnitCell:
    """The cell strained by a share between ``sizes`` in a random direction that keeps the symmetry of its lattice."""
    strains = strain_basis(crystal.basis, lattice_point_group(crystal.basis))
    direction = np.einsum("q,qij->ij", rng.normal(size=len(strains)), strains)
    direction /= np.abs(np.linalg.eigvalsh(direction)).max()
    return UnitCell.from_basis(crystal.basis @ (np.eye(3) + rng.uniform(*sizes) * direction))
