"""However a cell is typed, the problem inside is the same."""

from __future__ import annotations

import numpy as np
import pytest

from pxrdgen.errors import CellError, FormulaError, SymmetryError
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.problem import StructureProblem
from pxrdgen_crystallography.formula.parse import parse_formula
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_solver.question.problem import build_problem, problems_for_z

PATTERN = PowderPattern(two_theta=np.linspace(10, 80, 50), intensity=np.ones(50))
FLUORITE = UnitCell(5.463, 5.463, 5.463)


def problem(
    formula: str, cell: UnitCell, z: int | None, centring: str | None = None, group: str = ""
) -> StructureProblem:
    return build_problem(
        PATTERN,
        parse_formula(formula)[0],
        cell=cell,
        z=z,
        centring=centring,
        space_group=parse_space_group(group) if group else None,
    )


def test_fluorite_as_face_centred_and_as_primitive_is_one_problem() -> None:
    edge = 5.463 / np.sqrt(2)
    cubic = problem("CaF2", FLUORITE, 4, "F")
    named = problem("CaF2", FLUORITE, 4, group="Fm-3m")
    primitive = problem("CaF2", UnitCell(edge, edge, edge, 60, 60, 60), 1)
    for other in (named, primitive):
        assert other.basis == pytest.approx(cubic.basis, abs=1e-9)
        assert other.species.tolist() == cubic.species.tolist() == [9, 9, 20]
        assert other.z == 1
    assert (cubic.user_z, primitive.user_z) == (4, 1)


def test_p21c_and_p21n_are_one_problem() -> None:
    c_cell = UnitCell(7.1, 8.3, 9.7, 90, 103, 90)
    n_cell = UnitCell.from_basis(np.array([[-1, 0, -1], [0, 1, 0], [1, 0, 0]]) @ c_cell.basis)
    as_c = problem("LaO", c_cell, 4, group="P21/c")
    as_n = problem("LaO", n_cell, 4, group="P21/n")
    assert as_c.cell.parameters == pytest.approx(as_n.cell.parameters, abs=1e-9)
    assert as_c.species.tolist() == as_n.species.tolist()


@pytest.mark.parametrize(
    ("symbol", "cell"),
    [
        ("P -1", UnitCell(7.1, 8.3, 9.7, 81, 98, 103)),
        ("P 21/n", UnitCell(7.1, 8.3, 9.7, 90, 103, 90)),
        ("P 1 1 21/b", UnitCell(7.1, 8.3, 9.7, 90, 90, 103)),
        ("C 2/c", UnitCell(7.1, 8.3, 9.7, 90, 103, 90)),
        ("I 2/a", UnitCell(7.1, 8.3, 9.7, 90, 103, 90)),
        ("A 1 2/n 1", UnitCell(7.1, 8.3, 9.7, 90, 103, 90)),
        ("P b n m", UnitCell(8.1, 9.3, 11.7)),
        ("A m a 2", UnitCell(8.1, 9.3, 11.7)),
        ("B b m m", UnitCell(8.1, 9.3, 11.7)),
        ("F d d 2", UnitCell(8.1, 9.3, 11.7)),
        ("I 41/a m d", UnitCell(9.1, 9.1, 12.7)),
        ("R -3 c", UnitCell(9.1, 9.1, 12.7, 90, 90, 120)),
        ("R -3 c:R", UnitCell(8.1, 8.1, 8.1, 71, 71, 71)),
        ("I 2 3", UnitCell(9.3, 9.3, 9.3)),
        ("F d -3 m", UnitCell(9.3, 9.3, 9.3)),
    ],
)
def test_the_users_cell_comes_back_from_the_primitive_one(symbol: str, cell: UnitCell) -> None:
    group = parse_space_group(symbol)
    points = {"P": 1, "A": 2, "B": 2, "C": 2, "I": 2, "F": 4, "R": 3}[group.centring]
    stated = problem("LaOF", cell, 4 * points, group=symbol)
    assert stated.lattice_points == points
    assert stated.num_atoms == 12
    assert stated.volume == pytest.approx(cell.volume / points)
    assert UnitCell.from_basis(stated.to_user @ stated.basis).parameters == pytest.approx(cell.parameters, abs=1e-8)
    assert stated.cell.niggli()[0].parameters == pytest.approx(stated.cell.parameters, abs=1e-6)


def test_r_with_rhombohedral_axes_is_already_primitive() -> None:
    corundum = problem("Al2O3", UnitCell(5.128, 5.128, 5.128, 55.28, 55.28, 55.28), 2, "R")
    hexagonal = problem("Al2O3", UnitCell(4.7588, 4.7588, 12.992, 90, 90, 120), 6, group="R-3c")
    named = problem("Al2O3", UnitCell(5.128, 5.128, 5.128, 55.28, 55.28, 55.28), 2, group="R-3c")
    assert corundum.lattice_points == named.lattice_points == 1
    assert named.space_group is not None
    assert named.space_group.hm_symbol == "R -3 c:R"
    assert hexagonal.lattice_points == 3
    assert corundum.species.tolist() == hexagonal.species.tolist()
    assert corundum.cell.parameters == pytest.approx(hexagonal.cell.parameters, abs=0.02)


def test_z_must_suit_the_lattice() -> None:
    with pytest.raises(FormulaError, match=r"one of 4, 8, 12, 16"):
        problem("CaF2", FLUORITE, 3, "F")
    halite = problem("Na2Cl2", UnitCell(5.64, 5.64, 5.64), 2, "F")
    assert halite.species.tolist() == [11, 17]
    assert halite.user_z == 4


def test_without_z_the_volume_decides_and_alternatives_are_ranked() -> None:
    assert problem("CaF2", FLUORITE, None, "F").z == 1
    assert problem("Na2Cl2", UnitCell(5.64, 5.64, 5.64), None, "F").species.tolist() == [11, 17]
    anglesite = UnitCell(8.482, 5.398, 6.959)
    options = problems_for_z(PATTERN, parse_formula("PbSO4")[0], cell=anglesite, at_least=1e-3)
    assert options[0].z == 4
    assert "Z was not given" in options[0].notes[0]
    assert len({option.z for option in options}) == len(options)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(CellError, match="cannot hold the formula"):
        problem("CaF2", FLUORITE, 16)
    with pytest.raises(CellError, match="hexagonal axes"):
        problem("CaF2", UnitCell(5, 6, 7), 3, "R")
    with pytest.raises(CellError, match="expected one of P A B C I F R"):
        problem("CaF2", FLUORITE, 4, "Q")
    with pytest.raises(SymmetryError, match="lattice letter is F"):
        problem("CaF2", FLUORITE, 4, "I", "Fm-3m")
    with pytest.raises(FormulaError):
        problem("CaF2", FLUORITE, 0, "F")


def test_a_refined_cell_keeps_its_relation_to_the_users() -> None:
    stated = problem("CaF2", FLUORITE, 4, "F")
    larger = stated.with_basis(stated.basis * 1.01)
    assert larger.user_cell.parameters[:3] == pytest.approx((5.463 * 1.01,) * 3)
