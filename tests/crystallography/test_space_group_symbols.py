"""Space groups as users type them, with their settings, and the cells that fit them."""

from __future__ import annotations

import numpy as np
import pytest

from pxrdgen.errors import SymmetryError
from pxrdgen.values.cell import UnitCell
from pxrdgen_crystallography.lattice.metric import check_metric, symmetric_cell
from pxrdgen_crystallography.space_group_symbols import parse_space_group, settings_of


@pytest.mark.parametrize(
    ("typed", "number", "symbol"),
    [
        (14, 14, "P 1 21/c 1"),
        ("62", 62, "P n m a"),
        ("P21/n", 14, "P 1 21/n 1"),
        ("P 1 21/n 1", 14, "P 1 21/n 1"),
        ("P 21/c", 14, "P 1 21/c 1"),
        ("P2_1/c", 14, "P 1 21/c 1"),
        ("P2(1)/c", 14, "P 1 21/c 1"),
        ("P2₁/n", 14, "P 1 21/n 1"),
        ("p21/c", 14, "P 1 21/c 1"),
        ("Pnma", 62, "P n m a"),
        ("Pnma (62)", 62, "P n m a"),
        ("Pnma, No. 62", 62, "P n m a"),
        ("No. 62", 62, "P n m a"),
        ("-P 2ac 2n", 62, "P n m a"),
        ("P 6(3) m c", 186, "P 63 m c"),
        ("P2(1)/n (14)", 14, "P 1 21/n 1"),
        ("F d -3 m S", 227, "F d -3 m:1"),
        ("F d -3 m Z", 227, "F d -3 m:2"),
        ("Fd-3m origin choice 1", 227, "F d -3 m:1"),
        ("R -3 c RS", 167, "R -3 c:R"),
        ("R -3 c HR", 167, "R -3 c:H"),
        ("Pbnm", 62, "P b n m"),
        ("Cmce", 64, "C m c a"),
        ("R-3c", 167, "R -3 c:H"),
        ("R-3c:R", 167, "R -3 c:R"),
        ("R 3̅ c", 167, "R -3 c:H"),
        ("Fd-3m", 227, "F d -3 m:2"),
        ("Fd-3m:1", 227, "F d -3 m:1"),
        ("Fd\\bar{3}m", 227, "F d -3 m:2"),
        ("Fd3m", 227, "F d -3 m:2"),
        ("P6_3/mmc", 194, "P 63/m m c"),
        (" I 2/a ", 15, "I 1 2/a 1"),
    ],
)
def test_a_symbol_is_read_with_its_setting(typed: str | int, number: int, symbol: str) -> None:
    group = parse_space_group(typed)
    assert (group.number, group.hm_symbol) == (number, symbol)


def test_an_unknown_symbol_offers_the_nearest() -> None:
    with pytest.raises(SymmetryError, match="did you mean 'P21/n'"):
        parse_space_group("P21/q")
    for nonsense in ("", "0", "231", "-3", "hello"):
        with pytest.raises(SymmetryError):
            parse_space_group(nonsense)


@pytest.mark.parametrize("number", [1, 2, 14, 62, 88, 141, 148, 167, 176, 194, 205, 227, 230])
def test_operations_of_every_setting_form_a_group(number: int) -> None:
    settings = settings_of(number)
    assert {group.number for group in settings} == {number}
    for group in settings:
        known = {(r.tobytes(), tuple(np.rint(t * 24).astype(int) % 24)) for r, t in _operations(group)}
        assert len(known) == len(group.rotations)
        rotation, translation = group.rotations[-1], group.translations[-1]
        for other, shift in _operations(group):
            product = (rotation @ other, rotation @ shift + translation)
            assert (product[0].tobytes(), tuple(np.rint(product[1] * 24).astype(int) % 24)) in known


def _operations(group):  # type: ignore[no-untyped-def]
    return list(zip(group.rotations, group.translations, strict=True))


def test_p21n_has_the_diagonal_glide() -> None:
    group = parse_space_group("P21/n")
    glide = group.translations[[np.array_equal(r, np.diag([1, -1, 1])) for r in group.rotations]]
    assert glide == pytest.approx(np.array([[0.5, 0.5, 0.5]]))


def test_a_face_centred_group_has_48_operations_in_its_primitive_cell() -> None:
    rotations, _ = parse_space_group("Fm-3m").operations_in(np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]))
    assert len(rotations) == 48
    assert len(np.unique(rotations, axis=0)) == 48


@pytest.mark.parametrize(
    ("symbol", "cell", "complaint"),
    [
        ("Pnma", UnitCell(5, 6, 7, 90, 92, 90), r"beta = 90 is required, but 92 is off by 2.00 degrees"),
        ("P42/mnm", UnitCell(4.5, 4.6, 3.0), r"a = b is required.*differ by 2.17 %"),
        ("R-3c", UnitCell(5, 5, 13, 90, 90, 90), r"gamma = 120 is required"),
        ("R-3c:R", UnitCell(5, 5, 5, 60, 60, 65), r"beta = gamma is required"),
        ("P21/c", UnitCell(5, 6, 7, 90, 90, 95), r"gamma = 90 is required.*P 1 1 21/b"),
        ("Fm-3m", UnitCell(5, 5, 5.5), r"b = c is required"),
    ],
)
def test_a_cell_of_the_wrong_shape_is_refused_with_the_condition(symbol: str, cell: UnitCell, complaint: str) -> None:
    with pytest.raises(SymmetryError, match=complaint):
        check_metric(cell, parse_space_group(symbol))


def test_a_cell_within_tolerance_is_made_exact() -> None:
    cell = UnitCell(4.594, 4.596, 2.959, 90.01, 90.0, 89.99)
    group = parse_space_group("P42/mnm")
    check_metric(cell, group)
    exact = symmetric_cell(cell, group)
    assert exact.a == pytest.approx(exact.b, abs=1e-12)
    assert exact.parameters[3:] == pytest.approx((90, 90, 90), abs=1e-9)
    assert exact.a == pytest.approx(4.595, abs=1e-3)
