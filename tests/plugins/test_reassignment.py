"""Lattices from random starts: the cell without lines on its axes, volumes that formula and lines allow."""

from __future__ import annotations

import numpy as np
import pytest

import pxrdgen_cells.indexing.reassignment as reassignment
from pxrdgen.values.cell import UnitCell
from pxrdgen_cells.indexing.reassignment import VolumePrior, settle
from pxrdgen_crystallography.formula.parse import parse_formula
from pxrdgen_crystallography.indexing.description import fingerprint, same_lattice
from pxrdgen_crystallography.indexing.lines import problem_lines
from pxrdgen_crystallography.lattice.bravais import BRAVAIS_LATTICES, BravaisLattice


def lattice_of(symbol: str) -> BravaisLattice:
    return next(entry for entry in BRAVAIS_LATTICES if entry.holohedry == symbol)


def none_on_axes(hkl: np.ndarray) -> np.ndarray:
    return (hkl != 0).sum(axis=1) > 1


def second_orders_on_axes(hkl: np.ndarray) -> np.ndarray:
    """As screw axes leave them, and nothing in the zone of a* and c* but for l even, as a glide plane does."""
    odd = (np.abs(hkl).sum(axis=1) % 2 == 1) & ~none_on_axes(hkl)
    return ~odd & ~((hkl[:, 1] == 0) & (hkl[:, 2] % 2 == 1))


@pytest.mark.parametrize(
    ("symbol", "numbers", "keep"),
    [
        ("P-1", (5.57, 7.13, 7.85, 74.0, 90.0, 78.9), none_on_axes),
        ("P2/m", (5.15, 7.4, 9.8, 90.0, 101.0, 90.0), second_orders_on_axes),
        ("Pmmm", (5.8, 9.5, 11.9, 90.0, 90.0, 90.0), second_orders_on_axes),
    ],
)
def test_starts_settle_into_the_cell_though_axes_are_extinct_and_the_zero_is_off(
    symbol, numbers, keep, line_problem, monkeypatch
) -> None:
    monkeypatch.setattr(reassignment, "STARTS", {6: 40_000, 4: 40_000, 3: 15_000})
    cell, lattice = UnitCell(*map(float, numbers)), lattice_of(symbol)
    problem = line_problem(cell, keep=keep, zero=0.05, error=0.003)
    lines = problem_lines(problem)
    prior = VolumePrior(composition=None, z=None, smallest=8.0, largest=3000.0, expected=cell.volume)
    found = settle(lattice, lines, prior, 100, np.random.default_rng(0))
    right = [
        place
        for place, entry in enumerate(found.parameters)
        if same_lattice(
            fingerprint(UnitCell.from_basis(lattice.primitive_basis(entry)).niggli()[0].basis),
            fingerprint(cell.niggli()[0].basis),
            0.01,
        )
    ]
    assert right
    assert found.zero[right[0]] == pytest.approx(0.05, abs=0.02)


def test_the_same_draws_give_the_same_lattices(line_problem, monkeypatch) -> None:
    monkeypatch.setattr(reassignment, "STARTS", {3: 2_000})
    lines = problem_lines(line_problem(UnitCell(5.8, 9.5, 11.9), error=0.003))
    prior = VolumePrior(composition=None, z=None, smallest=8.0, largest=3000.0, expected=650.0)
    first, second = (settle(lattice_of("Pmmm"), lines, prior, 20, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first.parameters, second.parameters)


def test_volumes_are_those_of_the_formula_near_that_of_the_lines(line_problem) -> None:
    problem = line_problem(UnitCell(5.15, 7.4, 9.8, 90.0, 101.0, 90.0), composition=parse_formula("CaSiO3")[0])
    lines = problem_lines(problem)
    prior = VolumePrior.of(problem, lattice_of("P2/m"), lines, 8.0)
    volumes = prior.draw(4000, np.random.default_rng(0))
    assert 0.5 < prior.expected / 366.0 < 2.0
    near_whole = np.abs(np.log(volumes / 65.0 / np.maximum(np.round(volumes / 65.0), 1.0)))
    assert np.median(volumes) == pytest.approx(prior.expected, rel=0.6)
    assert np.mean(near_whole < 0.15) > 0.8
    assert prior.weight(np.array([1.0, 1e5])).tolist() == [0.0, 0.0]


def test_too_few_lines_settle_into_nothing(line_problem) -> None:
    lines = problem_lines(line_problem(UnitCell(5.8, 9.5, 11.9))).first(5)
    prior = VolumePrior(composition=None, z=None, smallest=8.0, largest=3000.0, expected=650.0)
    assert len(settle(lattice_of("P-1"), lines, prior, 20, np.random.default_rng(0)).zero) == 0
