"""Classical indexing: from peak positions alone to the cell, in every crystal system."""

from __future__ import annotations

import numpy as np
import pytest

from pxrdgen.errors import CellError
from pxrdgen.values.cell import UnitCell
from pxrdgen_cells.indexing.assignments import assigned
from pxrdgen_cells.indexing.line_table import line_table
from pxrdgen_cells.indexing.options import IndexingOptions
from pxrdgen_cells.indexing.predictor import Indexing
from pxrdgen_cells.indexing.voting import vote
from pxrdgen_crystallography.indexing.description import fingerprint, same_lattice
from pxrdgen_crystallography.indexing.lines import problem_lines
from pxrdgen_crystallography.lattice.bravais import BRAVAIS_LATTICES, volume_of_form
from pxrdgen_crystallography.lattice.centring import primitive_vectors
from pxrdgen_solver.indexing.find import find_cells

#: conventional cell, centring and which hkl of the conventional cell are extinct beyond the centring.
CRYSTALS = {
    "fluorite, cubic F": ((5.463, 5.463, 5.463, 90, 90, 90), "F"),
    "corundum, trigonal R": ((4.759, 4.759, 12.993, 90, 90, 120), "R"),
    "rutile, tetragonal P": ((4.594, 4.594, 2.959, 90, 90, 90), "P"),
    "anglesite, orthorhombic P": ((8.482, 5.398, 6.959, 90, 90, 90), "P"),
    "diopside, monoclinic C": ((9.746, 8.899, 5.251, 90, 105.63, 90), "C"),
    "baddeleyite, monoclinic P": ((5.150, 5.212, 5.317, 90, 99.23, 90), "P"),
    "wollastonite, triclinic": ((7.94, 7.32, 7.07, 90.03, 95.37, 103.43), "P"),
}


def primitive_of(name: str) -> UnitCell:
    numbers, centring = CRYSTALS[name]
    cell = UnitCell(*map(float, numbers))
    return UnitCell.from_basis(primitive_vectors(centring, cell) @ cell.basis).niggli()[0]


def is_lattice(found: UnitCell, expected: UnitCell) -> bool:
    return same_lattice(fingerprint(found.basis), fingerprint(expected.basis), 2e-3)


@pytest.mark.parametrize("name", CRYSTALS)
def test_the_cell_is_found_with_zero_error_scatter_and_missing_lines(name: str, line_problem, rng) -> None:
    cell = primitive_of(name)
    problem = line_problem(cell, zero=0.03, error=0.004, drop=0.15)
    answer = find_cells(problem, {"indexing": Indexing()}, rng=rng)
    assert is_lattice(answer.hypotheses[0].cell, cell)
    assert answer.hypotheses[0].zero == pytest.approx(0.03, abs=0.01)


def test_a_glide_plane_and_screw_axes_do_not_hide_the_cell(line_problem, rng) -> None:
    # P2_1/c, cell axes as they are: h0l only for l even, 0k0 only for k even
    cell = UnitCell(5.15, 7.4, 9.8, 90.0, 101.0, 90.0)

    def keep(hkl):
        h, k, l = hkl.T  # noqa: E741 - the name of the index
        return ~((k == 0) & (l % 2 == 1)) & ~((h == 0) & (l == 0) & (k % 2 == 1))

    answer = find_cells(line_problem(cell, keep=keep, error=0.003), {"indexing": Indexing()}, rng=rng)
    assert is_lattice(answer.hypotheses[0].cell, cell.niggli()[0])


def only_general_lines(hkl):
    h, k, l = hkl.T  # noqa: E741 - the name of the index
    return (k != 0) & ((h != 0) | (l != 0))


def test_a_cell_is_found_though_no_line_on_its_axes_or_in_the_zone_of_the_oblique_ones_is_seen(
    line_problem, rng
) -> None:
    cell = UnitCell(5.15, 7.4, 9.8, 90.0, 101.0, 90.0)
    problem = line_problem(cell, keep=only_general_lines, error=0.003)
    answer = find_cells(problem, {"indexing": Indexing(IndexingOptions(passes=2, batches=1))}, rng=rng)
    assert is_lattice(answer.hypotheses[0].cell, cell.niggli()[0])


@pytest.mark.parametrize(
    ("symbol", "numbers"), [("P2/m", (5.15, 7.4, 9.8, 90, 101, 90)), ("Pmmm", (5.8, 9.5, 11.9, 90, 90, 90))]
)
def test_exhaustive_trials_hold_the_cell_without_lines_on_the_axes(symbol, numbers, line_problem) -> None:
    cell = UnitCell(*map(float, numbers))
    lattice = next(entry for entry in BRAVAIS_LATTICES if entry.holohedry == symbol)
    lines = problem_lines(line_problem(cell, keep=only_general_lines, error=0.002)).first(30)
    trials = assigned(lattice, line_table(lines.q, 0.03 * lines.q_by_angle), 8.0, 3000.0)
    volumes = volume_of_form(trials @ lattice.free)
    close = trials[np.abs(volumes / cell.volume - 1.0) < 0.02]
    assert any(
        same_lattice(
            fingerprint(UnitCell.from_basis(lattice.primitive_basis(entry)).niggli()[0].basis),
            fingerprint(cell.niggli()[0].basis),
            0.01,
        )
        for entry in close
    )


