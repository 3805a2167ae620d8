"""Elements that look alike, dealt anew by their bond valences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.oxidation_numbers import valences_of
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry, invariance_error
from pxrdgen_solver.answer.exchange import exchanged
from pxrdgen_solver.answer.finalists import Finalist


def oxyfluoride(*, wrong: bool) -> Crystal:
    """A cubic K Nb O F-like toy: one Ti with two O at 1.95 A along c and two F at 2.1 A along a, filled up with K."""
    basis = np.diag([4.2, 4.6, 3.9])
    coords = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.5], [0.5, 0.0, 0.0]])
    species = np.array([22, 8, 9]) if not wrong else np.array([22, 9, 8])
    order = np.argsort(species, kind="stable")
    return Crystal(species=species[order], frac_coords=coords[order], basis=basis)


def as_finalist(crystal: Crystal) -> Finalist:
    symmetry = find_symmetry(crystal, 0.01)
    valences = valences_of(crystal.species)
    return Finalist(
        crystal=symmetry.crystal,
        symmetry=symmetry,
        free=0,
        misfit=0.1,
        criterion=0.0,
        origin="test",
        valence=valences if valences.any() else None,
    )


def test_oxygen_and_fluorine_go_back_where_they_belong() -> None:
    wrong, right = as_finalist(oxyfluoride(wrong=True)), as_finalist(oxyfluoride(wrong=False))
    (made,) = exchanged(wrong, wrong.crystal)
    assert made.prior < 0.0
    assert np.array_equal(made.crystal.species, wrong.crystal.species)
    for z in (8, 9, 22):
        ours, true = (one.crystal.frac_coords[one.crystal.species == z] for one in (made, right))
        delta = ours - true
        assert np.abs(delta - np.rint(delta)).max() < 1e-9
    assert made.symmetry is not None
    assert invariance_error(replace(made.symmetry, crystal=made.crystal)) < 1e-9
    assert exchanged(right, right.crystal) == []


def test_atoms_of_general_orbits_change_places_with_their_images(known: dict[str, Crystal]) -> None:
    crystal = known["rutile"]
    symmetry = find_symmetry(crystal, 0.01)
    cell = UnitCell.from_basis(crystal.basis)
    assert cell.volume > 0.0
    assert exchanged(as_finalist(crystal), crystal) == []  # titanium and oxygen do not look alike
    assert symmetry.number == 136


def test_without_symmetry_or_oxidation_numbers_nothing_is_exchanged() -> None:
    wrong = as_finalist(oxyfluoride(wrong=True))
    assert exchanged(replace(wrong, symmetry=None), wrong.crystal) == []
    alloy = replace(wrong.crystal, species=np.array([27, 28, 29]))
    assert exchanged(as_finalist(alloy), alloy) == []
