"""Hydrogen atoms placed by geometry, against structures known from neutron diffraction."""

import numpy as np
import pytest

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_crystallography.hydrogen.place import place_hydrogens
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry, invariance_error


def _hexagonal(a: float, c: float) -> np.ndarray:
    return np.array([[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]])


def _brucite() -> Crystal:
    """Mg(OH)2, P-3m1 (Catti et al. 1995, doi:10.1007/BF00202300)."""
    x, y = 1 / 3, 2 / 3
    coords = [(x, y, 0.43), (-x, -y, -0.43), (x, y, 0.22), (-x, -y, -0.22), (0.0, 0.0, 0.0)]
    return Crystal(species=np.array([1, 1, 8, 8, 12]), frac_coords=np.array(coords), basis=_hexagonal(3.142, 4.766))


def _without_hydrogen(crystal: Crystal) -> Crystal:
    heavy = crystal.species > 1
    return Crystal(species=crystal.species[heavy], frac_coords=crystal.frac_coords[heavy], basis=crystal.basis)


def _lithium_hydroxide_hydrate() -> Crystal:
    """LiOH.H2O, C2/m, primitive cell, rounded from neutron diffraction (Hermansson & Thomas 1982).

    Water is in general place; the hydrogen of hydroxide, on the mirror, is set 0.98 A from its oxygen and not judged.
    """
    a, b, c, beta = 7.4153, 8.3054, 3.1950, np.radians(110.107)
    conventional = np.array([[a, 0, 0], [0, b, 0], [c * np.cos(beta), 0, c * np.sin(beta)]])
    sites = [
        (1, [(0.2857, 0.0, 0.702)]),
        (1, [(0.111, 0.134, 0.128), (0.111, -0.134, 0.128)]),
        (3, [(0.0, 0.3485, 0.5)]),
        (8, [(0.2857, 0.0, 0.3953)]),
        (8, [(0.0, 0.2068, 0.0)]),
    ]
    placed = [(z, image) for z, half in sites for x in half for image in (x, tuple(-value for value in x))]
    primitive = np.array([[0.5, 0.5, 0.0], [-0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    coords = np.array([x for _, x in placed]) @ np.linalg.inv(primitive)
    return Crystal(species=np.array([z for z, _ in placed]), frac_coords=coords, basis=primitive @ conventional)


def _placed(crystal: Crystal) -> tuple[SymmetrisedCrystal, Crystal]:
    symmetry = find_symmetry(crystal, 0.01)
    placed = place_hydrogens(_without_hydrogen(symmetry.crystal), symmetry, int((crystal.species == 1).sum()))
    assert placed is not None
    return symmetry, placed


def _distances(crystal: Crystal, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    delta = first[:, None] - second[None]
    delta -= np.rint(delta)
    images = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), axis=-1).reshape(-1, 3)
    return np.linalg.norm((delta[:, :, None] + images) @ crystal.basis, axis=-1).min(axis=2)


def test_hydroxide_stands_on_the_threefold_axis():
    symmetry, placed = _placed(_brucite())
    assert _distances(placed, placed.frac_coords[:2], symmetry.crystal.frac_coords[:2]).min(axis=1).max() < 0.15


def test_water_is_found_where_neutrons_see_it():
    symmetry, placed = _placed(_lithium_hydroxide_hydrate())
    water = symmetry.crystal.frac_coords[2:6]
    assert _distances(placed, water, placed.frac_coords[:6]).min(axis=1).max() < 0.15


@pytest.mark.parametrize("build", [_brucite, _lithium_hydroxide_hydrate])
def test_the_group_is_obeyed_and_the_formula_kept(build):
    symmetry, placed = _placed(build())
    assert placed.species.tolist() == symmetry.crystal.species.tolist()
    images = np.einsum("gij,nj->gni", symmetry.rotations, placed.frac_coords) + symmetry.translations[:, None]
    for image in images:
        apart = _distances(placed, image, placed.frac_coords)
        apart[placed.species[:, None] != placed.species] = np.inf
        assert apart.min(axis=1).max() < 1e-6
    assert find_symmetry(placed, 0.01).number == symmetry.number
    assert invariance_error(find_symmetry(placed, 0.01)) < 1e-6


def test_water_keeps_its_shape():
    _, placed = _placed(_lithium_hydroxide_hydrate())
    hydrogens, oxygens = placed.frac_coords[placed.species == 1], placed.frac_coords[placed.species == 8]
    apart = _distances(placed, hydrogens, oxygens)
    np.testing.assert_allclose(apart.min(axis=1), 0.98, atol=1e-6)
    donors = apart.argmin(axis=1)
    assert sorted(np.bincount(donors)) == [1, 1, 2, 2]
    hydrogens = hydrogens[np.bincount(donors)[donors] == 2]
    between = _distances(placed, hydrogens, hydrogens) + 9.0 * np.eye(len(hydrogens))
    angle = np.degrees(2.0 * np.arcsin(between.min(axis=1) / (2.0 * 0.98)))
    assert np.abs(angle - 106.0).max() < 6.0


def test_without_symmetry_the_same_atoms_come():
    symmetry, placed = _placed(_brucite())
    alone = place_hydrogens(_without_hydrogen(symmetry.crystal), None, 2)
    assert alone is not None
    assert _distances(placed, alone.frac_coords[:2], placed.frac_coords[:2]).min(axis=1).max() < 0.3


def test_displacements_ride_on_their_donors():
    bare = _without_hydrogen(find_symmetry(_brucite(), 0.01).crystal)
    heavy = Crystal(
        species=bare.species, frac_coords=bare.frac_coords, basis=bare.basis, u_iso=np.array([0.01, 0.01, 0.005])
    )
    placed = place_hydrogens(heavy, None, 2)
    assert placed is not None
    assert placed.u_iso is not None
    np.testing.assert_allclose(placed.u_iso, [0.012, 0.012, 0.01, 0.01, 0.005])


def test_an_impossible_count_or_a_hydride_is_refused():
    sodium_hydride = Crystal(species=np.array([11]), frac_coords=np.zeros((1, 3)), basis=2.44 * (1 - np.eye(3)))
    assert place_hydrogens(sodium_hydride, find_symmetry(sodium_hydride), 1) is None
    symmetry = find_symmetry(_brucite(), 0.01)
    assert place_hydrogens(_without_hydrogen(symmetry.crystal), symmetry, 1) is None


def test_hydrogen_is_shared_where_symmetry_asks_for_it():
    """KHF2-like layers: one hydrogen atom for two fluorine atoms 2.28 A apart, exchanged by inversion."""
    half = 1.14 / 6.0
    heavy = Crystal(
        species=np.array([9, 9, 19]),
        frac_coords=np.array([[0, 0, half], [0, 0, -half], [0.5, 0.5, 0.5]]),
        basis=np.diag([4.0, 4.0, 6.0]),
    )
    placed = place_hydrogens(heavy, find_symmetry(heavy), 1)
    assert placed is not None
    assert placed.species.tolist() == [1, 9, 9, 19]
    assert _distances(placed, placed.frac_coords[:1], np.zeros((1, 3))).max() < 1e-6
