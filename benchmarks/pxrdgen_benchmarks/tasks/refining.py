"""Refiners on displaced structures, measured patterns and raw candidates: RMSE before and after (figure 6)."""

from __future__ import annotations

import json
import math
import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.specs.component import ComponentSpec
from pxrdgen_benchmarks.metrics import PUBLISHED, Count, match_rms, wilson
from pxrdgen_benchmarks.options import Options
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.refinement_cases import (
    Part,
    RefinementCase,
    candidate_refinements,
    measured_refinements,
    simulated_refinements,
)
from pxrdgen_benchmarks.subsets import interleaved, load_entries, load_subset, shared_folder
from pxrdgen_benchmarks.suite_result import SuiteResult
from pxrdgen_benchmarks.suite_tables import finite
from pxrdgen_benchmarks.tables import Table, percent
from pxrdgen_benchmarks.task import Draw, ReportingTask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pxrdgen.interfaces.refiner import Refiner
    from pxrdgen.values.crystal import Crystal
    from pxrdgen.values.refinement import RefinementResult

#: a refinement came home below these: RMSE in (V / N)^(1/3), goodness of fit.
HOME_RMS, HOME_GOF = 0.02, 1.1
#: bins of the RMSE before refinement.
BINS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
#: RMSE must rise by this much to count as worse.
WORSE = 0.005


class RefiningSpec(Options):
    """A refiner."""

    refiner: ComponentSpec = Field(default=ComponentSpec(plugin="least_squares"), description="what is tried")


class RefiningData(Options):
    """What is refined."""

    parts: tuple[Part, ...] = Field(default=tuple(Part), description="simulated, measured, candidates")
    limit: int | None = Field(default=None, ge=1, description="cases of each part")
    subset: str = Field(default="val-120", description="a committed list of crystals")
    crystals: Path | None = Field(default=None, description="table or pack; default: the shared data folder's")


@dataclass(frozen=True, kw_only=True)
class RefinementRow:
    """What became of one start.

    Args:
        rms_before, rms_after: to the truth by the published matcher, in (V / N)^(1/3); ``None`` without a match.
        matched_before, matched_after: whether there is one.
        home: the structure was found again and explains the pattern.
        r_wp, r_wp_without_background, gof: fractions; ``None`` when refinement failed.
        converged: says the refiner.
        cpu_seconds: of this process with its children.
        cell, cell_su: a b c (A) alpha beta gamma (degrees) of the primitive cell.
        coords, coordinate_su: [3 N] fractional, the start's atoms in its order; su empty where unknown.
    """

    rms_before: float | None
    rms_after: float | None
    matched_before: bool
    matched_after: bool
    home: bool
    r_wp: float | None
    r_wp_without_background: float | None
    gof: float | None
    converged: bool
    cpu_seconds: float
    cell: tuple[float, ...]
    cell_su: tuple[float, ...]
    coords: tuple[float, ...]
    coordinate_su: tuple[float, ...]

    @property
    def worse(self) -> bool:
        """Whether refinement led away from the truth."""
        if self.rms_before is None:
            return False
        return self.rms_after is None or self.rms_after > self.rms_before + WORSE


