"""Uncertainties that GSAS-II gives in the conventional cell, in the cell of the start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.known_crystals import lopsided

from pxrdgen.values.refinement import RefinementStart
from pxrdgen_gsas2.conventional_phase import conventional_phase
from pxrdgen_gsas2.refiner import Gsas2Refiner

from .stand_in import StandIn, corundum, flat, symmetric


def test_uncertainties_follow_the_atoms_into_the_primitive_cell() -> None:
    """x of oxygen in corundum: the shift of the atom in A is what it is in either cell."""
    sym, start = symmetric(corundum())
    phase = conventional_phase(sym.crystal, sym)
    oxygen = next(n for n, a in enumerate(phase.representatives) if phase.conventional.crystal.species[a] == 8)
    place = phase.conventional.crystal.frac_coords[phase.representatives[oxygen]]
    images = phase.conventional.space_group.rotations @ place + phase.conventional.space_group.translations
    stays = np.abs((images - place + 0.5) % 1.0 - 0.5).max(axis=1) < 1e-6
    direction = phase.conventional.space_group.rotations[stays].mean(axis=0) @ np.array([1.0, 0.3, 0.2])

    def uncertain(value: dict[str, Any]) -> None:
        value["phases"][0] |= {
            "moves": [{"atom": oxygen, "direction": direction.tolist()}],
            "move_covariance": [[4e-6]],
        }

    result = Gsas2Refiner(call=StandIn(uncertain)).refine(flat(), [start])[0]
    assert result.coordinate_su is not None
    expected = 2e-3 * np.linalg.norm(direction @ phase.conventional.crystal.basis)
    for atom, z in enumerate(sym.crystal.species):
        sus = result.coordinate_su[atom]
        if z == 13:
            assert not sus.any()
            continue
        # one direction moves each oxygen, so its three uncertainties make one vector up to signs
        signs = [np.array([a, b, c]) for a in (1, -1) for b in (1, -1) for c in (1, -1)]
        lengths = [np.linalg.norm(sign * sus @ sym.crystal.basis) for sign in signs]
        assert min(abs(length - expected) for length in lengths) < 1e-6


def test_cell_uncertainties_are_those_of_the_start_s_cell() -> None:
    sym, start = symmetric(corundum())
    a, c = 4.7602, 12.9933
    su_a, su_c = 2e-4, 9e-4
    slope_a, slope_c = 2 / (0.75 * a**3), 2 / c**3  # A0 = 4 / (3 a^2), A2 = 1 / c^2

    def uncertain(value: dict[str, Any]) -> None:
        variances = [(su_a * 4 * slope_a / 4 * 1.0) ** 2, (su_c * slope_c) ** 2]
        value["phases"][0] |= {"cell_variables": [0, 2], "cell_covariance": np.diag(variances).tolist()}

    result = Gsas2Refiner(call=StandIn(uncertain)).refine(flat(), [start])[0]
    assert result.cell_su is not None
    edge = sym.crystal.cell.a  # a_R^2 = a^2 / 3 + c^2 / 9
    expected = np.hypot(a / 3 * su_a, c / 9 * su_c) / edge
    assert result.cell_su[:3] == pytest.approx([expected] * 3, rel=1e-3)


def test_a_free_origin_is_held_at_the_mean() -> None:
    """In P1 one atom is held by GSAS-II; the uncertainty is shared out among all."""
    moves = [
        {"atom": atom, "direction": [float(axis == other) for other in range(3)]}
        for atom in (1, 2, 3)
        for axis in (0, 1, 2)
    ]

    def uncertain(value: dict[str, Any]) -> None:
        value["phases"][0] |= {"moves": moves, "move_covariance": (1e-6 * np.eye(9)).tolist()}

    result = Gsas2Refiner(call=StandIn(uncertain)).refine(flat(), [RefinementStart(crystal=lopsided())])[0]
    assert result.coordinate_su is not None
    held = int(conventional_phase(lopsided(), None).representatives[0])
    for atom, su in enumerate(result.coordinate_su):
        shared = np.sqrt(3) if atom == held else np.sqrt(9 + 1 + 1)
        assert su == pytest.approx([shared / 4 * 1e-3] * 3)
