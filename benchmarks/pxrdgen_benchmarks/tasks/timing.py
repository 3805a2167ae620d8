"""How long each step of a solution takes, in CPU seconds of one thread, by size of the crystal; and its memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel

from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen_benchmarks.cases import Column, SimulatedCase
from pxrdgen_benchmarks.crystal_data import CrystalData, CrystalTask
from pxrdgen_benchmarks.evaluate import built_components
from pxrdgen_benchmarks.fresh_process import in_fresh_process
from pxrdgen_benchmarks.posed import posed_of, proposed

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class TimingRow:
    """CPU milliseconds of one thread.

    Args:
        prepare_ms: a perturbed pattern prepared and taken apart.
        propose_ms, fit_ms, symmetrise_ms: a candidate proposed, fitted in 22 steps, its symmetry found.
        refine_ms: one refined on the whole profile.
        solve_ms: one round of search, its candidates refined and ranked.
        peak_mb: most memory of a fresh process that does that.
    """

    prepare_ms: float
    propose_ms: float
    fit_ms: float
    symmetrise_ms: float
    refine_ms: float
    solve_ms: float
    peak_mb: float


#: the names of a row.
STEPS = tuple(field.name for field in fields(TimingRow))


class Timing(CrystalTask):
    """Milliseconds of CPU a pattern or candidate."""

    spec_model: ClassVar[type[BaseModel]] = PipelineSpec
    data_model: ClassVar[type[BaseModel]] = CrystalData
    headline: ClassVar[str] = "refine_ms"
    card_values: ClassVar[tuple[str, ...]] = STEPS

    def cases(self, data: Any) -> Sequence[SimulatedCase]:
        """The crystals, perturbed."""
        found: Sequence[SimulatedCase] = data.simulated((Column.PERTURBED,))
        return found

    def measure(self, case: Any, spec: Any) -> TimingRow:
        """Every step once it is warm."""
        import torch

        torch.set_num_threads(1)
        steps = _steps(case, spec)
        solve_ms, peak_mb = in_fresh_process(one_round, case, spec)
        return TimingRow(**steps, solve_ms=solve_ms, peak_mb=peak_mb)


def one_round(case: SimulatedCase, spec: PipelineSpec) -> float:
    """CPU milliseconds of one round of search in this process, its candidates refined and ranked."""
    import torch

    from pxrdgen.plugins.registry import default_registry
    from pxrdgen_solver.loop.solve_question import solve_question

    torch.set_num_threads(1)
    single = spec.model_copy(update={"rounds": 1, "searches": 1, "processes": 1, "budget_s": None})
    components, question = built_components(single.model_dump_json()), case.question()
    _, spent = _once(lambda: solve_question(question, single, default_registry(), components=components))
    return spent


def _steps(case: SimulatedCase, spec: PipelineSpec) -> dict[str, float]:
    import torch

    from pxrdgen_crystallography.structure_fit.chemistry import Chemistry
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
    model, chemistry = GroupedModel(target), Chemistry(target)
    start = model.start(batch.frac_coords)
    fit, fit_ms = _once(lambda: fit_coordinates(model, start, iterations=22, chemistry=chemistry))
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


def _once(action: Callable[[], Result]) -> tuple[Result, float]:
    started = time.process_time()
    found = action()
    return found, 1e3 * (time.process_time() - started)
