"""Where X-rays see little: light atoms, neighbouring elements, overlapping peaks, the published examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen_benchmarks.cases import Case, Column, SimulatedCase
from pxrdgen_benchmarks.evaluate import solved
from pxrdgen_benchmarks.hard_cases import CLOSE, is_paper_compound, merged, nearest_pair, peak_overlap
from pxrdgen_benchmarks.metrics import STRICT, match_rms
from pxrdgen_benchmarks.solved_row import SolvedRow, solved_row
from pxrdgen_benchmarks.solving_tables import solving_tables
from pxrdgen_benchmarks.subsets import load_subset, shared_folder
from pxrdgen_benchmarks.suite_result import SuiteResult
from pxrdgen_benchmarks.suite_tables import flag, groups, number_table, rate_table, whole
from pxrdgen_benchmarks.tables import Table
from pxrdgen_benchmarks.tasks.solving import SolveTask

if TYPE_CHECKING:
    from pxrdgen.values.crystal import Crystal


class ChallengingData(BaseModel):
    """How many of each kind, and how their patterns are made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    each: int = Field(default=30, ge=1, description="crystals of each kind")
    pool: int | None = Field(default=None, ge=8, description="crystals looked through; all by default")
    splits: tuple[str, ...] = Field(default=("val", "val_light"), description="where they come from")
    pattern: Column = Field(default=Column.CLEAN, description="clean or perturbed")
    crystals: Path | None = Field(default=None, description="table or pack; default: the shared data folder's")


@dataclass(frozen=True, kw_only=True)
class HardRow(SolvedRow):
    """A solved case, with geometry and assignment apart.

    Args:
        geometry: the atoms are in the right places, elements up to 3 apart taken for one.
        assigned: given that, every atom is the right one; ``None`` where there is nothing to mix up.
    """

    geometry: bool
    assigned: bool | None


class Challenging(SolveTask):
    """Geometry and the assignment of elements, counted apart."""

    data_model: ClassVar[type[BaseModel]] = ChallengingData
    card_values: ClassVar[tuple[str, ...]] = ("strict", "geometry", "rms")

    def cases(self, data: Any) -> Sequence[SimulatedCase]:
        """Crystals by kind; one may be of several."""
        pool, sizes = _pool(data), load_subset("val-120")
        return [
            SimulatedCase(
                id=pool[place][0].name,
                column=kind,
                bucket=sizes.bucket(len(pool[place][0])),
                truth=pool[place][0],
                space_group=pool[place][1],
                index=place,
                stranger=pool[place][0],
                recipe=data.pattern,
            )
            for kind, places in _kinds([crystal for crystal, _ in pool]).items()
            for place in places[: data.each]
        ]

    def selection(self, data: Any) -> str:
        """By what makes them hard."""
        return (
            f"the first {data.each} of each kind in a random order of {', '.join(data.splits)}; {data.pattern} patterns"
        )

    def measure(self, case: Case, spec: PipelineSpec) -> HardRow:
        """The row, and whether the atoms are in the right places whatever they are."""
        solution = solved(case, spec)
        row, best = solved_row(solution, case), solution.best
        geometry = row.strict or (
            best is not None and match_rms(merged(best.crystal), merged(case.truth), STRICT) is not None
        )
        # where there is nothing to mix up, assignment says nothing
        close = 0 < nearest_pair(case.truth.species) <= CLOSE
        own = {field.name: getattr(row, field.name) for field in fields(row)}
        return HardRow(**own, geometry=geometry, assigned=row.strict if geometry and close else None)

    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """A line a kind and count; ``assigned`` and ``strict without H`` are of those crystals alone that can tell."""
        hits = {"strict": flag("strict"), "geometry": flag("geometry"), "published": flag("published")}
        among = {"assigned": "assigned", "strict_without_h": "strict without H"}
        lines = [
            (variant, column, said, whole(judged, flag(name), {}))
            for variant, column, records in groups(result)
            for name, said in among.items()
            if (judged := [record for record in records if record.values.get(name) is not None])
        ]
        title = "Of the crystals that can tell, % [95 % interval] (n). Assigned: of those with the right geometry"
        return {
            "kinds": rate_table(result, hits, title="Hard kinds; geometry: elements up to 3 apart in Z taken for one"),
            "among": Table(title=title, header=("variant", "kind", "hit", "share"), rows=tuple(lines)),
            "rms": number_table(result, {"rms": "rms, (V/N)^(1/3)"}, title="Distance of matched sites"),
            "verdicts": solving_tables(result)["verdicts"],
        }


def _kinds(crystals: Sequence[Crystal]) -> dict[str, list[int]]:
    """Places in the pool by what makes them hard."""
    pairs = [nearest_pair(crystal.species) for crystal in crystals]
    kinds = {
        "hydrogen": [place for place, crystal in enumerate(crystals) if (crystal.species == 1).any()],
        "lithium": [place for place, crystal in enumerate(crystals) if (crystal.species == 3).any()],
    }
    for difference in (1, 2, 3):
        kinds[f"dZ={difference}"] = [place for place, pair in enumerate(pairs) if pair == difference]
    overlap = peak_overlap(crystals)
    edges = np.quantile(overlap, [0.25, 0.5, 0.75])
    quarter = np.searchsorted(edges, overlap, side="left")
    for number in range(4):
        kinds[f"overlap quartile {number + 1}"] = np.flatnonzero(quarter == number).tolist()
    kinds["shown in the paper"] = [place for place, crystal in enumerate(crystals) if is_paper_compound(crystal)]
    return kinds


def _pool(data: ChallengingData) -> list[tuple[Crystal, int]]:
    """Crystals with their space groups, in a fixed random order."""
    from pxrdgen_learning.data.dataset_sources import read_dataset

    dataset = read_dataset(data.crystals or shared_folder() / "crystals.parquet").dataset
    parts = [dataset.select(split=split, max_atoms=20) for split in data.splits]
    pool = [
        (crystal.sorted_by_species(), int(group))
        for part in parts
        for crystal, group in zip(part, part.space_group, strict=True)
    ]
    order = np.random.default_rng(5).permutation(len(pool))
    return [pool[place] for place in order[: data.pool]]
