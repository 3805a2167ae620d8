"""Neutrons: whatever would need their scattering says that it is not modelled, and takes no X-ray form factor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import pxrdgen
from pxrdgen.errors import InstrumentError
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import CUKA, LABORATORY, Instrument, Radiation
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.refinement import RefinementStart
from pxrdgen_crystallography.diffraction import simulate_profile
from pxrdgen_crystallography.preparation import prepare
from pxrdgen_crystallography.scattering.amplitudes import scattering_of
from pxrdgen_crystallography.scattering.radiation import faint_elements, polarization_of
from pxrdgen_crystallography.structure_fit.intensities import intensity_target
from pxrdgen_gsas2.instruments import instrument_request
from pxrdgen_learning.views.pattern_views import patterns_from_prepared
from pxrdgen_refiners.least_squares import LeastSquares
from pxrdgen_testing.samples import rutile, rutile_sample

NEUTRONS = replace(LABORATORY, radiation=Radiation(wavelengths=(1.5401,), kind="neutron"))
SENTENCE = "got neutron radiation, expected x-ray"


@pytest.fixture
def pattern() -> PowderPattern:
    return replace(rutile_sample().pattern, instrument=NEUTRONS)


def test_simulating_says_so() -> None:
    batch = CrystalBatch.from_crystals([rutile()])
    with pytest.raises(InstrumentError, match=SENTENCE):
        simulate_profile(batch, NEUTRONS, torch.linspace(10.0, 80.0, 701))


@pytest.mark.parametrize("cell", [UnitCell(4.5937, 4.5937, 2.9587), None])
def test_solving_says_so(pattern: PowderPattern, cell: UnitCell | None) -> None:
    with pytest.raises(InstrumentError, match=SENTENCE):
        pxrdgen.solve(pattern, "TiO2", z=2, cell=cell)


def test_refining_says_so(pattern: PowderPattern) -> None:
    with pytest.raises(InstrumentError, match=SENTENCE):
        pxrdgen.refine(pattern, rutile())


def test_a_refiner_alone_says_so() -> None:
    measurement = replace(rutile_sample().measurement, instrument=NEUTRONS)
    result = LeastSquares().refine(measurement, [RefinementStart(crystal=rutile())])[0]
    assert not result.converged
    assert SENTENCE in result.message
    with pytest.raises(InstrumentError, match=SENTENCE):
        instrument_request(NEUTRONS)


def test_a_learned_view_and_a_target_say_so(pattern: PowderPattern) -> None:
    prepared = prepare(pattern)
    with pytest.raises(InstrumentError, match=SENTENCE):
        patterns_from_prepared([prepared])
    from pxrdgen_crystallography.decomposition.decompose import decompose

    decomposition = decompose(
        pattern.two_theta, pattern.intensity, pattern.uncertainty, prepared.background, NEUTRONS, rutile().basis
    )
    with pytest.raises(InstrumentError, match=SENTENCE):
        intensity_target(decomposition, rutile().species)


def test_every_question_to_the_radiation_is_refused() -> None:
    for ask in (
        lambda: scattering_of(NEUTRONS.radiation),
        lambda: polarization_of(NEUTRONS),
        lambda: faint_elements(rutile().species, NEUTRONS.radiation),
    ):
        with pytest.raises(InstrumentError, match=SENTENCE):
            ask()


def test_an_unknown_kind_is_met_with_the_nearest() -> None:
    with pytest.raises(InstrumentError, match=r"got radiation kind 'neutrons'.*neutron"):
        Radiation(wavelengths=(1.54,), kind="neutrons")


def test_x_rays_hardly_see_hydrogen_and_lithium_beside_lead() -> None:
    species = np.array([1, 1, 3, 8, 8, 82])
    assert faint_elements(species, CUKA).tolist() == [1, 3]
    assert faint_elements(np.array([1, 1]), CUKA).tolist() == []
    assert polarization_of(Instrument(polarization=0.7)) == 0.7
