"""Wyckoff tables agree with the operations they belong to, and assignments come in order, each class once."""

from __future__ import annotations

import math
from itertools import islice, product

import numpy as np
import pytest

from pxrdgen.values.cell import UnitCell
from pxrdgen_crystallography.lattice.centring import primitive_vectors
from pxrdgen_crystallography.lattice.lattice_symmetry import lattice_point_group
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.wyckoff.assignments import Position, assignments
from pxrdgen_crystallography.wyckoff.derivation import derive_positions, in_family
from pxrdgen_crystallography.wyckoff.normaliser import canonical, permutations
from pxrdgen_crystallography.wyckoff.plausibility import AssignmentPrior
from pxrdgen_crystallography.wyckoff.positions import CellGroup, cell_group, letters_of
from pxrdgen_crystallography.wyckoff.table import parse_coordinates, tabulated_positions

PBSO4 = UnitCell(8.478, 5.397, 6.958)
CELLS = {
    "Pnma": PBSO4,
    "P-1": UnitCell(5.1, 6.2, 7.3, 81, 95, 102),
    "P21/n": UnitCell(5.1, 6.2, 7.3, 90, 101, 90),
    "P63/m": UnitCell(9.37, 9.37, 6.885, 90, 90, 120),
    "R-3c": UnitCell(5.0, 5.0, 13.6, 90, 90, 120),
    "Fd-3m": UnitCell(8.1, 8.1, 8.1),
    "Fd-3m:1": UnitCell(8.1, 8.1, 8.1),
}


def in_cell(symbol: str) -> tuple[CellGroup, np.ndarray]:
    """The group in the primitive cell of its lattice, and that cell's basis."""
    group, cell = parse_space_group(symbol), CELLS[symbol]
    primitive = primitive_vectors(group.centring, cell)
    _, reduction = UnitCell.from_basis(primitive @ cell.basis).niggli()
    to_conventional = np.rint(np.linalg.inv(reduction @ primitive)).astype(np.int64)
    return cell_group(group, to_conventional), np.linalg.inv(to_conventional) @ cell.basis


def column_rotations(basis: np.ndarray) -> np.ndarray:
    rotations = lattice_point_group(basis).astype(np.float64)
    return np.rint(np.linalg.inv(rotations).transpose(0, 2, 1)).astype(np.int64)


def test_the_table_holds_all_1731_positions_of_the_230_groups() -> None:
    table = tabulated_positions()
    assert sorted(table) == list(range(1, 231))
    assert sum(map(len, table.values())) == 1731
    assert [position.letter for position in table[62]] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("number", [1, 2, 14, 47, 62, 148, 176, 194, 216])
def test_tabulated_positions_are_those_derived_from_the_operations(number: int) -> None:
    group = parse_space_group(number)
    derived = derive_positions(group.rotations, group.translations)
    table = tabulated_positions()[number]
    assert sorted((f.multiplicity, f.freedom) for f in derived) == sorted(
        (p.multiplicity, p.directions.shape[1]) for p in table
    )
    for position in table:
        point = position.directions @ np.array([0.137, 0.284, 0.419])[: position.directions.shape[1]] + position.origin
        alike = [
            f for f in derived if f.multiplicity == position.multiplicity and f.freedom == position.directions.shape[1]
        ]
        assert sum(in_family(point, f, group.rotations, group.translations) for f in alike) == 1


def test_coordinates_are_read_as_they_are_written() -> None:
    directions, origin = parse_coordinates("2x,x,z+1/2")
    assert directions.tolist() == [[2, 0], [1, 0], [0, 1]]
    assert origin.tolist() == [0, 0, 0.5]
    assert parse_coordinates("x,-x,3/4")[0].tolist() == [[1], [-1], [0]]


@pytest.mark.parametrize("symbol", CELLS)
def test_orbits_in_the_primitive_cell_map_onto_themselves(symbol: str) -> None:
    group, _ = in_cell(symbol)
    rng = np.random.default_rng(0)
    assert max(family.multiplicity for family in group.families) == len(group.rotations)
    for family in group.families:
        places = family.places(rng.random(family.freedom))
        images = np.einsum("gij,nj->gni", group.rotations, places) + group.translations[:, None]
        delta = images[:, :, None] - places
        nearest = np.abs(delta - np.rint(delta)).max(axis=-1)
        assert nearest.min(axis=2).max() < 1e-6
        assert (nearest[0] < 1e-6).sum() == family.multiplicity


@pytest.mark.parametrize(("symbol", "count"), [("P-1", 8), ("Pnma", 2), ("Fd-3m", 2)])
def test_origin_shifts_exchange_positions(symbol: str, count: int) -> None:
    group, basis = in_cell(symbol)
    found = permutations(group, column_rotations(basis))
    assert len(found) == count
    for permutation, (index, family) in product(found, enumerate(group.families)):
        assert group.families[permutation[index]].multiplicity == family.multiplicity
    if symbol == "Pnma":  # 4a and 4b change places
        assert canonical(((1,), (2,)), found) == ((0,), (2,))


POSITIONS = [Position(multiplicity=m, freedom=f) for m, f in ((1, 0), (1, 0), (2, 1), (4, 3))]


def test_assignments_are_all_there_once_and_by_falling_weight() -> None:
    weights = [[math.log(w) for w in (0.1, 0.2, 0.3, 0.4)]] * 2
    found = list(assignments(POSITIONS, [3, 4], weights))
    assert len({entry.orbits for entry in found}) == len(found)
    values = [entry.log_weight for entry in found]
    assert values == sorted(values, reverse=True)
    for entry in found:
        sizes = [sum(POSITIONS[index].multiplicity for index in chosen) for chosen in entry.orbits]
        assert sizes == [3, 4]
        fixed = [index for chosen in entry.orbits for index in chosen if POSITIONS[index].freedom == 0]
        assert len(set(fixed)) == len(fixed)
    # 3 atoms: one fixed and one pair, either fixed place; 4 atoms: general, or two pairs
    assert {entry.orbits for entry in found} == {((i, 2), four) for i in (0, 1) for four in ((3,), (2, 2))}


def test_a_composition_without_places_has_no_assignment() -> None:
    group, basis = in_cell("Pnma")
    prior = AssignmentPrior(group, [16], [2], basis, column_rotations(basis))
    assert not prior.possible()
    assert group.possible_multiplicities() == (4, 8)


def test_the_true_assignment_of_pbso4_comes_first() -> None:
    group, basis = in_cell("Pnma")
    prior = AssignmentPrior(group, [8, 16, 82], [16, 4, 4], basis, column_rotations(basis))
    first, *others = islice(prior, 12)
    assert letters_of(group.families, first.orbits) == ("4c 4c 8d", "4c", "4c")
    probabilities = [entry.log_probability for entry in (first, *others)]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(map(math.exp, probabilities)) < 1.0 + 1e-9
