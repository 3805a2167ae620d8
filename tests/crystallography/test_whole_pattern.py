"""What the whole pattern says of a cell, its half, its multiples and cells that have nothing to do with it."""

from __future__ import annotations

import numpy as np
import pytest

from pxrdgen.values.cell import UnitCell
from pxrdgen_crystallography.indexing.description import fingerprint, same_lattice
from pxrdgen_crystallography.indexing.lines import problem_lines
from pxrdgen_crystallography.indexing.whole_pattern import WholePattern

CELL = UnitCell(9.2, 5.4, 7.1)
HALF = UnitCell(4.6, 5.4, 7.1)


def odd_lines(count: int) -> np.ndarray:
    """2theta of the first lines of odd h, which the half has not."""
    hkl = np.stack(np.meshgrid(np.arange(1, 6, 2), np.arange(3), np.arange(3), indexing="ij"), axis=-1).reshape(-1, 3)
    d = 1.0 / np.linalg.norm(hkl / np.array([9.2, 5.4, 7.1]), axis=1)
    return np.sort(np.degrees(2 * np.arcsin(1.5406 / 2 / d)))[1 : 2 * count : 2]


@pytest.fixture
def with_weak_lines(line_problem):
    return line_problem(CELL, keep=lambda hkl: hkl[:, 0] % 2 == 0, faint=odd_lines(8), high=60.0)


def is_cell(basis: np.ndarray, cell: UnitCell) -> bool:
    return same_lattice(fingerprint(UnitCell.from_basis(basis).niggli()[0].basis), fingerprint(cell.niggli()[0].basis))


def test_weak_lines_point_to_the_right_double(with_weak_lines) -> None:
    pattern = WholePattern(with_weak_lines.prepared, problem_lines(with_weak_lines), CELL.volume)
    fit = pattern.fit(HALF.basis, 0.0)
    best, *others = pattern.sublattice_gains(fit, 2, pattern.noise(fit))
    assert is_cell(best.form @ HALF.basis, CELL)
    assert best.gain > 20.0
    assert all(other.gain < best.gain - 20.0 for other in others)


def test_without_them_no_multiple_pays_for_its_lines(line_problem) -> None:
    problem = line_problem(HALF, high=60.0)
    pattern = WholePattern(problem.prepared, problem_lines(problem), CELL.volume)
    half, double = pattern.fit(HALF.basis, 0.0), pattern.fit(CELL.basis, 0.0)
    noise = min(pattern.noise(half), pattern.noise(double))
    gains = pattern.sublattice_gains(half, 2, noise) + pattern.sublattice_gains(half, 3, noise)
    assert len(gains) == 7 + 13
    assert all(gain.gain < 0.0 for gain in gains)
    assert pattern.evidence(half, noise) > pattern.evidence(double, noise)


def test_a_cell_beats_chance_and_another_of_its_volume_does_not(line_problem) -> None:
    problem = line_problem(HALF, zero=0.03, high=60.0)
    pattern = WholePattern(problem.prepared, problem_lines(problem), CELL.volume)
    right, wrong = pattern.fit(HALF.basis, 0.03), pattern.fit(UnitCell(4.9, 5.7, 6.3146).basis, 0.0)
    noise = pattern.noise(right)
    assert noise == pytest.approx(1.0, abs=0.2)
    assert pattern.gain_over_chance(right, noise) > 20.0
    assert pattern.gain_over_chance(wrong, noise) < 0.0
    assert pattern.evidence(right, noise) > pattern.evidence(wrong, noise) + 100.0


def test_a_strong_line_of_another_phase_says_little(line_problem) -> None:
    evidence, chi_squared = [], []
    for extra in ((), (25.37,)):
        problem = line_problem(HALF, extra=extra, high=60.0)
        pattern = WholePattern(problem.prepared, problem_lines(problem), CELL.volume)
        fit = pattern.fit(HALF.basis, 0.0)
        evidence.append(pattern.evidence(fit, 1.0))
        chi_squared.append(fit.chi_squared.sum())
    said = evidence[0] - evidence[1]
    assert said > 10.0
    assert said < 0.1 * 0.5 * (chi_squared[1] - chi_squared[0])


def test_a_large_cell_is_judged_by_fewer_peaks(line_problem) -> None:
    problem = line_problem(CELL, high=80.0)
    lines = problem_lines(problem)
    small, large = (WholePattern(problem.prepared, lines, volume) for volume in (CELL.volume, 40 * CELL.volume))
    fits = [pattern.fit(HALF.basis, 0.0) for pattern in (small, large)]
    assert fits[1].lines < fits[0].lines
