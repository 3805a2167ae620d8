"""Measured patterns as questions: what is told, in which cell."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pxrdgen.errors import DatasetError
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.pattern import PowderPattern
from pxrdgen_benchmarks.cases import Told
from pxrdgen_benchmarks.measured import real_cases, with_group
from pxrdgen_crystallography.formula.parse import parse_formula
from pxrdgen_solver.question.problem import build_problem
from pxrdgen_solver.question.question import Question

#: halite in its primitive cell.
HALITE = Crystal(
    species=np.array([11, 17]),
    frac_coords=np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]),
    basis=2.82 * np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]),
)


def pattern() -> PowderPattern:
    grid = np.arange(10.0, 80.0, 0.02)
    return PowderPattern(two_theta=grid, intensity=np.full(grid.size, 100.0))


def test_a_told_group_comes_with_its_conventional_cell() -> None:
    composition = parse_formula("NaCl")[0]
    asked = with_group(Question(pattern=pattern(), composition=composition, cell=HALITE.cell, z=1), HALITE)
    assert asked.space_group is not None
    assert (asked.space_group.number, asked.z) == (225, 4)
    assert asked.cell is not None
    assert asked.cell.parameters == pytest.approx((5.64, 5.64, 5.64, 90, 90, 90))
    assert Told.GROUP.of(asked) is asked
    problem = build_problem(asked.pattern, composition, cell=asked.cell, z=asked.z, space_group=asked.space_group)
    assert problem.cell is not None
    assert problem.cell.volume == pytest.approx(HALITE.cell.volume)


def test_indexes_name_one_structure_or_several_and_sizes_choose(tmp_path, monkeypatch) -> None:
    listed = [
        {"name": name, "pattern": f"{name}.xy", "radiation": "CuKa", "atoms_in_primitive_cell": size, **rest}
        for name, size, rest in (
            ("one", 60, {"structure": "one.cif", "agrees_with_reference": True}),
            ("two", 56, {"structures": ["two.cif"], "agrees_with_reference": True}),
            ("lacking", 58, {"structures": ["lacking.cif"], "agrees_with_reference": False}),
            ("small", 8, {"structure": "small.cif", "agrees_with_reference": True}),
        )
    ]
    (tmp_path / "index.json").write_text(json.dumps(listed), encoding="utf-8")
    monkeypatch.setattr("pxrdgen_benchmarks.measured.read_cif", lambda path: (path.stem, HALITE)[1])
    whole = real_cases(tmp_path, min_atoms=55, max_atoms=300)
    assert [case.id for case in whole] == ["two", "one"]
    every = real_cases(tmp_path, min_atoms=55, max_atoms=300, disagreeing=True)
    assert [case.id for case in every] == ["two", "lacking", "one"]


def test_a_folder_without_an_index_is_refused(tmp_path) -> None:
    with pytest.raises(DatasetError, match=r"index\.json"):
        real_cases(tmp_path, max_atoms=10)
