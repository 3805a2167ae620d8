"""Absences, orbit sizes and cells of the 230 space groups against what the International Tables print."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from pxrdgen.errors import SymmetryError
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.space_group import SpaceGroup
from pxrdgen_crystallography.lattice.centring import primitive_vectors
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.space_groups.absences import reflection_conditions
from pxrdgen_crystallography.space_groups.frames import frames_of
from pxrdgen_crystallography.space_groups.lattice_type import lattice_type
from pxrdgen_crystallography.space_groups.orbits import OrbitSizes, check_contents, orbit_sizes
from pxrdgen_crystallography.space_groups.placements import placements
from pxrdgen_crystallography.space_groups.subgroups import lattice_symmetry
from pxrdgen_crystallography.space_groups.symbols import derive_extinction_symbol, extinction_symbol

LATTICES = {
    "aP": ("P", (5, 6, 7, 80, 85, 95)),
    "mP": ("P", (5, 6, 7, 90, 100, 90)),
    "mC": ("C", (9, 6, 7, 90, 100, 90)),
    "oP": ("P", (5, 6, 7, 90, 90, 90)),
    "oC": ("C", (5, 9, 7, 90, 90, 90)),
    "oF": ("F", (6, 8, 11, 90, 90, 90)),
    "oI": ("I", (6, 8, 11, 90, 90, 90)),
    "tP": ("P", (5, 5, 7, 90, 90, 90)),
    "tI": ("I", (5, 5, 9, 90, 90, 90)),
    "hP": ("P", (4, 4, 6, 90, 90, 120)),
    "hR": ("R", (4, 4, 11, 90, 90, 120)),
    "cP": ("P", (5, 5, 5, 90, 90, 90)),
    "cF": ("F", (5, 5, 5, 90, 90, 90)),
    "cI": ("I", (5, 5, 5, 90, 90, 90)),
}


#: divisions of the conventional axes.
GRID = 24


def counted_on_a_grid(group: SpaceGroup) -> OrbitSizes:
    """Orbit sizes from the operations alone.

    A point that s operations (whose traces add up to t) leave in place has an orbit of G / s points and t / s free
    coordinates. Every point without freedom lies on the grid, and every line and plane meets it somewhere where it
    meets nothing of higher symmetry.
    """
    axis = np.arange(GRID)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    steps = np.rint(group.translations * GRID).astype(np.int64)
    stabiliser = np.zeros(len(points), dtype=np.int64)
    traces = np.zeros(len(points), dtype=np.int64)
    for rotation, step in zip(group.rotations, steps, strict=True):
        stays = ((points @ rotation.T + step - points) % GRID == 0).all(axis=1)
        stabiliser += stays
        traces += stays * int(np.trace(rotation))
    operations = len(group.rotations)
    identity = (group.rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2))
    centring = int(identity.sum())
    orbit, freedom = operations // stabiliser, traces // stabiliser
    fixed = Counter(orbit[freedom == 0].tolist())
    free = {int(size) // centring for size in np.unique(orbit[freedom > 0])} | {operations // centring}
    return OrbitSizes(
        fixed=tuple((size // centring, points_of // size) for size, points_of in sorted(fixed.items())),
        free=tuple(sorted(free)),
    )


def niggli_basis(letter: str, numbers: tuple[float, ...]) -> np.ndarray:
    cell = UnitCell.from_numbers(numbers)
    primitive = primitive_vectors(letter, cell) @ cell.basis
    return UnitCell.from_basis(primitive).niggli()[0].basis


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("P-1", "P -"),
        ("P21/c", "P 1 21/c 1"),
        ("P21/n", "P 1 21/n 1"),
        ("C2/c", "C 1 c 1"),
        ("P212121", "P 21 21 21"),
        ("Pnma", "P n - a"),
        ("Pbca", "P b c a"),
        ("Fddd", "F d d d"),
        ("P42/mnm", "P - n -"),
        ("I41/amd", "I a - d"),
        ("I4/mcm", "I - c -"),
        ("P63/mmc", "P - - c"),
        ("P63/m", "P 63 - -"),
        ("P3121", "P 31 - -"),
        ("R-3c", "R - c"),
        ("Fm-3m", "F - - -"),
        ("Fd-3m", "F d - -"),
    ],
)
def test_extinction_symbols_are_those_of_the_international_tables(symbol: str, expected: str) -> None:
    group = parse_space_group(symbol)
    found = derive_extinction_symbol(group)
    # the tables print R - - for both settings; the hexagonal one has three directions
    assert found == expected or found == f"{expected} -"
    assert extinction_symbol(group) == found


def test_groups_of_a_crystal_system_share_a_symbol_exactly_if_they_share_their_absences() -> None:
    steps = np.arange(-6, 7)
    hkl = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    symbols, absences = defaultdict(set), defaultdict(set)
    for number in range(1, 231):
        group = parse_space_group(number)
        absent, _ = reflection_conditions(hkl, group.rotations, group.translations)
        system, symbol = group.crystal_system, extinction_symbol(group)
        absences[system, symbol].add(absent.tobytes())
        symbols[system, absent.tobytes()].add((symbol, number))
    assert all(len(found) == 1 for found in absences.values())
    shared = [found for found in symbols.values() if len({symbol for symbol, _ in found}) > 1]
    # P 21 3 and P 42 3 2 extinguish the same lines by different axes
    assert [sorted(number for _, number in found) for found in shared] == [[198, 208]]


def test_epsilon_of_a_mirror_plane_is_two() -> None:
    group = parse_space_group("Pm")
    absent, epsilon = reflection_conditions(np.array([[1, 0, 2], [1, 1, 2]]), group.rotations, group.translations)
    assert not absent.any()
    assert epsilon.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("symbol", "fixed", "free"),
    [
        ("Pnma", ((4, 2),), (4, 8)),
        ("P-1", ((1, 8),), (2,)),
        ("Pm-3m", ((1, 2), (3, 2)), (6, 8, 12, 24, 48)),
        ("Fd-3m", ((2, 2), (4, 2)), (8, 12, 24, 48)),
        ("P1", (), (1,)),
        ("R-3m", ((1, 2), (3, 2)), (2, 6, 12)),
    ],
)
def test_orbit_sizes_in_the_primitive_cell(
    symbol: str, fixed: tuple[tuple[int, int], ...], free: tuple[int, ...]
) -> None:
    group = parse_space_group(symbol)
    assert counted_on_a_grid(group) == orbit_sizes(group.number)
    assert orbit_sizes(group.number).fixed == fixed
    assert orbit_sizes(group.number).free == free


def test_perovskite_fits_pm3m_and_spinel_fits_fd3m_but_four_lone_atoms_do_not() -> None:
    assert orbit_sizes(221).can_hold([1, 1, 3])
    assert orbit_sizes(227).can_hold([2, 4, 8])
    assert not orbit_sizes(221).can_hold([1, 1, 1, 1])
    assert not orbit_sizes(62).can_hold([2, 4])


def test_atoms_that_the_positions_cannot_hold_are_refused_with_the_multiplicities() -> None:
    with pytest.raises(SymmetryError, match=r"got 6 O in the conventional cell of P n m a .*multiplicities 4, 8"):
        check_contents(parse_space_group("Pnma"), np.full(6, 8))


@pytest.mark.parametrize("name", LATTICES)
def test_every_bravais_type_is_recognised_and_its_conventional_cell_found(name: str) -> None:
    letter, numbers = LATTICES[name]
    basis = niggli_basis(letter, numbers)
    lattice = lattice_symmetry(basis)
    assert lattice_type(basis, lattice.rotations) == name
    frames = frames_of(lattice.rotations, basis @ basis.T)
    volume = abs(np.linalg.det(basis)) * {"P": 1, "C": 2, "I": 2, "R": 3, "F": 4}[letter]
    for frame in frames:
        assert np.linalg.det(frame.to_conventional @ basis) == pytest.approx(volume)
    if name[0] in "otc":
        angles = UnitCell.from_basis(frames[0].to_conventional @ basis).parameters[3:]
        assert angles == pytest.approx((90, 90, 90))


@pytest.mark.parametrize(
    ("lattice", "number", "ways"),
    [("oP", 62, 6), ("oP", 19, 1), ("mP", 14, 3), ("mC", 15, 1), ("cP", 62, 1), ("tP", 14, 5), ("cF", 227, 1)],
)
def test_a_group_is_laid_into_a_lattice_in_each_different_way_once(lattice: str, number: int, ways: int) -> None:
    basis = niggli_basis(*LATTICES[lattice])
    found = [entry for entry in placements(basis, lattice_symmetry(basis)) if entry.space_group.number == number]
    assert len(found) == ways


def test_every_group_is_laid_into_a_lattice_of_its_own_type_and_nothing_maps_it_elsewhere() -> None:
    laid = set()
    for name in LATTICES:
        basis = niggli_basis(*LATTICES[name])
        for entry in placements(basis, lattice_symmetry(basis)):
            laid.add(entry.space_group.number)
            assert np.allclose(
                np.einsum("gji,jk,gkl->gil", entry.rotations, entry.metric, entry.rotations), entry.metric, atol=1e-6
            )
    # eleven groups are mirror images of others
    assert len(laid) == 230 - 11


def test_a_nearly_cubic_cell_is_offered_cubic_and_lower_symmetries() -> None:
    basis = UnitCell(5.0, 5.01, 5.02).basis
    lattice = lattice_symmetry(basis)
    assert len(lattice.rotations) == 24
    assert len(lattice.exact) == 4
    systems = {entry.space_group.crystal_system for entry in placements(basis, lattice)}
    assert systems == {"cubic", "tetragonal", "trigonal", "orthorhombic", "monoclinic", "triclinic"}
