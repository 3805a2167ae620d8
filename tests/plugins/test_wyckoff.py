"""The generator ``wyckoff`` keeps to the group, remembers what it tried, and solves what it is given."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

import pxrdgen
from pxrdgen.errors import SymmetryError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.structure_generator import StructureGenerator
from pxrdgen.plugins.registry import default_registry
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import LABORATORY
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.problem import StructureProblem
from pxrdgen_crystallography.decomposition.decompose import decompose
from pxrdgen_crystallography.diffraction import simulate_profile
from pxrdgen_crystallography.formula.parse import parse_formula
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.structure_fit.intensities import intensity_target
from pxrdgen_crystallography.symmetry.similar import same_structure
from pxrdgen_solver.question.problem import build_problem
from pxrdgen_solver.search.budget import Budget, Stretch
from pxrdgen_solver.search.islands import Islands
from pxrdgen_solver.search.search import Search
from pxrdgen_solver.search.searches import Task
from pxrdgen_testing.samples import rutile

RUTILE = rutile()


def pattern_of(crystal: Crystal) -> PowderPattern:
    grid = np.arange(10.0, 80.0, 0.03)
    batch = CrystalBatch.from_crystals([crystal], dtype=torch.float64)
    profile = simulate_profile(batch, LABORATORY, torch.as_tensor(grid), reflection_range=(9.7, 80.5))[0].numpy()
    return PowderPattern(two_theta=grid, intensity=1e4 * profile / profile.max() + 20.0, instrument=LABORATORY)


@pytest.fixture(scope="module")
def posed() -> tuple[StructureProblem, IntensityTarget]:
    pattern = pattern_of(RUTILE)
    problem = build_problem(
        pattern, parse_formula("TiO2")[0], cell=RUTILE.cell, z=2, space_group=parse_space_group("P42/mnm")
    )
    level = np.full(len(pattern), 20.0)
    fit = decompose(pattern.two_theta, pattern.intensity, np.sqrt(pattern.intensity), level, LABORATORY, problem.basis)
    problem = problem.with_basis(fit.basis)
    return problem, intensity_target(fit, problem.species)


def wyckoff() -> StructureGenerator:
    return default_registry().build(ComponentKind.GENERATOR, "wyckoff")


def test_candidates_obey_the_group_and_their_constraints(posed: tuple[StructureProblem, IntensityTarget]) -> None:
    problem, target = posed
    batch = wyckoff().begin(problem, target).generate(problem, target, 12, torch.Generator().manual_seed(0))
    assert len(batch) > 0
    assert problem.space_group is not None
    rotations, translations = problem.space_group.operations_in(problem.to_user)
    for coords, directions in zip(batch.frac_coords.double().numpy(), batch.constraints, strict=True):
        images = np.einsum("gij,nj->gni", rotations, coords) + np.asarray(translations)[:, None]
        delta = images[:, :, None] - coords
        assert np.abs(delta - np.rint(delta)).max(axis=-1).min(axis=2).max() < 1e-4
        assert directions is not None
        size = directions.shape[1]
        assert (directions.T @ directions).numpy() == pytest.approx(np.eye(size), abs=1e-5)


def test_the_search_finds_rutile_and_says_what_was_tried(posed: tuple[StructureProblem, IntensityTarget]) -> None:
    problem, target = posed
    search = Search(
        problem,
        target,
        {"wyckoff": wyckoff()},
        candidates=8,
        rng=torch.Generator().manual_seed(0),
    )
    search.run(Stretch(rounds=2))
    pool = search.found
    assert pool is not None
    found = Crystal(
        species=target.species.numpy(),
        frac_coords=pool.fit.parameters.frac_coords[0].double().numpy(),
        basis=target.basis.double().numpy(),
    )
    distance = same_structure(found, RUTILE)
    assert distance is not None
    assert distance < 0.02
    (trial,) = search.trials()
    assert trial.space_group_number == 136
    assert trial.starts > 0
    assert trial.best_misfit < 0.05
    assert trial.best_letters == ("4f", "2a")
    assert trial.freedom == 1


def test_a_memory_goes_on_where_it_ended(posed: tuple[StructureProblem, IntensityTarget]) -> None:
    problem, target = posed
    bound, rng = wyckoff().begin(problem, target), torch.Generator().manual_seed(0)
    bound.generate(problem, target, 4, rng)
    before = bound.trials()[0]
    bound.generate(problem, target, 4, rng)
    after = bound.trials()[0]
    assert after.starts >= before.starts
    assert after.best_score <= before.best_score
    assert wyckoff().trials() == ()


def test_a_wrong_group_keeps_its_misfit(posed: tuple[StructureProblem, IntensityTarget]) -> None:
    pattern = pattern_of(RUTILE)
    problem = build_problem(
        pattern, parse_formula("TiO2")[0], cell=RUTILE.cell, z=2, space_group=parse_space_group("P4/mmm")
    )
    bound = wyckoff().begin(problem, posed[1])
    bound.generate(problem, posed[1], 8, torch.Generator().manual_seed(0))
    assert bound.trials()[0].best_misfit > 0.1


def test_a_composition_the_group_cannot_hold_is_refused_with_the_multiplicities() -> None:
    with pytest.raises(SymmetryError, match="4"):
        pxrdgen.solve(pattern_of(RUTILE), "TiO2", z=2, cell=[8.478, 5.397, 6.958, 90, 90, 90], space_group="Pnma")


def test_an_island_answers_and_ends(posed: tuple[StructureProblem, IntensityTarget]) -> None:
    problem, target = posed
    task = Task(
        problem=problem,
        target=target,
        generators={"wyckoff": wyckoff()},
        candidates=4,
        budget=Budget(rounds=1),
        looks=False,
        seed=0,
    )
    with Islands(task, ((0,),)) as islands:
        (found,) = islands.after(0)
        assert found.pool is not None
        assert found.pool.best_score < 0.1
        assert found.trials[0].space_group_number == 136
        process = islands._islands[0]._process
    assert process.poll() is not None


def test_an_island_ends_when_nobody_listens() -> None:
    child = subprocess.run(
        [sys.executable, "-m", "pxrdgen_solver.search.island"],
        input=b"",
        capture_output=True,
        timeout=120,
        env=os.environ,
    )
    assert child.returncode == 0
    assert child.stdout == b""
