"""Tasks that time: what is compared is the same thing, and what is counted follows from what was measured."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch

from pxrdgen.specs.component import ComponentSpec
from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen_benchmarks.cases import Column, SimulatedCase, simulated_cases
from pxrdgen_benchmarks.fresh_process import in_fresh_process
from pxrdgen_benchmarks.posed import posed_of
from pxrdgen_benchmarks.subject import Subject
from pxrdgen_benchmarks.subsets import Entry
from pxrdgen_benchmarks.tasks.fitting import U_ISO, Fitting, FittingSpec, SingleCandidate
from pxrdgen_benchmarks.tasks.simulating import (
    Batch,
    Simulating,
    SimulatingData,
    SimulatingSpec,
    generated_crystals,
)
from pxrdgen_benchmarks.tasks.timing import STEPS, Timing
from pxrdgen_crystallography.structure_fit.grouped_model import GroupedModel
from pxrdgen_testing.samples import caesium_chloride, rutile


def test_generated_crystals_are_as_large_and_as_dense_as_they_say() -> None:
    crystals = generated_crystals(40, atoms=(5, 8))
    assert {len(crystal) for crystal in crystals} == {5, 6, 7, 8}
    assert all(15.0 <= crystal.cell.volume / len(crystal) <= 25.0 for crystal in crystals)


def test_every_size_of_batch_meets_every_size_of_cell() -> None:
    cases = Simulating().cases(SimulatingData(batches=(10, 20), atoms=((1, 4), (5, 8))))
    assert [case.column for case in cases] == [
        f"batch of {size}, {cells} atoms" for size in (10, 20) for cells in ("1-4", "5-8")
    ]
    assert len({(case.id, case.column) for case in cases}) == 4


def test_a_batch_is_timed_beside_pymatgen_and_weighed() -> None:
    case = Subject(what=Batch(size=20, atoms=(1, 4), source=None), column="x")
    row = Simulating().measure(case, SimulatingSpec(repeats=1, sample=3, patterns=20))
    assert row.crystals == 20
    assert row.ratio == pytest.approx(row.pymatgen_ms / row.reflections_ms)
    assert 0.0 < row.result_mb < 50.0
    assert 0.0 <= row.growth_mb < 2000.0


def filled(megabytes: int) -> int:
    """Holds so much for a moment."""
    return int(np.ones(megabytes << 17).sum()) >> 17


def test_memory_is_of_the_fresh_process_alone() -> None:
    held = np.ones(300 << 17)
    (few, small), (many, large) = (in_fresh_process(filled, size) for size in (1, 200))
    assert (few, many) == (1, 200)
    assert 150.0 < large - small < 260.0
    assert held.sum() == 300 << 17


@pytest.fixture
def clean() -> SimulatedCase:
    (case,) = simulated_cases([Entry(index=0, crystal=rutile(), space_group=136, bucket="5-8")], [Column.CLEAN])
    return case


def test_scipy_is_given_the_residuals_of_the_solver_and_their_derivatives(clean: SimulatedCase) -> None:
    posed = posed_of(clean.question())
    model, single = GroupedModel(posed.target), SingleCandidate(posed.target)
    coords = torch.as_tensor(clean.truth.frac_coords @ posed.problem.to_user, dtype=torch.float32)[None]
    start = model.start(coords + 0.02 * torch.arange(6)[None, :, None], U_ISO)
    parameters = np.append(start.frac_coords[0].double().numpy().ravel(), float(start.log_scale[0]))
    step = 1e-6 * np.eye(len(parameters))
    numeric = [(single.residuals(parameters + each) - single.residuals(parameters - each)) / 2e-6 for each in step]
    assert single.jacobian(parameters) == pytest.approx(np.stack(numeric, axis=1), rel=1e-5, abs=1e-5)
    begin = model.start(coords, U_ISO)
    truth = np.append(begin.frac_coords[0].double().numpy().ravel(), float(begin.log_scale[0]))
    assert single.misfit(truth) < 0.02 < single.misfit(parameters)


def test_both_sides_are_timed_from_the_same_starts(clean: SimulatedCase) -> None:
    row = Fitting().measure(clean, FittingSpec(batch=4, sample=2, repeats=1, iterations=10))
    assert row.analytic_ratio == pytest.approx(row.analytic_ms / row.ours_ms)
    assert row.numeric_ratio == pytest.approx(row.numeric_ms / row.ours_ms)
    assert row.same_minimum in (0.0, 0.5, 1.0)


def test_every_step_of_a_solution_is_timed() -> None:
    entry = Entry(index=0, crystal=caesium_chloride(), space_group=221, bucket="1-4")
    (case,) = simulated_cases([entry], [Column.PERTURBED])
    row = Timing().measure(case, PipelineSpec(generators=(ComponentSpec(plugin="direct_space"),), candidates=3))
    assert tuple(asdict(row)) == STEPS
    assert all(value > 0.0 for value in asdict(row).values())
    assert row.solve_ms > row.refine_ms
