"""The space group task: the truth is looked up in its place, and hits are counted from the ranks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pxrdgen_benchmarks.cases import Column, simulated_cases
from pxrdgen_benchmarks.posed import posed_of
from pxrdgen_benchmarks.subsets import Entry
from pxrdgen_benchmarks.tasks.space_groups import NOWHERE, SpaceGroups, SpaceGroupsSpec, class_rank, group_row
from pxrdgen_solver.space_group.rank import rank_space_groups
from pxrdgen_solver.space_group.values import RankedGroups
from pxrdgen_testing.samples import rutile

ENTRY = Entry(index=0, crystal=rutile(), space_group=136, bucket="all")


@pytest.fixture(scope="module")
def ranked() -> RankedGroups:
    (case,) = simulated_cases([ENTRY], [Column.CLEAN])
    posed = posed_of(case.question())
    return rank_space_groups(posed.prepared, posed.problem, posed.decomposition)


def test_the_symbol_of_rutile_comes_first_in_any_axes() -> None:
    turned = replace(rutile(), basis=rutile().basis[[2, 0, 1]], frac_coords=rutile().frac_coords[:, [2, 0, 1]])
    for crystal in (rutile(), turned):
        (case,) = simulated_cases([replace(ENTRY, crystal=crystal)], [Column.CLEAN])
        row = SpaceGroups().measure(case, SpaceGroupsSpec())
        assert (row.class_1, row.group_10, row.symbol) == (True, True, "P - n -")
        assert 0.0 < row.probability <= 1.0


def test_hits_follow_from_the_ranks(ranked: RankedGroups) -> None:
    second = ranked.classes[1].members[0]
    place = next(row for row, entry in enumerate(ranked) if entry is second)
    row = group_row(ranked, [place], [0], 0.5)
    assert (row.class_1, row.class_5, row.group_1) == (False, True, place == 0)
    assert (row.group_10, row.group_10_loose) == (place < 10, True)
    assert row.probability == pytest.approx(second.probability)


def test_a_group_that_is_not_in_the_list_is_no_hit(ranked: RankedGroups) -> None:
    row = group_row(ranked, [], [], 0.5)
    assert not any((row.class_1, row.class_5, row.group_1, row.group_10, row.group_10_loose))
    assert (row.probability, row.candidates) == (0.0, len(ranked))
    assert class_rank([], ranked) == NOWHERE
    assert np.isclose(sum(entry.probability for entry in ranked), 1.0, atol=0.01)
