"""What a generator proposes, in the known cell or with one of its own, nothing fitted: one sample, any of several."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.structure_generator import StructureGenerator
from pxrdgen.specs.component import ComponentSpec
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.cases import Column, SimulatedCase
from pxrdgen_benchmarks.crystal_data import CrystalData, CrystalTask
from pxrdgen_benchmarks.evaluate import random_arrangement
from pxrdgen_benchmarks.metrics import PUBLISHED, STRICT, match_rms
from pxrdgen_benchmarks.posed import ask
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.suite_result import SuiteResult
from pxrdgen_benchmarks.suite_tables import flag, rate_table
from pxrdgen_benchmarks.tables import Table
from pxrdgen_benchmarks.task import Draw
from pxrdgen_benchmarks.validity import is_valid


class SamplingSpec(BaseModel):
    """A generator and how often it is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    generator: ComponentSpec = Field(default=ComponentSpec(plugin="direct_space"), description="proposes structures")
    cell: Literal["given", "generated"] = Field(default="given", description="generated: by the generator, from Z")
    samples: int = Field(default=20, ge=1, le=1000, description="for any-of-n; the first is the one sample")
    seed: int = Field(default=0, ge=0, lt=2**63, description="of all randomness")


class SamplingData(CrystalData):
    """Crystals, and what is done to the pattern."""

    columns: tuple[Column, ...] = Field(default=(Column.CLEAN,), description="what is done to the problem")


@dataclass(frozen=True, kw_only=True)
class SampledRow:
    """Samples of one crystal.

    Args:
        published, strict: whether the first sample is the true structure, by each matcher.
        any_published, any_strict: whether any is.
        rms, best_rms: by the published matcher, in (V / N)^(1/3), of the first and the best; ``None`` without a match.
        samples: how many.
        valid: whether the true compound is valid as the published tables count; ``None`` without SMACT.
        cpu_seconds: a sample; ``None`` for the random control.
    """

    published: bool
    any_published: bool
    strict: bool
    any_strict: bool
    rms: float | None
    best_rms: float | None
    samples: int
    valid: bool | None
    cpu_seconds: float | None


class Sampling(CrystalTask):
    """Match rates of raw samples, the three of the published tables."""

    spec_model: ClassVar[type[BaseModel]] = SamplingSpec
    data_model: ClassVar[type[BaseModel]] = SamplingData
    headline: ClassVar[str] = "published"
    card_values: ClassVar[tuple[str, ...]] = ("published", "any_published", "strict", "any_strict", "rms")

    def cases(self, data: Any) -> Sequence[SimulatedCase]:
        """Each crystal in each column."""
        cases: list[SimulatedCase] = data.simulated(data.columns)
        return cases

    def measure(self, case: SimulatedCase, spec: SamplingSpec) -> SampledRow:
        """Matches of the first sample and of any."""
        import torch

        if case.column == Column.RANDOM:
            names = (f"{case.id} {number}" for number in range(spec.samples))
            return sampled_row([random_arrangement(replace(case, id=name)) for name in names], case.truth)
        asked = ask(case.question(), cell=spec.cell)
        generator, rng = _generator(spec.generator.model_dump_json()), torch.Generator().manual_seed(spec.seed)
        started = time.process_time()
        answers = asked.answers(spec.generator.plugin, generator, spec.samples, rng)
        return sampled_row(answers, case.truth, (time.process_time() - started) / len(answers))

    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """Rates and means; where it is known which compounds are valid, the published counts of them, too."""
        tables = {**super().tables(result)}
        if any(r.values.get("valid") is not None for v in result.variants for r in v.records):
            hits = {
                "matched and valid, one": partial(_valid_and, "published"),
                "matched and valid, any of n": partial(_valid_and, "any_published"),
            }
            tables["valid_of_all"] = rate_table(result, hits, title="Matched and SMACT-valid, as published")
            tables["valid_of_valid"] = rate_table(
                _only_valid(result),
                {"matched, one": flag("published"), "matched, any of n": flag("any_published")},
                title="The same among SMACT-valid compounds",
            )
        return tables

    def figures(self, result: SuiteResult) -> Mapping[str, Draw]:
        """Match rates by variant (figures 2 d-f, 3 b); against steps where the grid has them (figure 3 c)."""
        from pxrdgen_benchmarks.figures import draw_against_option, draw_bars

        values = {"published": "one sample", "any_published": "any of n"}
        found: dict[str, Draw] = {"match_rates": partial(draw_bars, result, values, "matched, %")}
        for path in result.suite.grid:
            if path.endswith(".steps"):
                found["match_against_steps"] = partial(draw_against_option, result, path, values, "matched, %")
        return found


def sampled_row(answers: Sequence[Crystal | None], truth: Crystal, cpu_seconds: float | None = None) -> SampledRow:
    """The row of samples, as they came."""
    rms = [None if answer is None else match_rms(answer, truth, PUBLISHED) for answer in answers]
    strict = [
        answer is not None and distance is not None and match_rms(answer, truth, STRICT) is not None
        for answer, distance in zip(answers, rms, strict=True)
    ]
    matched = [distance for distance in rms if distance is not None]
    return SampledRow(
        published=rms[0] is not None,
        any_published=bool(matched),
        strict=strict[0],
        any_strict=any(strict),
        rms=rms[0],
        best_rms=min(matched, default=None),
        samples=len(answers),
        valid=is_valid(truth),
        cpu_seconds=cpu_seconds,
    )


def _valid_and(name: str, record: Record) -> bool:
    return record.flag(name) and record.flag("valid")


def _only_valid(result: SuiteResult) -> SuiteResult:
    """The result without the compounds that are not valid; failures, of which nothing is known, stay."""
    invalid = {
        (record.id, record.column)
        for variant in result.variants
        for record in variant.records
        if record.values.get("valid") is False
    }
    kept = tuple(
        replace(v, records=tuple(r for r in v.records if (r.id, r.column) not in invalid)) for v in result.variants
    )
    return replace(result, variants=kept)


@lru_cache(maxsize=1)
def _generator(spec: str) -> StructureGenerator:
    from pxrdgen.plugins.registry import default_registry

    wanted = ComponentSpec.model_validate_json(spec)
    return default_registry().build(ComponentKind.GENERATOR, wanted)
