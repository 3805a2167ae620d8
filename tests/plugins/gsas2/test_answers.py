"""What the gsas2 refiner makes of an answer: the start's cell and order, orbits, impurities, own agreement factors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.known_crystals import lopsided

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.refinement import RefinementStart
from pxrdgen_crystallography.symmetry.symmetrise import invariance_error
from pxrdgen_gsas2.conventional_phase import conventional_phase
from pxrdgen_gsas2.refiner import Gsas2Refiner
from pxrdgen_testing.samples import rutile

from .stand_in import StandIn, corundum, flat, symmetric


@pytest.mark.parametrize("crystal", [rutile(), corundum(), lopsided()], ids=["rutile", "corundum", "lopsided"])
def test_an_unchanged_structure_comes_back_in_its_own_cell_and_order(crystal: Crystal) -> None:
    sym, start = symmetric(crystal)
    result = Gsas2Refiner(call=StandIn()).refine(flat(), [start])[0]
    assert np.abs(result.crystal.frac_coords - sym.crystal.frac_coords).max() < 1e-9
    assert np.abs(result.crystal.basis - sym.crystal.basis).max() < 1e-6
    assert result.crystal.species.tolist() == sym.crystal.species.tolist()
    assert result.crystal.u_iso is not None
    assert np.allclose(result.crystal.u_iso, 0.02)


@pytest.mark.parametrize("crystal", [rutile(), corundum()], ids=["rutile", "corundum"])
def test_a_moved_atom_takes_its_whole_orbit_along(crystal: Crystal) -> None:
    sym, start = symmetric(crystal)
    moves = []

    def move(value: dict[str, Any]) -> None:
        phase = conventional_phase(sym.crystal, sym)
        for number, atom in enumerate(phase.representatives):
            if phase.conventional.crystal.species[atom] == 8:
                group = phase.conventional.space_group
                place = phase.conventional.crystal.frac_coords[atom]
                images = group.rotations @ place + group.translations
                stays = np.abs((images - place + 0.5) % 1.0 - 0.5).max(axis=1) < 1e-6
                allowed = group.rotations[stays].mean(axis=0) @ np.array([0.013, 0.007, 0.011])
                moves.append(allowed)
                value["phases"][0]["coordinates"][number] = (place + allowed).tolist()

    result = Gsas2Refiner(call=StandIn(move)).refine(flat(), [start])[0]
    assert np.linalg.norm(moves[0]) > 0.001
    moved = np.abs(result.crystal.frac_coords - sym.crystal.frac_coords).max(axis=1)
    assert np.all((moved > 1e-3) == (sym.crystal.species == 8))
    assert invariance_error(replace(sym, crystal=result.crystal)) < 1e-6


def test_agreement_factors_are_pxrdgen_s_own() -> None:
    result = Gsas2Refiner(call=StandIn()).refine(flat(), [symmetric(rutile())[1]])[0]
    assert result.r_wp == pytest.approx(10 / 110)
    assert result.r_wp_without_background == pytest.approx(10 / 50)
    assert result.r_exp == pytest.approx(np.sqrt((200 - 10) * 100 / (200 * 110**2)))
    assert result.num_parameters == 10
    assert result.parameters["u_iso_Ti"] == pytest.approx(0.02)
    assert result.parameter_su == {"scale": 0.1, "zero": 0.002}
    assert "5838" in result.message


def test_an_impurity_is_a_phase_of_its_own() -> None:
    result = Gsas2Refiner(call=StandIn()).refine(replace(flat(), impurities=(corundum(),)), [symmetric(rutile())[1]])[0]
    found = result.impurities[0]
    assert np.abs(found.crystal.basis - corundum().basis).max() < 1e-6
    mass = {"rutile": 2 * 79.865, "corundum": 6 * 101.961}
    assert found.weight_fraction == pytest.approx(mass["corundum"] / sum(mass.values()), abs=1e-3)
    assert found.scale == pytest.approx(1.0)


@pytest.mark.parametrize(("found", "word"), [("off", "off without"), ("repaired", "put in its place"), ("fine", "")])
def test_a_structure_without_a_centre_is_warned_about(found: str, word: str) -> None:
    stand_in = StandIn(lambda value: value.update(friedel=found))
    result = Gsas2Refiner(call=stand_in).refine(flat(), [RefinementStart(crystal=lopsided())])[0]
    assert word in result.message
    assert ("Friedel" in result.message) is bool(word)


@pytest.mark.parametrize("broken", ["calculated", "phases", "nan"])
def test_answers_that_make_no_sense_are_results(broken: str) -> None:
    def damage(value: dict[str, Any]) -> None:
        if broken == "nan":
            value["calculated"][3] = float("nan")
        else:
            value[broken] = value[broken][:0]

    result = Gsas2Refiner(call=StandIn(damage)).refine(flat(), [symmetric(rutile())[1]])[0]
    assert not result.converged
    assert "cannot be used" in result.message
