"""Hydrogen put into a refined structure afterwards."""

from __future__ import annotations

import numpy as np

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.refinement import RefinementResult
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry
from pxrdgen_solver.answer.hydrogens import LEFT_OUT, PLACED, with_hydrogens


def brucite() -> Crystal:
    """Mg(OH)2 without its hydrogen."""
    basis = UnitCell(a=3.142, b=3.142, c=4.766, alpha=90.0, beta=90.0, gamma=120.0).basis
    coords = np.array([[1 / 3, 2 / 3, 0.22], [2 / 3, 1 / 3, 0.78], [0.0, 0.0, 0.0]])
    return Crystal(species=np.array([8, 8, 12]), frac_coords=coords, basis=basis, u_iso=np.full(3, 0.01))


def test_hydroxyl_is_placed_under_the_group_and_has_no_uncertainty() -> None:
    symmetry = find_symmetry(brucite(), 0.01)
    heavy = symmetry.crystal
    fit = RefinementResult(crystal=heavy, r_wp=0.1, coordinate_su=np.full((3, 3), 0.001), u_iso_su=np.full(3, 0.002))
    placed, group, remark = with_hydrogens(fit, symmetry, 2)
    assert remark == PLACED
    assert placed.crystal.species.tolist() == [1, 1, 8, 8, 12]
    assert np.allclose(placed.crystal.frac_coords[2:], heavy.frac_coords)
    assert group is not None
    assert group.number == symmetry.number == 164
    assert placed.coordinate_su is not None
    assert placed.u_iso_su is not None
    assert not placed.coordinate_su[:2].any()
    assert (placed.coordinate_su[2:] > 0).all()
    assert placed.u_iso_su.tolist() == [0.0, 0.0, 0.002, 0.002, 0.002]
    apart = placed.crystal.frac_coords[:2, None] - placed.crystal.frac_coords[None, 2:4]
    lengths = np.linalg.norm((apart - np.rint(apart)) @ heavy.basis, axis=-1)
    assert np.allclose(np.sort(lengths.min(axis=1)), 0.97, atol=0.05)


def test_without_a_place_the_structure_is_given_without_hydrogen() -> None:
    lead = Crystal(species=np.array([82]), frac_coords=np.zeros((1, 3)), basis=np.diag([4.0, 4.1, 4.2]))
    fit = RefinementResult(crystal=lead, r_wp=0.1)
    kept, group, remark = with_hydrogens(fit, None, 2)
    assert kept is fit
    assert group is None
    assert remark == LEFT_OUT
