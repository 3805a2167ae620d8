"""Bond-valence sums against what textbooks say, and elements that change places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.bond_valence import bond_valence_sums, valence_errors
from pxrdgen_crystallography.oxidation_numbers import usual_valences, valences_of


def test_sums_are_the_oxidation_numbers_in_rutile(known: dict[str, Crystal]) -> None:
    crystal = known["rutile"]
    valences = np.where(crystal.species == 22, 4.0, -2.0)
    assert bond_valence_sums(crystal, valences) == pytest.approx(np.abs(valences), abs=0.35)
    assert valence_errors(crystal, valences) == pytest.approx(np.zeros(len(crystal)), abs=0.35)


def test_sums_do_not_hang_on_the_cell(known: dict[str, Crystal]) -> None:
    crystal = known["rutile"]
    other = np.array([[1, 2, 0], [0, 1, 0], [0, -1, 1]])
    skewed = replace(crystal, basis=other @ crystal.basis, frac_coords=crystal.frac_coords @ np.linalg.inv(other) + 3.0)
    valences = valences_of(crystal.species)
    assert valence_errors(skewed, valences) == pytest.approx(valence_errors(crystal, valences), abs=1e-2)


def test_a_wrong_deal_is_less_stable(known: dict[str, Crystal]) -> None:
    crystal = known["perovskite"]
    swapped = crystal.frac_coords.copy()
    first, second = (int(np.flatnonzero(crystal.species == z)[0]) for z in sorted(set(crystal.species.tolist()))[1:])
    swapped[[first, second]] = swapped[[second, first]]
    valences = valences_of(crystal.species)
    right = valence_errors(crystal, valences)
    wrong = valence_errors(replace(crystal, frac_coords=swapped), valences)
    assert np.abs(wrong).max() > np.abs(right).max() + 0.3


def test_what_does_not_balance_has_no_index(known: dict[str, Crystal]) -> None:
    metal = replace(known["rutile"], species=np.array([29] * 4 + [30] * 2))
    assert usual_valences(Composition.from_species(metal.species)) == ()
    assert not valences_of(metal.species).any()
