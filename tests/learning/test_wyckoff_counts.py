"""Counting how crystals use Wyckoff positions."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

from pxrdgen.errors import DatasetError
from pxrdgen.values.crystal import Crystal
from pxrdgen_learning.counting.wyckoff_positions import (
    POSITIONS,
    WyckoffCounts,
    counted,
    positions_file,
    sequences_file,
)


def fluorite(metal: int) -> Crystal:
    fractions = np.array([[0, 0, 0], [0.25] * 3, [0.75] * 3])
    basis = 2.73 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0.0]])
    return Crystal(species=np.array([metal, 9, 9]), frac_coords=fractions, basis=basis)


def test_orbits_and_sequences_are_counted_once_a_crystal() -> None:
    counts = counted([fluorite(20), fluorite(38)])
    assert counts.crystals == 2
    assert dict(counts.orbits) == {(225, "a"): 2, (225, "c"): 2}
    assert dict(counts.sequences) == {(225, "a c"): 2}
    assert sequences_file(counts).splitlines()[2:] == ["space_group,letters,crystals", "225,a c,2"]


def test_the_shipped_table_takes_new_counts_and_keeps_its_positions() -> None:
    old = resources.files("pxrdgen_crystallography").joinpath(f"data/{POSITIONS}").read_text(encoding="utf-8")
    new = positions_file(counted([fluorite(20)]), old)
    rows = [line.rsplit(",", 1) for line in new.splitlines()[3:]]
    assert [row[0] for row in rows] == [line.rsplit(",", 1)[0] for line in old.splitlines()[3:]]
    assert sum(int(row[1]) for row in rows) == 2


def test_a_letter_the_table_lacks_is_refused() -> None:
    counts = WyckoffCounts()
    counts.orbits[225, "z"] += 1
    with pytest.raises(DatasetError, match="lacks"):
        positions_file(counts, "space_group,letter,multiplicity,coordinates,orbits\n225,a,4,0,0,0\n")
