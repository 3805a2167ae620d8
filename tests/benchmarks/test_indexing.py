"""What counts as the exact cell, what as one with the same lines, and what is counted."""

from __future__ import annotations

import numpy as np
import pytest

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellAnswer, CellHypothesis
from pxrdgen_benchmarks.cases import Column, simulated_cases
from pxrdgen_benchmarks.cell_agreement import exact_cell, same_lines
from pxrdgen_benchmarks.perturbed import clean_task
from pxrdgen_benchmarks.subsets import Entry
from pxrdgen_benchmarks.tasks.indexing import Contents, Indexing, IndexingSpec, cell_rank_row, system_of
from pxrdgen_testing.samples import caesium_chloride


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


def answer(*cells: UnitCell) -> CellAnswer:
    hypotheses = [CellHypothesis(cell=cell, origin="x", probability=0.5) for cell in cells]
    return CellAnswer(hypotheses=tuple(hypotheses), nothing=0.25)


def test_hits_are_counted_among_the_first_and_the_first_five() -> None:
    truth, wrong = UnitCell(4.0, 4.0, 4.0), UnitCell(4.5, 5.0, 5.5)
    pattern = clean_task(caesium_chloride()).pattern
    first = cell_rank_row(answer(truth, wrong), truth, pattern, 1.0)
    fifth = cell_rank_row(answer(*[wrong] * 4, truth), truth, pattern, 1.0)
    sixth = cell_rank_row(answer(*[wrong] * 5, truth), truth, pattern, 1.0)
    assert [(row.exact_1, row.exact_5) for row in (first, fifth, sixth)] == [(True, True), (False, True), (False,) * 2]
    assert (first.found, first.probability, first.nothing) == (truth.parameters, 0.5, 0.25)
    none = cell_rank_row(answer(), truth, pattern, 1.0)
    assert (none.answered, none.exact_1, none.alike_5, none.found) == (False, False, False, ())


def test_a_lattice_with_the_same_lines_is_alike_and_not_exact() -> None:
    hexagonal, half = UnitCell(9.37, 9.37, 6.885, 90.0, 90.0, 120.0), UnitCell(9.37 / 2, 9.37 * 3**0.5 / 2, 6.885)
    row = cell_rank_row(answer(half), hexagonal, clean_task(caesium_chloride()).pattern, 1.0)
    assert (row.exact_1, row.alike_1) == (False, True)


@pytest.mark.parametrize("raw", [False, True])
def test_caesium_chloride_is_indexed(raw: bool) -> None:
    entry = Entry(index=0, crystal=caesium_chloride(), space_group=221, bucket="1-4")
    (case,) = simulated_cases([entry], [Column.CLEAN])
    row = Indexing().measure(case, IndexingSpec(raw=raw))
    assert row.exact_5
    assert row.exact_1 or raw


def test_what_is_told_is_what_the_problem_holds() -> None:
    entry = Entry(index=0, crystal=caesium_chloride(), space_group=221, bucket="1-4")
    (case,) = simulated_cases([entry], [Column.CLEAN])
    told = {contents: contents.problem(case.question()) for contents in Contents}
    assert [(p.composition is not None, p.z) for p in told.values()] == [(True, 1), (True, None), (False, None)]


@pytest.mark.parametrize(("group", "system"), [(15, "monoclinic"), (16, "orthorhombic"), (167, "trigonal")])
def test_systems_begin_and_end_at_the_right_groups(group: int, system: str) -> None:
    assert system_of(group) == system
