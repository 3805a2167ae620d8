"""Small crystals with known answers, and what the solver would know of them."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellProblem
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import LABORATORY
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.problem import StructureProblem
from pxrdgen.values.refinement import Measurement
from pxrdgen_crystallography.decomposition.decompose import decompose
from pxrdgen_crystallography.diffraction import simulate_profile
from pxrdgen_crystallography.formula.parse import parse_formula
from pxrdgen_crystallography.preparation import prepare
from pxrdgen_crystallography.structure_fit.intensities import intensity_target
from pxrdgen_solver.question.problem import build_problem
from pxrdgen_solver.space_group.rank import rank_space_groups

FloatArray = NDArray[np.float64]

#: counts at the strongest point of a sample pattern, and of its flat background.
PEAK, BACKGROUND = 1e4, 20.0
STEP = 0.03


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A crystal and its noise-free laboratory pattern."""

    crystal: Crystal
    pattern: PowderPattern
    problem: StructureProblem
    target: IntensityTarget
    measurement: Measurement


def rutile() -> Crystal:
    """TiO2, 6 atoms, P4_2/mnm."""
    x, half = 0.3053, 0.5
    oxygen = [[x, x, 0], [1 - x, 1 - x, 0], [half + x, half - x, half], [half - x, half + x, half]]
    return Crystal(
        species=np.array([8, 8, 8, 8, 22, 22]),
        frac_coords=np.array([*oxygen, [0, 0, 0], [half, half, half]]),
        basis=UnitCell(4.5937, 4.5937, 2.9587).basis,
        name="rutile",
    )


def caesium_chloride() -> Crystal:
    """CsCl, 2 atoms, Pm-3m."""
    return Crystal(
        species=np.array([17, 55]),
        frac_coords=np.array([[0.5, 0.5, 0.5], [0, 0, 0]]),
        basis=4.123 * np.eye(3),
        name="caesium chloride",
    )


@functools.cache
def rutile_sample() -> Sample:
    """Rutile with everything the solver would know of it, its coordinates apart."""
    return sample_of(rutile(), "TiO2", z=2)


@functools.cache
def single_atom_sample() -> Sample:
    """Polonium: one atom, so nothing to find."""
    crystal = Crystal(species=np.array([84]), frac_coords=np.zeros((1, 3)), basis=3.345 * np.eye(3), name="polonium")
    return sample_of(crystal, "Po", z=1)


def sample_of(crystal: Crystal, formula: str, *, z: int, low: float = 10.0, high: float = 80.0) -> Sample:
    """A crystal, simulated and prepared in its true cell."""
    pattern = pattern_of(crystal, low=low, high=high)
    level = np.full(len(pattern), BACKGROUND)
    sigma = np.sqrt(pattern.intensity)
    decomposition = decompose(
        pattern.two_theta,
        pattern.intensity,
        sigma,
        level,
        LABORATORY,
        crystal.basis,
        refine_cell=False,
        refine_widths=False,
    )
    cell = UnitCell.from_basis(crystal.basis)
    problem = build_problem(pattern, parse_formula(formula)[0], cell=cell, z=z).with_basis(crystal.basis)
    groups = rank_space_groups(prepare(pattern), problem, decomposition)
    problem = replace(problem, groups=groups.candidates)
    measurement = Measurement(
        two_theta=pattern.two_theta,
        intensity=pattern.intensity,
        sigma=sigma,
        background=decomposition.background,
        instrument=decomposition.instrument,
    )
    return Sample(
        crystal=crystal,
        pattern=pattern,
        problem=problem,
        target=intensity_target(decomposition, crystal.species),
        measurement=measurement,
    )


def pattern_of(crystal: Crystal, *, low: float = 10.0, high: float = 80.0, step: float = STEP) -> PowderPattern:
    """The diffraction engine's noise-free profile of a crystal on a flat background, as counts."""
    grid = np.arange(low, high, step)
    batch = CrystalBatch.from_crystals([crystal], dtype=torch.float64)
    profile = simulate_profile(batch, LABORATORY, torch.as_tensor(grid), reflection_range=(low - 0.3, high + 0.5))
    counts = PEAK * (profile[0] / profile.max()).numpy() + BACKGROUND
    return PowderPattern(two_theta=grid, intensity=counts, sigma=np.sqrt(counts), instrument=LABORATORY)


@functools.cache
def cell_problem() -> CellProblem:
    """Rutile's pattern and formula, its cell unknown."""
    return CellProblem(
        prepared=prepare(pattern_of(rutile())), composition=parse_formula("TiO2")[0], z=2, max_volume=400.0
    )


@functools.cache
def featureless_cell_problem() -> CellProblem:
    """A flat pattern with counting noise: nothing to index."""
    grid = np.arange(10.0, 80.0, STEP)
    counts = np.random.default_rng(0).poisson(400, grid.shape).astype(np.float64)
    pattern = PowderPattern(two_theta=grid, intensity=counts, sigma=np.sqrt(counts), instrument=LABORATORY)
    return CellProblem(prepared=prepare(pattern), max_volume=400.0)
