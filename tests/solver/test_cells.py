"""Cells from peak positions: lattice types, fits, evidence, figures of merit, ranking."""

from __future__ import annotations

import numpy as np
import pytest

from pxrdgen.errors import CellError
from pxrdgen.interfaces.cell_predictor import CellPredictor
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellHypothesis
from pxrdgen_crystallography.formula.parse import parse_formula
from pxrdgen_crystallography.indexing.description import describe, fingerprint, is_superlattice, same_lattice
from pxrdgen_crystallography.indexing.judge import judge_cells, without_repeats
from pxrdgen_crystallography.indexing.likelihood import line_evidence
from pxrdgen_crystallography.indexing.lines import problem_lines
from pxrdgen_crystallography.indexing.merits import figures_of_merit
from pxrdgen_crystallography.indexing.position_fit import fit_positions
from pxrdgen_crystallography.lattice.bravais import (
    BRAVAIS_LATTICES,
    form_of_basis,
    index_list,
    quadratic_terms,
    volume_of_form,
)
from pxrdgen_crystallography.lattice.centring import primitive_vectors
from pxrdgen_solver.indexing.find import SUPERSTRUCTURE, find_cells
from pxrdgen_solver.indexing.problems_of_cells import problems_of_cells

BY_SYMBOL = {lattice.holohedry: lattice for lattice in BRAVAIS_LATTICES}

#: conventional cells of each lattice type.
CONVENTIONAL = {
    "Fm-3m": (5.64, 5.64, 5.64, 90, 90, 90),
    "Im-3m": (3.3, 3.3, 3.3, 90, 90, 90),
    "Pm-3m": (4.12, 4.12, 4.12, 90, 90, 90),
    "P6/mmm": (3.15, 3.15, 4.77, 90, 90, 120),
    "R-3m": (4.76, 4.76, 12.99, 90, 90, 120),
    "I4/mmm": (3.78, 3.78, 9.51, 90, 90, 90),
    "P4/mmm": (4.59, 4.59, 2.96, 90, 90, 90),
    "Fmmm": (5.1, 7.3, 9.9, 90, 90, 90),
    "Immm": (4.2, 5.5, 8.9, 90, 90, 90),
    "Cmmm": (3.9, 9.7, 6.1, 90, 90, 90),
    "Pmmm": (5.4, 6.96, 8.48, 90, 90, 90),
    "C2/m": (9.4, 5.1, 6.8, 90, 104.3, 90),
    "P2/m": (5.15, 5.21, 7.32, 90, 99.2, 90),
    "P-1": (5.1, 6.2, 7.4, 83.0, 76.0, 71.0),
}


def primitive(symbol: str) -> UnitCell:
    cell = UnitCell(*map(float, CONVENTIONAL[symbol]))
    return UnitCell.from_basis(primitive_vectors(BY_SYMBOL[symbol].centring, cell) @ cell.basis).niggli()[0]


@pytest.mark.parametrize("symbol", CONVENTIONAL)
def test_every_lattice_type_is_recognised_from_its_primitive_cell(symbol: str) -> None:
    found = describe(primitive(symbol).basis)
    assert found.lattice.holohedry == symbol
    expected = UnitCell(*map(float, CONVENTIONAL[symbol]))
    assert found.conventional.volume == pytest.approx(expected.volume, rel=1e-6)
    if symbol not in ("P-1", "C2/m"):
        assert sorted(found.conventional.parameters) == pytest.approx(sorted(expected.parameters), abs=1e-5)
    assert same_lattice(fingerprint(found.primitive.basis), fingerprint(primitive(symbol).basis), 1e-6)