class Refining(ReportingTask):
    """RMSE to the truth before and after."""

    spec_model: ClassVar[type[BaseModel]] = RefiningSpec
    data_model: ClassVar[type[BaseModel]] = RefiningData
    headline: ClassVar[str] = "home"
    card_values: ClassVar[tuple[str, ...]] = ("home", "rms_before", "rms_after")

    def cases(self, data: Any) -> Sequence[RefinementCase]:
        """All starts; a beginning of each part is representative."""
        found: list[RefinementCase] = []
        for part in data.parts:
            if part is Part.MEASURED:
                found += measured_refinements(shared_folder() / "examples")[: data.limit]
                continue
            entries = interleaved(load_entries(load_subset(data.subset), data.crystals))
            made = simulated_refinements if part is Part.SIMULATED else candidate_refinements
            found += made(entries)[: data.limit]
        return found

    def measure(self, case: Any, spec: Any) -> RefinementRow:
        """Before, after, agreement factors, seconds; the truth is looked at after the refiner is done."""
        refiner = _refiner_of(spec.model_dump_json(), json.dumps(case.model()))
        measurement, start = case.task()
        before = _cpu_seconds()
        result = refiner.refine(measurement, [start])[0]
        return refinement_row(case.truth, start.crystal, result, _cpu_seconds() - before)

    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """Who comes home, how refiners agree with the first, RMSE after by RMSE before."""
        tables = dict(super().tables(result))
        runs = {variant.label: rows_of(variant.records) for variant in result.measured}
        for number, (label, rows) in enumerate(runs.items()):
            tables[f"agreement_{number}"] = agreement_table(next(iter(runs)), label, runs)
            candidates = [row for record, row in rows if record.column == Part.CANDIDATES]
            tables[f"before_after_{number}"] = before_after_table(label, candidates)
        return {name: table for name, table in tables.items() if table.rows and name != "agreement_0"}

    def figures(self, result: SuiteResult) -> Mapping[str, Draw]:
        """Distributions of RMSE before and after (figure 6 a), one a refiner."""
        from pxrdgen_benchmarks.figures import draw_histograms

        found: dict[str, Draw] = {}
        for number, variant in enumerate(result.measured):
            some = [record for record in variant.records if record.column == Part.CANDIDATES]
            sets = {f"{name} {variant.label}": finite(some, f"rms_{name}") for name in ("before", "after")}
            if any(sets.values()):
                found[f"rmse_{number}"] = partial(draw_histograms, sets, "RMSE, (V/N)^(1/3)")
        return found

    def patience(self, spec: Any) -> float:
        """A refinement is seconds; a worker process of another program may hang."""
        del spec
        return 300.0


def refinement_row(truth: Crystal, start: Crystal, result: RefinementResult, cpu_seconds: float) -> RefinementRow:
    """The row of a result."""
    before, after = (match_rms(crystal, truth, PUBLISHED) for crystal in (start, result.crystal))
    su = result.coordinate_su
    return RefinementRow(
        rms_before=before,
        rms_after=after,
        matched_before=before is not None,
        matched_after=after is not None,
        home=after is not None and after < HOME_RMS and result.gof < HOME_GOF,
        r_wp=_finite(result.r_wp),
        r_wp_without_background=_finite(result.r_wp_without_background),
        gof=_finite(result.gof),
        converged=result.converged,
        cpu_seconds=round(cpu_seconds, 3),
        cell=tuple(result.crystal.cell.parameters),
        cell_su=tuple(float(value) for value in result.cell_su or ()),
        coords=tuple(result.crystal.frac_coords.ravel().tolist()),
        coordinate_su=() if su is None else tuple(np.ravel(su).tolist()),
    )


def rows_of(records: Sequence[Record]) -> list[tuple[Record, RefinementRow]]:
    """What was measured; failures left out."""
    return [(record, RefinementRow(**record.values)) for record in records if not record.error]  # type: ignore[arg-type]


def agreement_table(first: str, second: str, runs: Mapping[str, Sequence[tuple[Record, RefinementRow]]]) -> Table:
    """How far the two refiners are apart, in standard uncertainties, over crystals that both brought home."""
    ours, theirs = (
        {record.id: (record.bucket, row) for record, row in runs[name] if record.column == Part.SIMULATED and row.home}
        for name in (first, second)
    )
    lines = []
    for kind in sorted({kind for kind, _ in ours.values()}):
        pairs = [(row, theirs[name][1]) for name, (own, row) in ours.items() if own == kind and name in theirs]
        for what, pulls in (("cell", cell_pulls), ("coordinates", coordinate_pulls)):
            if found := [pull for pair in pairs for pull in pulls(*pair)]:
                shares = (f"{np.quantile(found, share):.2f}" for share in (0.5, 0.9, 1.0))
                within = f"{100 * np.mean(np.asarray(found) <= 1.0):.0f}"
                lines.append((kind, what, str(len(pairs)), str(len(found)), *shares, within))
    return Table(
        title=f"{first} against {second}: |difference| over the larger standard uncertainty",
        header=("crystals", "what", "n crystals", "n values", "median", "90 %", "largest", "within 1 su, %"),
        rows=tuple(lines),
    )