def test_no_exhaustive_trials_of_lattices_with_too_many_or_too_few_parameters(line_problem) -> None:
    lines = problem_lines(line_problem(UnitCell(4.12, 4.12, 4.12)))
    table = line_table(lines.q, 0.03 * lines.q_by_angle)
    sizes = {lattice.num_free: len(assigned(lattice, table, 8.0, 3000.0)) for lattice in BRAVAIS_LATTICES}
    assert sizes[1] == sizes[2] == sizes[6] == 0
    assert min(sizes[3], sizes[4]) > 0


def test_impurity_lines_are_tolerated_and_named(line_problem, rng) -> None:
    cell = primitive_of("anglesite, orthorhombic P")
    extra = [22.31, 35.77, 41.03]
    answer = find_cells(line_problem(cell, extra=extra, error=0.003), {"indexing": Indexing()}, rng=rng)
    assert is_lattice(answer.hypotheses[0].cell, cell)
    assert set(np.round(extra, 2)) <= set(np.round(answer.hypotheses[0].unindexed, 2))
    assert any("second phase" in note for note in answer.notes)


def test_a_cell_that_leaves_many_lines_over_is_doubted(line_problem, rng) -> None:
    cell = primitive_of("rutile, tetragonal P")
    extra = [16.35, 22.31, 25.9, 32.47, 46.03]
    sure, doubted = (
        find_cells(line_problem(cell, extra=some, error=0.003), {"indexing": Indexing()}, rng=rng)
        for some in ((), extra)
    )
    assert is_lattice(sure.hypotheses[0].cell, cell)
    assert is_lattice(doubted.hypotheses[0].cell, cell)
    assert (sure.hypotheses[0].probability or 0.0) > 0.7
    assert doubted.hypotheses[0].probability == pytest.approx(0.5)
    assert doubted.nothing + sum(entry.probability or 0.0 for entry in doubted.hypotheses) == pytest.approx(
        1.0, abs=0.02
    )


def test_random_lines_get_no_confident_cell(line_problem, rng) -> None:
    problem = line_problem(UnitCell(4, 4, 4), drop=1.0, extra=np.sort(rng.uniform(12.0, 78.0, 24)))
    answer = find_cells(problem, {"indexing": Indexing(IndexingOptions(passes=1, batches=1))}, rng=rng)
    assert answer.nothing > 0.5


def test_too_few_peaks_are_refused(line_problem, rng) -> None:
    problem = line_problem(UnitCell(4, 4, 4), drop=1.0, extra=[31.0, 44.0])
    with pytest.raises(CellError, match="expected at least"):
        Indexing().predict(problem, 10, rng)


def test_the_same_pattern_gets_the_same_cells(line_problem) -> None:
    problem = line_problem(primitive_of("rutile, tetragonal P"), error=0.004)
    predictor = Indexing(IndexingOptions(passes=1, batches=1))
    first, second = (predictor.predict(problem, 5, np.random.default_rng(seed)) for seed in (1, 2))
    assert [entry.cell for entry in first] == [entry.cell for entry in second]
    assert all(entry.cell.niggli()[0].volume == pytest.approx(entry.cell.volume) for entry in first)


def test_the_table_counts_lines_hit_by_a_lattice(line_problem) -> None:
    cell = UnitCell(4.12, 4.12, 4.12)
    lines = problem_lines(line_problem(cell))
    table = line_table(lines.q, 0.01 * lines.q_by_angle)
    lattice = next(entry for entry in BRAVAIS_LATTICES if entry.holohedry == "Pm-3m")
    hkl = np.stack(np.meshgrid(*[np.arange(7)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)[1:]
    odds, hits = table.judge(np.array([[1 / 4.12**2], [1 / 4.3**2]]), lattice.design(hkl))
    assert hits[0] == len(lines)
    assert hits[1] < len(lines) / 2
    assert odds[0] > 0 > odds[1]


def test_a_vote_finds_the_axis_that_most_lines_agree_on() -> None:
    a, c = 0.04, 0.017
    known = np.array([[0.0, a, 2 * a, 4 * a]])
    q = np.array([a + c, 2 * a + c, 4 * a + c, c, 0.0333, 0.0911])
    rows, values = vote(q, 1e-4, known, np.ones(4), (0.005, 0.1), 1)
    assert rows.tolist() == [0]
    assert values[0] == pytest.approx(c, abs=1e-4)
