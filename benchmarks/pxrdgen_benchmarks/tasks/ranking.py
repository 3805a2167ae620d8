"""What each step of the solve loop adds: raw sample, least squares, search, symmetry, refinement."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen_benchmarks.cases import SimulatedCase
from pxrdgen_benchmarks.crystal_data import CrystalTask
from pxrdgen_benchmarks.evaluate import built_components, case_patience
from pxrdgen_benchmarks.metrics import PUBLISHED, STRICT, match_rms
from pxrdgen_benchmarks.posed import crystals_of, posed_of
from pxrdgen_benchmarks.suite_result import SuiteResult
from pxrdgen_benchmarks.task import Draw
from pxrdgen_benchmarks.tasks.solving import SolvingData

if TYPE_CHECKING:
    from pxrdgen.values.crystal import Crystal
    from pxrdgen_solver.loop.components import Components
    from pxrdgen_solver.question.pose import Posed

#: the steps in their order, as tables call them.
STAGES = {
    "sample": "raw sample",
    "fitted": "after coordinate fit",
    "searched": "after search",
    "symmetrised": "after symmetrise",
    "refined": "after refinement, ranked",
}


@dataclass(frozen=True, kw_only=True)
class RankedRow:
    """The list after each step of :data:`STAGES`; a step that was not reached is a miss.

    ``_published``, ``_strict``: its first is the true structure, by each matcher; ``_any_strict``: any of it is;
    ``_rms``: of its first by the published matcher, in (V / N)^(1/3).
    """

    sample_published: bool = False
    sample_strict: bool = False
    sample_any_strict: bool = False
    sample_rms: float | None = None
    fitted_published: bool = False
    fitted_strict: bool = False
    fitted_any_strict: bool = False
    fitted_rms: float | None = None
    searched_published: bool = False
    searched_strict: bool = False
    searched_any_strict: bool = False
    searched_rms: float | None = None
    symmetrised_published: bool = False
    symmetrised_strict: bool = False
    symmetrised_any_strict: bool = False
    symmetrised_rms: float | None = None
    refined_published: bool = False
    refined_strict: bool = False
    refined_any_strict: bool = False
    refined_rms: float | None = None


class Ranking(CrystalTask):
    """The first of the ranked list, and any of it, after every step; ranked by the pattern alone."""

    spec_model: ClassVar[type[BaseModel]] = PipelineSpec
    data_model: ClassVar[type[BaseModel]] = SolvingData
    headline: ClassVar[str] = "refined_strict"
    card_values: ClassVar[tuple[str, ...]] = tuple(f"{stage}_strict" for stage in STAGES)

    def cases(self, data: Any) -> Sequence[SimulatedCase]:
        """Each crystal in each column."""
        cases: list[SimulatedCase] = data.simulated(data.columns)
        return cases

    def measure(self, case: SimulatedCase, spec: PipelineSpec) -> RankedRow:
        """First and any after each step."""
        answers = ranked_by_stage(posed_of(case.question()), built_components(spec.model_dump_json()), spec)
        found: dict[str, Any] = {}
        for stage, crystals in answers.items():
            rms = [match_rms(crystal, case.truth, PUBLISHED) for crystal in crystals]
            strict = [
                rms[place] is not None and match_rms(crystal, case.truth, STRICT) is not None
                for place, crystal in enumerate(crystals)
            ]
            found[f"{stage}_published"] = bool(rms) and rms[0] is not None
            found[f"{stage}_strict"] = bool(strict) and strict[0]
            found[f"{stage}_any_strict"] = any(strict)
            found[f"{stage}_rms"] = rms[0] if rms else None
        return RankedRow(**found)

    def patience(self, spec: Any) -> float:
        """As for a whole solution."""
        return case_patience(spec.budget_s)

    def figures(self, result: SuiteResult) -> Mapping[str, Draw]:
        """The steps as bars."""
        from pxrdgen_benchmarks.figures import draw_bars

        values = {f"{stage}_strict": said for stage, said in STAGES.items()}
        return {"steps": partial(draw_bars, result, values, "first of the list, strict, %")}


def ranked_by_stage(posed: Posed, components: Components, spec: PipelineSpec) -> dict[str, list[Crystal]]:
    """The list of structures after each step, best first as far as the step can tell; from the search on the solve
    loop's own."""
    import torch

    from pxrdgen_crystallography.structure_fit.chemistry import Chemistry
    from pxrdgen_crystallography.structure_fit.coordinate_fit import fit_coordinates
    from pxrdgen_crystallography.structure_fit.grouped_model import GroupedModel
    from pxrdgen_solver.loop.attempt import AlternativeSearch
    from pxrdgen_solver.loop.settings import SolveSettings

    torch.set_num_threads(1)
    rng, target = torch.Generator().manual_seed(spec.seed), posed.target
    batches = [
        generator.begin(posed.problem, target).generate(posed.problem, target, spec.candidates, rng)
        for generator in components.generators.values()
    ]
    coords, model = torch.cat([batch.frac_coords for batch in batches]), GroupedModel(target)
    fit = fit_coordinates(model, model.start(coords), iterations=22, chemistry=Chemistry(target))
    settings = SolveSettings.of(spec, time.process_time)
    attempt = AlternativeSearch(posed, components, settings, settings.budget, lambda *_: None).run()
    pool = [] if attempt.pool is None else [attempt.pool.fit]
    return {
        "sample": crystals_of(posed, coords),
        "fitted": crystals_of(posed, fit.parameters.frac_coords[torch.argsort(fit.score)]),
        "searched": [
            crystal
            for found in pool
            for crystal in crystals_of(posed, found.parameters.frac_coords[torch.argsort(found.score)])
        ],
        "symmetrised": [finalist.crystal for finalist in attempt.finalists],
        "refined": [entry.refinement.crystal for entry in attempt.ranking()],
    }
