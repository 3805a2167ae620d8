"""What counts as the exact cell, what as one with the same lines, and the table."""

from __future__ import annotations

import numpy as np
import pytest

from pxrdgen.values.cell import UnitCell
from pxrdgen_benchmarks.cell_rank import NOWHERE, CellRow, exact_cell, rank_table, same_lines


def test_any_setting_of_the_same_lattice_is_exact() -> None:
    truth = UnitCell(5.1, 6.2, 7.4, 83.0, 76.0, 71.0)
    other = UnitCell.from_basis(np.array([[1, 1, 0], [0, 1, 0], [0, 1, 1]]) @ truth.basis)
    assert exact_cell(other, truth)
    assert exact_cell(UnitCell(5.13, 6.17, 7.43, 83.4, 76.3, 70.8), truth)
    assert not exact_cell(UnitCell(5.1, 6.2, 14.8, 83.0, 76.0, 71.0), truth)
    assert not exact_cell(UnitCell(5.25, 6.2, 7.4, 83.0, 76.0, 71.0), truth)
    assert not exact_cell(UnitCell(5.1, 6.2, 7.4, 83.0, 78.0, 71.0), truth)


def test_a_hexagonal_lattice_and_an_orthorhombic_one_of_half_its_volume_have_the_same_lines() -> None:
    # h^2 + hk + k^2 and 3 x^2 + y^2 take the same values (Mighell & Santoro 1975)
    hexagonal = UnitCell(9.37, 9.37, 6.885, 90.0, 90.0, 120.0)
    half = UnitCell(9.37 / 2, 9.37 * 3**0.5 / 2, 6.885)
    assert not exact_cell(half, hexagonal)
    assert same_lines(half, hexagonal, 1.5406, 80.0)
    assert not same_lines(UnitCell(9.37 / 2, 9.37 * 3**0.5 / 2, 2 * 6.885), hexagonal, 1.5406, 80.0)


def test_rates_count_everything_that_was_asked_and_name_the_system() -> None:
    rows = [
        CellRow(id="a", column="clean", num_atoms=2, space_group=225, volume=45.0, rank=0, alike=0, found=(4,) * 6),
        CellRow(id="b", column="clean", num_atoms=4, space_group=227, volume=40.0, rank=3, alike=0, found=(4,) * 6),
        CellRow(id="c", column="clean", num_atoms=9, space_group=2, volume=200.0, error="CellError: too few"),
    ]
    table = {row[1]: row for row in rank_table(rows).rows}
    assert [row.system for row in rows] == ["cubic", "cubic", "triclinic"]
    assert table["cubic"][3].startswith("50.0")
    assert table["cubic"][5].startswith("100.0")
    assert table["all"][4].startswith("66.7")
    assert table["all"][7] == "1"
    assert rows[2].rank == NOWHERE


def test_rows_survive_the_file() -> None:
    import json

    row = CellRow(id="a", column="clean", num_atoms=2, space_group=225, volume=45.0, rank=0, found=(4.0,) * 6)
    assert CellRow.from_mapping(json.loads(row.to_json())) == row
    assert row.key == ("a", "clean")


@pytest.mark.parametrize(("group", "system"), [(15, "monoclinic"), (16, "orthorhombic"), (167, "trigonal")])
def test_systems_begin_and_end_at_the_right_groups(group: int, system: str) -> None:
    assert CellRow(id="a", column="clean", num_atoms=2, space_group=group, volume=1.0).system == system
