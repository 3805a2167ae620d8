"""How long each step takes, in CPU seconds of one thread, by size of the crystal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel

from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.cases import Column, SimulatedCase, simulated_cases
from pxrdgen_benchmarks.crystal_data import CrystalData
from pxrdgen_benchmarks.evaluate import built_components
from pxrdgen_benchmarks.posed import posed_of, proposed
from pxrdgen_benchmarks.record import Record, Value
from pxrdgen_benchmarks.suite_tables import buckets_of, finite, groups
from pxrdgen_benchmarks.tables import Table
from pxrdgen_benchmarks.task import Draw, ReportingTask, SuiteResult

Result = TypeVar("Result")

#: what is timed, and how tables call it.
STEPS = {
    "reflections_ms": "reflection list",
    "profile_ms": "profile of 7501 points",
    "pymatgen_ms": "pymatgen's XRDCalculator",
    "prepare_ms": "prepare a perturbed pattern and decompose it",
    "propose_ms": "propose a candidate",
    "fit_ms": "least squares of a candidate, 22 steps",
    "symmetrise_ms": "find symmetry of a candidate",
    "refine_ms": "refine on the whole profile",
}


class Timing(ReportingTask):
    """Milliseconds of CPU a crystal, pattern or candidate."""

    spec_model: ClassVar[type[BaseModel]] = PipelineSpec
    data_model: ClassVar[type[BaseModel]] = CrystalData
    headline: ClassVar[str] = "refine_ms"
    card_values: ClassVar[tuple[str, ...]] = tuple(STEPS)

    def cases(self, data: Any) -> Sequence[SimulatedCase]:
        """The crystals, perturbed."""
        every = data.every()
        return simulated_cases(data.chosen(every), (Column.PERTURBED,), every)

    def measure(self, case: Any, spec: Any) -> Mapping[str, Value]:
        """Every step once it is warm; the simulation as median of several."""
        import torch

        torch.set_num_threads(1)
        return {**_simulation(case.truth), **_solving(case, spec)}

    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """Median by size."""
        labels = buckets_of([record for variant in result.variants for record in variant.records])
        lines = []
        for variant, _, records in groups(result):
            for name, said in STEPS.items():
                cells = [_median([r for r in records if r.bucket == label], name) for label in labels]
                lines.append((variant, said, *cells, _median(records, name)))
        return {
            "steps": Table(
                title="Median CPU milliseconds of one thread (n)",
                header=("variant", "step", *labels, "all"),
                rows=tuple(lines),
            )
        }

    def figures(self, result: SuiteResult) -> Mapping[str, Draw]:
        """Milliseconds against the number of atoms."""
        from pxrdgen_benchmarks.figures import draw_lines

        lines: dict[str, list[tuple[float, float]]] = {}
        for variant, _, records in groups(result):
            for name, said in STEPS.items():
                for size in sorted({record.num_atoms for record in records}):
                    values = finite([record for record in records if record.num_atoms == size], name)
                    if values:
                        key = f"{variant}: {said}" if len(result.measured) > 1 else said
                        lines.setdefault(key, []).append((float(size), median(values)))
        return {"steps": partial(draw_lines, lines, "atoms", "CPU ms", log_y=True)}


def _simulation(crystal: Crystal) -> dict[str, Value]:
    import torch
    from pymatgen.analysis.diffraction.xrd import XRDCalculator

    from pxrdgen.values.crystal_batch import CrystalBatch
    from pxrdgen.values.instrument import GSAS2_DEFAULT
    from pxrdgen_crystallography.diffraction import simulate_profile, simulate_reflections
    from pxrdgen_crystallography.symmetry.pymatgen_structure import crystal_to_pymatgen

    batch = CrystalBatch.from_crystals([crystal] * 8)
    grid = 5.0 + 0.01 * torch.arange(7501)
    structure = crystal_to_pymatgen(crystal)
    calculator = XRDCalculator(wavelength=GSAS2_DEFAULT.radiation.wavelength)
    with torch.no_grad():
        simulate_reflections(batch, GSAS2_DEFAULT)  # loads the tables
        return {
            "reflections_ms": _timed(lambda: simulate_reflections(batch, GSAS2_DEFAULT), 5) / 8,
            "profile_ms": _timed(lambda: simulate_profile(batch, GSAS2_DEFAULT, grid), 3) / 8,
            "pymatgen_ms": _timed(lambda: calculator.get_pattern(structure, two_theta_range=(5.0, 80.0)), 3),
        }


def _solving(case: SimulatedCase, spec: PipelineSpec) -> dict[str, Value]:
    import torch

    from pxrdgen_crystallography.structure_fit.contact_prior import ContactPenalty
    from pxrdgen_crystallography.structure_fit.coordinate_fit import fit_coordinates
    from pxrdgen_crystallography.structure_fit.grouped_model import GroupedModel
    from pxrdgen_solver.answer.finalists import Symmetriser
    from pxrdgen_solver.search.pool import Pool

    question = case.question()
    components = built_components(spec.model_dump_json())
    posed, prepare_ms = _once(lambda: posed_of(question))
    rng = torch.Generator().manual_seed(spec.seed)
    name, generator = next(iter(components.generators.items()))
    batch, propose_ms = _once(lambda: proposed(posed, name, generator, spec.candidates, rng))
    target = posed.target
    model, contacts = GroupedModel(target), ContactPenalty(target.species, target.basis)
    start = model.start(batch.frac_coords)
    fit, fit_ms = _once(lambda: fit_coordinates(model, start, iterations=22, contacts=contacts))
    best = torch.argsort(fit.score)[:3]
    freedom = torch.full((len(batch),), 3 * int(target.species.numel()) - 3)
    pool = Pool(fit=fit, origin=batch.origin, freedom=freedom).select(best)
    finalists, symmetrise_ms = _once(lambda: Symmetriser(target).finalists(pool))
    measurement = posed.measurement()
    _, refine_ms = _once(lambda: components.refiner.refine(measurement, [finalists[0].start()]))
    return {
        "prepare_ms": prepare_ms,
        "propose_ms": propose_ms / len(batch),
        "fit_ms": fit_ms / len(batch),
        "symmetrise_ms": symmetrise_ms / len(pool),
        "refine_ms": refine_ms,
    }


def _timed(action: Callable[[], object], repeats: int) -> float:
    return median(_once(action)[1] for _ in range(repeats))


def _once(action: Callable[[], Result]) -> tuple[Result, float]:
    started = time.process_time()
    found = action()
    return found, 1e3 * (time.process_time() - started)


def _median(records: Sequence[Record], name: str) -> str:
    values = finite(records, name)
    return f"{median(values):.3g} ({len(values)})" if values else "–"
