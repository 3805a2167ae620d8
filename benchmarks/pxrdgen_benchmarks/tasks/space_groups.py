"""Where the true space group comes among those ranked, cell and composition known.

The truth is the symmetry of the crystal at 0.01 A; ``group_10_loose`` also takes what it has at 0.05 A.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from pxrdgen.interfaces.task import Task
from pxrdgen_benchmarks.cases import Column, SimulatedCase, simulated_cases
from pxrdgen_benchmarks.crystal_data import CrystalData
from pxrdgen_benchmarks.options import Options
from pxrdgen_benchmarks.posed import posed_of
from pxrdgen_benchmarks.subsets import val_entries

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pxrdgen.values.crystal import Crystal
    from pxrdgen_solver.space_group.values import RankedGroups

#: A, of the symmetry that counts as the truth, and of the looser one that also counts for the group.
TOLERANCE, LOOSE_TOLERANCE = 0.01, 0.05
#: stands for "not in the list".
NOWHERE = 10_000


class SpaceGroupsSpec(Options):
    """The ranking has no options."""


class SpaceGroupsData(CrystalData):
    """Crystals and their patterns."""

    subset: str = Field(default="random", description="a committed list of crystals, or 'random': of the val split")
    limit: int | None = Field(default=100, ge=1, description="crystals in all")
    columns: tuple[Column, ...] = Field(default=(Column.PERTURBED, Column.CLEAN), description="clean, perturbed")


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """Whether the truth is the first, or among the first few.

    Args:
        class_1, class_5: the true extinction class.
        group_1, group_10: the true group in its true place.
        group_10_loose: that, or the symmetry at 0.05 A.
        probability: of the true group.
        symbol: the first-ranked extinction symbol.
        candidates: groups ranked.
        cpu_s: seconds of ranking.
    """

    class_1: bool
    class_5: bool
    group_1: bool
    group_10: bool
    group_10_loose: bool
    probability: float
    symbol: str
    candidates: int
    cpu_s: float


class SpaceGroups(Task):
    """Extinction classes and groups, ranked."""

    spec_model: ClassVar[type[BaseModel]] = SpaceGroupsSpec
    data_model: ClassVar[type[BaseModel]] = SpaceGroupsData
    headline: ClassVar[str] = "class_1"
    card_values: ClassVar[tuple[str, ...]] = ("class_1", "class_5", "group_1", "group_10", "group_10_loose")

    def cases(self, data: Any) -> Sequence[SimulatedCase]:
        """Each crystal in each column."""
        entries = val_entries(data.limit, data.crystals) if data.subset == "random" else data.chosen(data.every())
        return simulated_cases(entries, data.columns)

    def selection(self, data: Any) -> str:
        """Of the crystals."""
        return f"{data.limit} drawn from the val split" if data.subset == "random" else str(data.selected())

    def measure(self, case: Any, spec: Any) -> GroupRow:
        """Rank the groups, then look up the truth."""
        from pxrdgen_solver.space_group.rank import rank_space_groups

        del spec
        posed = posed_of(case.question())
        started = time.process_time()
        ranked = rank_space_groups(posed.prepared, posed.problem, posed.decomposition)
        seconds = time.process_time() - started
        # the problem's reduced cell need not be the one that the exact cell reduces to
        reduction = np.linalg.inv(posed.problem.to_user)
        truth = replace(
            case.truth,
            basis=reduction @ case.truth.basis,
            frac_coords=case.truth.frac_coords @ np.linalg.inv(reduction) % 1.0,
        )
        strict, loose = (
            rows_of_truth(truth, tolerance, ranked, posed.decomposition.basis)
            for tolerance in (TOLERANCE, LOOSE_TOLERANCE)
        )
        return group_row(ranked, strict, loose, seconds)


def group_row(ranked: RankedGroups, strict: Sequence[int], loose: Sequence[int], seconds: float) -> GroupRow:
    """The row, given which of the ranked groups are the truth."""
    of_class = class_rank(strict, ranked)
    group = min(strict, default=NOWHERE)
    return GroupRow(
        class_1=of_class < 1,
        class_5=of_class < 5,
        group_1=group < 1,
        group_10=group < 10,
        group_10_loose=min([*strict, *loose], default=NOWHERE) < 10,
        probability=float(sum(ranked[row].probability for row in strict)),
        symbol=ranked.classes[0].symbol,
        candidates=len(ranked),
        cpu_s=round(seconds, 3),
    )


def rows_of_truth(truth: Crystal, tolerance: float, ranked: RankedGroups, basis: NDArray[np.float64]) -> list[int]:
    """Which ranked candidates are the crystal's group at a tolerance (A), in its place."""
    from pxrdgen.errors import SymmetryError
    from pxrdgen_crystallography.space_groups.placements import Placement, place, same_placements
    from pxrdgen_crystallography.space_groups.subgroups import lattice_symmetry
    from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry

    try:
        symmetry = find_symmetry(truth, tolerance)
    except SymmetryError:
        return []
    true = Placement(
        space_group=symmetry.space_group,
        to_conventional=np.rint(symmetry.to_standard).astype(np.int64),
        rotations=symmetry.rotations,
        translations=symmetry.translations,
        metric=basis @ basis.T,
    )
    placed = [place(entry.space_group, entry.to_conventional, basis) for entry in ranked]
    return [row for row, hit in enumerate(same_placements(true, placed, lattice_symmetry(basis))) if hit]


def class_rank(rows: Sequence[int], ranked: RankedGroups) -> int:
    """Rank of the best extinction class that holds one of these candidates."""
    wanted = {id(ranked[row]) for row in rows}
    for rank, entry in enumerate(ranked.classes):
        if any(id(member) in wanted for member in entry.members):
            return rank
    return NOWHERE
