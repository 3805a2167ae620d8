"""Known crystals and what a laboratory would measure of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

import pxrdgen
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import LABORATORY
from pxrdgen_crystallography.diffraction import simulate_profile
from pxrdgen_crystallography.symmetry.pymatgen_structure import crystal_from_pymatgen

STRICT = StructureMatcher(ltol=0.2, stol=0.1, angle_tol=5.0)
SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.6402), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
FLUORITE = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.463), ["Ca", "F"], [[0, 0, 0], [0.25, 0.25, 0.25]])
BADDELEYITE = Structure.from_spacegroup(
    "P2_1/c",
    Lattice.monoclinic(5.1505, 5.2116, 5.3173, 99.23),
    ["Zr", "O", "O"],
    [[0.2754, 0.0395, 0.2083], [0.0700, 0.3317, 0.3447], [0.4496, 0.7569, 0.4792]],
)
SALT_CELL = ("--cell", "5.6402", "5.6402", "5.6402", "90", "90", "90", "--centring", "F", "--z", "4")


def measured(structure: Structure, high: float = 80.0) -> pxrdgen.PowderPattern:
    """A laboratory pattern of a known crystal with counting noise on a flat background."""
    grid = np.arange(10.0, high, 0.03)
    batch = CrystalBatch.from_crystals([crystal_from_pymatgen(structure)], dtype=torch.float64)
    with torch.no_grad():
        profile = simulate_profile(batch, LABORATORY, torch.from_numpy(grid))[0].numpy()
    counts = np.random.default_rng(3).poisson(50.0 + 2e4 * profile / profile.max())
    return pxrdgen.PowderPattern(two_theta=grid, intensity=counts.astype(float))


def write_xy(pattern: pxrdgen.PowderPattern, path: Path) -> Path:
    np.savetxt(path, np.column_stack([pattern.two_theta, pattern.intensity]), fmt="%.4f %d")
    return path