def cell_pulls(first: RefinementRow, second: RefinementRow) -> list[float]:
    """|difference| over the larger uncertainty of each free cell parameter."""
    return _pulls(np.subtract(first.cell, second.cell), first.cell_su, second.cell_su)


def coordinate_pulls(first: RefinementRow, second: RefinementRow) -> list[float]:
    """The same of each free coordinate, the mean shift of all atoms taken out.

    Both structures keep the group, so their difference is invariant under it and its mean can only be a shift along a
    floating origin.
    """
    delta = np.subtract(first.coords, second.coords).reshape(-1, 3)
    delta -= np.rint(delta)
    return _pulls((delta - delta.mean(axis=0)).ravel(), first.coordinate_su, second.coordinate_su)


def _pulls(difference: NDArray[np.float64], first: Sequence[float], second: Sequence[float]) -> list[float]:
    if not (first and second):
        return []
    su = np.maximum(first, second)
    return [abs(delta) / each for delta, each in zip(difference.tolist(), su.tolist(), strict=True) if each > 1e-7]


def before_after_table(label: str, rows: Sequence[RefinementRow]) -> Table:
    """Figure 6 of the paper, small: one line a bin of the RMSE before refinement."""
    bins = [(f"{low:g}-{high:g}", [r for r in rows if _inside(r, low, high)]) for low, high in pairwise(BINS)]
    bins.append(("no match", [row for row in rows if row.rms_before is None]))
    bins.append(("all that matched before", [row for row in rows if row.rms_before is not None]))
    lines = []
    for name, members in bins:
        if members:
            after = [row.rms_after for row in members if row.rms_after is not None]
            before = [row.rms_before for row in members if row.rms_before is not None]
            hits = (sum(rms < HOME_RMS for rms in after), len(members) - len(after), sum(row.worse for row in members))
            rates = (percent(wilson(Count(hits=count, n=len(members)))) for count in hits)
            lines.append((name, str(len(members)), _median(before, 3), _median(after, 3), *rates))
    return Table(
        title=f"RMSE in (V / N)^(1/3) before and after refinement, candidates in P1; % [95 % interval] (n): {label}",
        header=(
            "before",
            "n",
            "median before",
            "median after (matched)",
            "below 0.02 after",
            "no match after",
            "worse",
        ),
        rows=tuple(lines),
    )


def _inside(row: RefinementRow, low: float, high: float) -> bool:
    return row.rms_before is not None and low <= row.rms_before < high


def _median(values: Sequence[float], decimals: int) -> str:
    return f"{median(values):.{decimals}f}" if values else ""


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


@lru_cache(maxsize=4)
def _refiner_of(spec: str, model: str) -> Refiner:
    """Built once in a worker for each model; what the spec says itself wins.

    Raises:
        BrokenPluginError: there is no such refiner or it cannot be built.
    """
    from pxrdgen.plugins.registry import default_registry

    wanted, registry = RefiningSpec.model_validate_json(spec).refiner, default_registry()
    usual = registry.options(ComponentKind.REFINER, wanted.plugin).model_dump(mode="json")
    said = {name: value for name, value in wanted.options.items() if usual.get(name) != value}
    built: Refiner = registry.build(ComponentKind.REFINER, wanted.plugin, {**json.loads(model), **said})
    return built