@pytest.mark.parametrize("symbol", CONVENTIONAL)
def test_index_lists_hold_every_line_of_the_primitive_lattice(symbol: str) -> None:
    lattice, cell = BY_SYMBOL[symbol], primitive(symbol)
    description = describe(cell.basis)
    q = np.unique(np.round(description.parameters @ lattice.design(index_list(lattice, (9, 9, 14))), 6))
    grid = np.stack(np.meshgrid(*[np.arange(-8, 9)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    expected = np.unique(np.round(form_of_basis(cell.basis) @ quadratic_terms(grid).T, 6))[1:]
    limit = 0.3
    assert q[q < limit].size == expected[expected < limit].size
    assert q[q < limit] == pytest.approx(expected[expected < limit], abs=2e-6)


def test_the_form_of_a_cell_gives_its_volume() -> None:
    cell = primitive("P-1")
    assert float(volume_of_form(form_of_basis(cell.basis))) == pytest.approx(cell.volume)
    assert float(volume_of_form(np.array([1.0, 1.0, 1.0, 0.0, 0.0, 2.5]))) == 0.0


def test_a_lattice_off_by_a_thousandth_and_a_zero_error_are_mended(line_problem) -> None:
    cell = primitive("C2/m")
    lines = problem_lines(line_problem(cell, zero=0.04, error=0.002))
    truth = describe(cell.basis)
    start = truth.parameters * (1.0 + 1e-3 * np.array([1.0, -1.0, 0.5, 0.7]))
    fit = fit_positions(truth.lattice, start[None, :], lines)
    assert fit.sound[0]
    assert fit.zero[0] == pytest.approx(0.04, abs=0.004)
    assert fit.parameters[0] == pytest.approx(truth.parameters, rel=2e-4)
    su = np.sqrt(np.diag(fit.covariance[0]))
    assert (np.abs(fit.parameters[0] - truth.parameters) < 5.0 * su).all()


def test_a_supercell_explains_the_lines_as_well_and_is_believed_less(line_problem) -> None:
    cell = primitive("Pmmm")
    lines = problem_lines(line_problem(cell, error=0.003))
    true, doubled = (
        describe(candidate.basis) for candidate in (cell, UnitCell(cell.a, cell.b, 2.0 * cell.c, 90.0, 90.0, 90.0))
    )
    odds = [line_evidence(entry.lattice, entry.parameters, 0.0, lines).log_odds for entry in (true, doubled)]
    assert odds[0] > odds[1] + 0.5 * len(lines) * np.log(2.0)
    m = [figures_of_merit(entry.lattice, entry.parameters, 0.0, lines)[0] for entry in (true, doubled)]
    assert m[0] > 1.4 * m[1]


def test_figures_of_merit_follow_their_definitions(line_problem) -> None:
    cell = primitive("Pm-3m")
    problem = line_problem(cell)
    lines = problem_lines(problem)
    description = describe(cell.basis)
    m, f, indexed = figures_of_merit(description.lattice, description.parameters, 0.0, lines, 10)
    assert indexed.all()
    # exact positions count with the smallest error believed, 0.0005 degrees; angles were rounded to 0.001
    assert f == pytest.approx(1.0 / 0.0005, rel=0.2)
    first = lines.first(10)
    assert m == pytest.approx(first.q[-1] / (2.0 * np.mean(0.0005 * first.q_by_angle) * 10), rel=0.2)


def test_foreign_lines_are_named_and_count_against_the_cell(line_problem) -> None:
    cell = primitive("P4/mmm")
    lines = problem_lines(line_problem(cell, extra=[33.217, 47.113]))
    description = describe(cell.basis)
    _, _, indexed = figures_of_merit(description.lattice, description.parameters, 0.0, lines)
    assert lines.two_theta[~indexed] == pytest.approx([33.217, 47.113])
    evidence = line_evidence(description.lattice, description.parameters, 0.0, lines)
    assert evidence.explained[~indexed].max() < 0.1 < 0.9 < evidence.explained[indexed].min()


def test_rough_proposals_are_fitted_in_their_own_lattice_type(line_problem) -> None:
    cell = primitive("P2/m")
    lines = problem_lines(line_problem(cell, zero=-0.03, error=0.002))
    rough = UnitCell(*(np.array(cell.parameters) * [1.012, 0.99, 1.008, 1.004, 1.006, 0.997]))
    best = judge_cells([rough], lines)[0]
    assert best.description.lattice.holohedry == "P2/m"
    assert same_lattice(fingerprint(best.description.primitive.basis), fingerprint(cell.basis), 1e-3)


def test_faint_foreign_lines_at_low_angles_do_not_lead_a_good_cell_astray(line_problem) -> None:
    cell = primitive("R-3m")
    faint = [9.13, 11.47, 13.02, 14.81, 16.66, 18.23, 19.9, 21.7]
    lines = problem_lines(line_problem(cell, zero=0.03, error=0.004, faint=faint))
    rough = UnitCell(*(np.array(cell.parameters) * [1.006, 1.006, 1.006, 0.997, 0.997, 0.997]))
    for start in (cell, rough):
        best = judge_cells([start], lines)[0]
        assert same_lattice(fingerprint(best.description.primitive.basis), fingerprint(cell.basis), 1e-3)
        assert best.weight > 40.0


@pytest.mark.parametrize(("factor", "index"), [((1, 1, 2), 2), ((2, 1, 2), 4), ((1, 3, 1), 3)])
def test_sublattices_are_recognised(factor: tuple[int, int, int], index: int) -> None:
    cell = primitive("P-1")
    larger = UnitCell.from_basis(np.diag(factor) @ cell.basis).niggli()[0]
    assert is_superlattice(larger.basis, cell.basis) == index
    assert is_superlattice(cell.basis, larger.basis) == 0
    other = UnitCell(5.3, 6.0, 7.4 * index, 83.0, 76.0, 71.0).niggli()[0]
    assert is_superlattice(other.basis, cell.basis) == 0


def test_a_proposal_that_is_a_multiple_of_the_cell_leads_to_the_cell(line_problem, rng) -> None:
    cell = primitive("P-1")
    problem = line_problem(cell, error=0.003)
    for matrix in (np.diag([1, 2, 1]), np.diag([1, 1, 3])):
        answer = find_cells(problem, {"given": Given(UnitCell.from_basis(matrix @ cell.basis).niggli()[0])}, rng=rng)
        assert same_lattice(fingerprint(answer.hypotheses[0].cell.basis), fingerprint(cell.basis), 1e-3)


def test_settings_of_one_lattice_are_merged(line_problem) -> None:
    cell = primitive("C2/m")
    lines = problem_lines(line_problem(cell))
    other = UnitCell.from_basis(np.array([[1, 1, 0], [0, 1, 0], [0, 1, 1]]) @ cell.basis)
    assert len(without_repeats(judge_cells([cell, other], lines)[:2], 5)) == 1


class Given(CellPredictor):
    """Proposes what it was given."""

    def __init__(self, *cells: UnitCell) -> None:
        self.cells = cells

    def predict(self, problem, count, rng):
        del problem, rng
        return [CellHypothesis(cell=cell, origin="given") for cell in self.cells[:count]]


def test_the_answer_says_lattice_niggli_cell_uncertainties_and_z(line_problem, rng) -> None:
    cell = primitive("Fm-3m")
    composition, _ = parse_formula("NaCl")
    problem = line_problem(cell, error=0.003, high=120.0, composition=composition)
    doubled = UnitCell.from_basis(np.diag([1, 1, 2]) @ cell.basis)
    answer = find_cells(problem, {"given": Given(doubled, cell)}, count=5, rng=rng)
    best = answer.hypotheses[0]
    assert (best.conventional.system, best.conventional.centring, best.z) == ("cubic", "F", 1)
    assert best.conventional.cell.a == pytest.approx(5.64, abs=5 * best.conventional.cell_su[0])
    assert 0 < best.conventional.cell_su[0] < 0.002
    assert best.conventional.cell_su[3] == pytest.approx(0.0, abs=1e-9)
    assert best.probability > 0.5
    # a superstructure is never excluded by a list of lines
    assert answer.nothing == pytest.approx(SUPERSTRUCTURE, abs=0.01)
    assert not best.unindexed
    assert best.merits["indexed"] == best.merits["lines"]


def test_lines_of_nothing_are_no_cell(line_problem, rng) -> None:
    problem = line_problem(primitive("Pm-3m"), drop=1.0, extra=np.sort(rng.uniform(15.0, 78.0, 18)))
    answer = find_cells(problem, {"given": Given(primitive("P2/m"), primitive("Pmmm"))}, rng=rng)
    assert not answer.hypotheses
    assert answer.nothing > 0.99
    assert "no cell explains" in answer.notes[0]


def test_too_few_peaks_say_how_many_are_needed(line_problem) -> None:
    problem = line_problem(primitive("Pm-3m"), drop=1.0, extra=[30.0, 43.0])
    with pytest.raises(CellError, match=r"got 2 peaks .* expected at least 3"):
        problem_lines(problem)


def test_problems_share_the_time_by_likelihood(line_problem, rng) -> None:
    cell = primitive("Fm-3m")
    composition, _ = parse_formula("NaCl")
    problem = line_problem(cell, error=0.003, high=120.0, composition=composition)
    doubled = UnitCell.from_basis(np.diag([1, 1, 2]) @ cell.basis)
    answer = find_cells(problem, {"given": Given(cell, doubled)}, rng=rng)
    found = problems_of_cells(answer, problem.prepared.pattern, composition, most=3)
    assert found[0].problem.z == 1
    assert found[0].problem.user_z == 4
    assert sum(entry.share for entry in found) == pytest.approx(1.0)
    assert found[0].share == max(entry.share for entry in found)


def test_a_pattern_without_a_cell_is_no_problem_to_solve(line_problem, rng) -> None:
    composition, _ = parse_formula("NaCl")
    problem = line_problem(primitive("Pm-3m"), drop=1.0, extra=np.sort(rng.uniform(15.0, 78.0, 18)))
    answer = find_cells(problem, {"given": Given(primitive("P2/m"))}, rng=rng)
    with pytest.raises(CellError, match="give the cell"):
        problems_of_cells(answer, problem.prepared.pattern, composition)
