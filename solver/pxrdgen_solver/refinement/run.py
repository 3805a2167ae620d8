"""From a pattern and a crystal to a refined crystal: prepare, fit the cell, refine, put into the cell as typed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from pxrdgen.interfaces.refiner import Refiner
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen.values.refinement import Measurement, RefinementResult, RefinementStart
from pxrdgen_crystallography.decomposition.known_phases import decompose_with_known_phases
from pxrdgen_crystallography.one_thread import one_thread
from pxrdgen_crystallography.preparation import prepare
from pxrdgen_crystallography.scattering.radiation import check_radiation
from pxrdgen_solver.answer.solution import crystal_warnings, refined_candidate
from pxrdgen_solver.progress import Progress, report_to_nobody
from pxrdgen_solver.refinement.frame import CrystalFrame, frame_of
from pxrdgen_solver.refinement.values import Refinement
from pxrdgen_solver.search.checked import check_refinement

#: strained cells beyond this (relative) are not believed; the cell as typed is kept.
MAX_STRAIN = 0.02


@dataclass(frozen=True, kw_only=True)
class RefinementTask:
    """What a refiner is given, and what it rests on.

    Args:
        frame: the crystal in its primitive cell.
        prepared: the pattern.
        measurement: for the refiner.
        start: for the refiner.
        notes: sentences for the report.
    """

    frame: CrystalFrame
    prepared: PreparedPattern
    measurement: Measurement
    start: RefinementStart
    notes: tuple[str, ...] = ()


@one_thread()
def refine_crystal(
    pattern: PowderPattern,
    crystal: Crystal,
    refiner: Refiner,
    *,
    ranges: Sequence[tuple[float, float]] = (),
    exclude: Sequence[tuple[float, float]] = (),
    impurities: Sequence[Crystal] = (),
    progress: Progress | None = None,
) -> Refinement:
    """Fit ``crystal`` to ``pattern`` with ``refiner``; failing to converge is a result.

    Args:
        ranges, exclude: 2theta ranges (degrees) to use and to leave out.
        impurities: crystals in the sample besides.
        progress: told of each stage.

    Raises:
        InputError: the pattern, a range or the crystal cannot be used.
    """
    check_radiation(pattern.instrument.radiation)
    report = progress or report_to_nobody
    started = time.monotonic()
    report("preparing the pattern", 0.0, None)
    frame = frame_of(pattern, crystal)
    prepared = prepare(pattern, ranges=ranges, exclude=exclude)
    report("fitting the cell", 0.1, None)
    task = task_for(prepared, frame, impurities, fits_impurities=refiner.fits_impurities)
    report("refining", 0.3, None)
    answer = refiner.refine(task.measurement, [task.start])
    result = check_refinement(answer, type(refiner).__name__, task.start)
    return _finish(task, result, time.monotonic() - started)


def task_for(
    prepared: PreparedPattern, frame: CrystalFrame, impurities: Sequence[Crystal] = (), *, fits_impurities: bool = True
) -> RefinementTask:
    """Cell, zero, widths and background from a decomposition into free line intensities, which asks for no structure.

    Impurities go to the refiner when it fits them, else into the background.
    """
    decomposition, known = decompose_with_known_phases(prepared, frame.crystal.basis, impurities)
    background = decomposition.background - (known.profile if fits_impurities else 0.0)
    notes = list(known.notes)
    strain = np.linalg.inv(frame.crystal.basis) @ decomposition.basis - np.eye(3)
    basis = decomposition.basis
    if np.abs(strain).max() > MAX_STRAIN:
        basis = frame.crystal.basis
        notes.append("the lines of the cell could not be fitted to the peaks; refinement starts from the cell as given")
    crystal = replace(frame.crystal, basis=basis)
    symmetry = None if frame.symmetry is None else replace(frame.symmetry, crystal=crystal)
    measurement = Measurement(
        two_theta=prepared.pattern.two_theta,
        intensity=prepared.pattern.intensity,
        sigma=prepared.pattern.uncertainty,
        background=background,
        instrument=decomposition.instrument,
        impurities=known.crystals if fits_impurities else (),
    )
    return RefinementTask(
        frame=frame,
        prepared=prepared,
        measurement=measurement,
        start=RefinementStart(crystal=crystal, symmetry=symmetry, cell_fitted=True),
        notes=tuple(notes),
    )


def _finish(task: RefinementTask, result: RefinementResult, seconds: float) -> Refinement:
    frame, prepared = task.frame, task.prepared
    problem = frame.problem.with_basis(result.crystal.basis)
    candidate = refined_candidate(result, frame.symmetry, problem, origin="given", score=result.r_wp)
    warnings = crystal_warnings(result.crystal, prepared.instrument.radiation)
    candidate = replace(candidate, warnings=(*candidate.warnings, *warnings, *_unconverged(result)))
    return Refinement(
        candidate=candidate,
        measurement=task.measurement,
        to_conventional=candidate.conventional.basis @ np.linalg.inv(result.crystal.basis),
        noise=prepared.noise_source,
        notes=(*frame.notes, *prepared.notes, *task.notes),
        provenance=MappingProxyType({"seconds": round(seconds, 2), "noise": prepared.noise_source}),
    )


def _unconverged(result: RefinementResult) -> tuple[str, ...]:
    return () if result.converged else (f"refinement: {result.message}",)
