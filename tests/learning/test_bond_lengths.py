"""Bond lengths fitted to crystals come back from crystals made with them."""

from __future__ import annotations

import numpy as np
import pytest

from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.bond_valence import SOFTNESS, bond_length, general_bond_length
from pxrdgen_learning.bond_lengths import fit_bond_lengths


def rock_salt(edge: float) -> Crystal:
    basis = 0.5 * edge * np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    return Crystal(species=np.array([8, 12]), frac_coords=np.array([[0.5, 0.5, 0.5], [0.0, 0.0, 0.0]]), basis=basis)


def test_six_bonds_of_a_third_give_the_length_of_one() -> None:
    seen, length = fit_bond_lengths([rock_salt(4.21)] * 60)[12, 8]
    # six bonds of 2.105 A with a valence of 1/3 each, and what lies within reach besides
    nearest = 2.105 + SOFTNESS * np.log(1 / 3)
    assert seen == pytest.approx(60.0)
    assert nearest - 0.06 < length < nearest + 0.01


def test_few_crystals_leave_a_pair_to_the_general_estimate() -> None:
    assert fit_bond_lengths([rock_salt(4.21)]) == {}


@pytest.mark.parametrize(
    ("cation", "anion", "published"), [(14, 8, 1.624), (15, 8, 1.617), (29, 8, 1.679), (11, 8, 1.803)]
)
def test_the_shipped_table_is_near_the_usual_one(cation: int, anion: int, published: float) -> None:
    """Brown & Altermatt 1985, doi:10.1107/S0108768185002063."""
    assert bond_length(cation, anion) == pytest.approx(published, abs=0.03)
    assert bond_length(92, 118) == general_bond_length(92, 118)
