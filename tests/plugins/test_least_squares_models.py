"""What the built-in refinement can be asked for: asymmetry, Uiso by site, impurities, texture, distances and more."""

from __future__ import annotations

from dataclasses import replace
from math import radians

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.instrument import CUKA, LABORATORY, Instrument, Radiation
from pxrdgen.values.refinement import Measurement, RefinementResult, RefinementStart
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry
from pxrdgen_refiners.least_squares import LeastSquares
from pxrdgen_refiners.line_shapes import line_shapes
from pxrdgen_refiners.options import LeastSquaresOptions
from pxrdgen_refiners.peak_shapes import Windows, peaks_on
from pxrdgen_testing import samples

FloatArray = NDArray[np.float64]

GRID = np.arange(15.0, 95.0, 0.02)


def rutile(u_iso: tuple[float, float] = (0.006, 0.01)) -> Crystal:
    """``u_iso`` of titanium and of oxygen."""
    return replace(samples.rutile(), u_iso=np.array([u_iso[1]] * 4 + [u_iso[0]] * 2))


def perovskite(u_iso: tuple[float, float, float, float] = (0.006, 0.005, 0.008, 0.008)) -> Crystal:
    """Tetragonal, its oxygens on two sites: beside titanium along c, and in the plane."""
    return Crystal(
        species=np.array([38, 22, 8, 8, 8]),
        frac_coords=np.array([[0.5, 0.5, 0.5], [0, 0, 0], [0, 0, 0.5], [0.5, 0, 0], [0, 0.5, 0]]),
        basis=np.diag([3.905, 3.905, 4.01]),
        u_iso=np.array([*u_iso, u_iso[3]]),
    )


def salt(a: float = 5.6402) -> Crystal:
    corners = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    return Crystal(
        species=np.array([11] * 4 + [17] * 4), frac_coords=np.vstack([corners, corners + 0.5]), basis=a * np.eye(3),
        name="salt",
    )  # fmt: skip


def refined(crystal: Crystal, measurement: Measurement, *, moved: float = 0.0, **options: object) -> RefinementResult:
    sym = find_symmetry(crystal, 0.01)
    start = replace(sym, crystal=replace(sym.crystal, basis=sym.crystal.basis * (1.0 + moved), u_iso=None))
    refiner = LeastSquares(LeastSquaresOptions.model_validate(options))
    return refiner.refine(measurement, [RefinementStart(crystal=start.crystal, symmetry=start)])[0]


def counted(expected: FloatArray, instrument: Instrument, *, seed: int = 1, **more: object) -> Measurement:
    observed = np.random.default_rng(seed).poisson(expected).astype(np.float64)
    return Measurement(
        two_theta=GRID,
        intensity=observed,
        sigma=np.sqrt(np.maximum(observed, 1.0)),
        background=np.full(GRID.size, float(np.percentile(observed, 5))),
        instrument=replace(instrument, w=1.2 * instrument.w),
        **more,  # type: ignore[arg-type]
    )


def peaks_of(crystal: Crystal, instrument: Instrument) -> FloatArray:
    """The whole profile as the refinement's own model gives it (checked against the engine elsewhere), highest 1."""
    from pxrdgen_refiners.intensity_model import IntensityModel, scattering_tables
    from pxrdgen_refiners.least_squares import freedom_of
    from pxrdgen_refiners.profile_model import chebyshev_terms, profile_at
    from pxrdgen_refiners.reflections import reflections_of

    flat = np.ones(GRID.size)
    measurement = Measurement(
        two_theta=GRID, intensity=flat, sigma=1e-3 * flat, background=0 * flat, instrument=instrument
    )
    freedom = freedom_of(measurement, RefinementStart(crystal=crystal), LeastSquaresOptions(u_iso="site"))
    reflections = reflections_of(
        freedom.basis, freedom.strains, instrument.radiation.wavelength, (GRID[0], GRID[-1]), (0.3, 0.5)
    )
    model = IntensityModel(
        reflections=reflections, freedom=freedom, tables=scattering_tables(instrument, freedom.elements)
    )
    return profile_at(measurement, model, freedom.start, chebyshev_terms(GRID, 3)).peaks(freedom.start)


def finger_cox_jephcoat(grid: FloatArray, two_theta: float, q: float, fwhm: float) -> FloatArray:
    """A Gaussian convolved with D(2phi) = (q / sqrt(cos^2 2phi / cos^2 2theta - 1) - 1) / cos 2phi, by brute force."""
    least = np.degrees(np.arccos(min(np.sqrt(1 + q * q) * np.cos(radians(two_theta)), 1.0)))
    # quadratic spacing tames the root at 2phi = 2theta
    steps = (np.arange(20000) + 0.5) / 20000
    phi = two_theta - (two_theta - least) * steps**2
    cosine = np.cos(np.radians(phi))
    height = np.sqrt(np.maximum((cosine / np.cos(radians(two_theta))) ** 2 - 1.0, 1e-300))
    density = np.maximum(q / height - 1.0, 0.0) / np.abs(cosine) * steps
    density /= density.sum()
    edges = np.linspace(least, two_theta, 400)
    shares, _ = np.histogram(phi, bins=edges, weights=density)
    means = 0.5 * (edges[1:] + edges[:-1])
    gauss = np.exp(-4 * np.log(2) * ((grid[:, None] - means) / fwhm) ** 2) * 2 * np.sqrt(np.log(2) / np.pi) / fwhm
    return np.asarray(gauss @ shares)


@pytest.mark.parametrize("two_theta", [12.0, 20.0, 35.0, 60.0])
@pytest.mark.parametrize("q", [0.02, 0.05])
def test_asymmetric_peaks_are_those_of_finger_cox_and_jephcoat(two_theta: float, q: float) -> None:
    instrument = Instrument(radiation=Radiation(wavelengths=(1.5406,)), u=0, v=0, w=18.0, x=0, y=0, sh_l=q)
    grid = np.arange(two_theta - 1.0, two_theta + 1.0, 0.005)
    windows = Windows(
        grid=grid,
        rows=np.arange(grid.size),
        pointers=np.array([0, grid.size]),
        columns=np.zeros(grid.size, dtype=np.int64),
        weights=np.ones(1),
    )
    shape = peaks_on(windows, line_shapes(np.radians(np.array([two_theta / 2.0])), instrument)).toarray()[:, 0]
    expected = finger_cox_jephcoat(grid, two_theta, q, 0.01 * np.sqrt(8 * np.log(2) * 18.0))
    assert np.abs(shape - expected).max() < 3e-3 * expected.max()


def test_axial_divergence_is_found_again() -> None:
    instrument = replace(LABORATORY, sh_l=0.04)
    peaks = peaks_of(salt(), instrument)
    measurement = counted(2e4 * peaks / peaks.max() + 60.0, replace(instrument, sh_l=0.002))
    result = refined(salt(), measurement)
    assert result.parameters["sh_l"] == pytest.approx(0.04, abs=0.003)
    assert abs(result.parameters["sh_l"] - 0.04) < 4.0 * result.parameter_su["sh_l"]
    assert result.gof < 1.1
    assert refined(salt(), measurement, refine_asymmetry=False).r_wp > 1.01 * result.r_wp


def test_no_axial_divergence_is_claimed_for_symmetric_peaks() -> None:
    peaks = peaks_of(rutile(), LABORATORY)
    result = refined(rutile(), counted(2e4 * peaks / peaks.max() + 60.0, LABORATORY))
    assert result.parameters["sh_l"] == LABORATORY.sh_l
    assert "sh_l" not in result.parameter_su


def test_sites_of_one_element_get_displacements_of_their_own() -> None:
    crystal = perovskite((0.006, 0.005, 0.03, 0.006))
    peaks = peaks_of(crystal, LABORATORY)
    measurement = counted(1e5 * peaks / peaks.max() + 50.0, LABORATORY)
    result = refined(crystal, measurement, u_iso="site", refine_texture=False)
    assert result.crystal.u_iso is not None
    assert result.u_iso_su is not None
    oxygen = result.crystal.u_iso[result.crystal.species == 8]
    assert oxygen.max() == pytest.approx(0.03, abs=0.006)
    assert np.sort(oxygen)[0] == pytest.approx(0.006, abs=0.003)
    assert np.all(result.u_iso_su > 0.0)
    by_element = refined(crystal, measurement, u_iso="element", refine_texture=False)
    assert by_element.crystal.u_iso is not None
    assert np.ptp(by_element.crystal.u_iso[by_element.crystal.species == 8]) == 0.0
    assert result.r_wp < by_element.r_wp


def test_one_displacement_serves_all_when_asked() -> None:
    peaks = peaks_of(rutile(u_iso=(0.012, 0.012)), LABORATORY)
    sym = find_symmetry(rutile(u_iso=(0.004, 0.03)), 0.01)
    start = RefinementStart(crystal=sym.crystal, symmetry=sym)
    measurement = counted(2e4 * peaks / peaks.max() + 50.0, LABORATORY)
    result = LeastSquares(LeastSquaresOptions(u_iso="overall")).refine(measurement, [start])[0]
    assert result.crystal.u_iso is not None
    assert np.ptp(result.crystal.u_iso) < 1e-12
    assert result.crystal.u_iso[0] == pytest.approx(0.012, abs=0.002)


def test_an_impurity_is_refined_with_its_cell_and_share() -> None:
    instrument = LABORATORY
    strained = salt(5.6402 * 1.002)
    main, extra = peaks_of(rutile(), instrument), peaks_of(strained, replace(instrument, x=6.0))
    # absolute intensities hold 1 / V once: scale times the mass of the cell is the mass in the beam
    mass = {"rutile": 2 * 79.866, "salt": 4 * 58.443}
    scale = 0.25 / 0.75 * mass["rutile"] / mass["salt"]
    top = 2e4 / main.max()
    measurement = counted(top * (main + scale * extra) + 50.0, instrument, impurities=(salt(),))
    result = refined(rutile(), measurement)
    assert result.gof < 1.1
    (phase,) = result.impurities
    assert phase.weight_fraction == pytest.approx(0.25, abs=0.01)
    assert phase.crystal.cell.a == pytest.approx(5.6402 * 1.002, abs=1e-3)
    assert phase.crystal.cell.alpha == pytest.approx(90.0)
    assert phase.cell_su is not None
    assert 0.0 < phase.cell_su[0] < 1e-3
    assert result.crystal.cell.volume == pytest.approx(rutile().cell.volume, rel=1e-4)
    assert result.curves is not None
    assert len(result.curves.impurity_ticks[0]) > 5
    without = refined(rutile(), replace(measurement, impurities=()))
    assert without.gof > 2.0


def test_an_absent_impurity_gets_nothing() -> None:
    peaks = peaks_of(rutile(), LABORATORY)
    measurement = counted(2e4 * peaks / peaks.max() + 50.0, LABORATORY, impurities=(salt(),))
    result = refined(rutile(), measurement)
    assert result.impurities[0].weight_fraction < 2e-3
    assert result.gof < 1.1


def test_the_texture_axis_that_is_given_is_used() -> None:
    peaks = peaks_of(rutile(), LABORATORY)
    measurement = counted(2e4 * peaks / peaks.max() + 50.0, LABORATORY)
    result = refined(rutile(), measurement, texture_axis=[1, 1, 0])
    assert [entry.direction for entry in result.quantities if entry.name == "march_dollase"] == [(1, 1, 0)]
    assert abs(result.parameters["march_dollase"] - 1.0) < 4.0 * result.parameter_su["march_dollase"]


def test_soft_distances_hold_what_the_pattern_hardly_sees() -> None:
    peaks = peaks_of(rutile(), LABORATORY)
    # so few counts that oxygen is placed by the restraint
    measurement = counted(60.0 * peaks / peaks.max() + 30.0, LABORATORY)
    wanted = {"refine_texture": False, "refine_widths": False}
    # the four nearer oxygens only
    near = {"first": "Ti", "second": "O", "distance": 1.91, "su": 3e-4, "reach": 1.03}
    held = refined(rutile(), measurement, distances=[near], **wanted)
    free = refined(rutile(), measurement, **wanted)
    assert _shortest(held.crystal, 22, 8) == pytest.approx(1.91, abs=0.005)
    assert _shortest(free.crystal, 22, 8) > 1.93


def _shortest(crystal: Crystal, first: int, second: int) -> float:
    a, b = (crystal.frac_coords[crystal.species == number] for number in (first, second))
    delta = a[:, None] - b[None]
    return float(np.linalg.norm((delta - np.rint(delta)) @ crystal.basis, axis=2).min())


@pytest.mark.parametrize("text", ["P-O", "P O 1.5", "P-O -1", "P-O 1.5 0.02 3"])
def test_a_distance_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        LeastSquaresOptions.model_validate({"distances": [text]})


def test_an_unknown_element_in_a_distance_is_a_result_with_the_reason() -> None:
    peaks = peaks_of(rutile(), LABORATORY)
    result = refined(rutile(), counted(1e3 * peaks / peaks.max() + 50.0, LABORATORY), distances=["Xx-O 1.5"])
    assert not result.converged
    assert "Xx" in result.message


def test_the_data_decide_how_many_background_terms_there_are() -> None:
    peaks = peaks_of(rutile(), LABORATORY)
    top = 2e4 * peaks / peaks.max()
    flat = refined(rutile(), counted(top + 100.0, LABORATORY))
    humped = refined(rutile(), counted(top + 100.0 + 400.0 * np.exp(-(((GRID - 33.0) / 9.0) ** 2)), LABORATORY))
    assert flat.parameters["background_terms"] == 3.0
    assert humped.parameters["background_terms"] > 6.0
    assert humped.gof < 1.1


def test_a_background_of_polynomials_alone_ignores_the_one_given() -> None:
    peaks = peaks_of(rutile(), LABORATORY)
    measurement = counted(2e4 * peaks / peaks.max() + 100.0, LABORATORY)
    wavy = replace(measurement, background=measurement.background + 50.0 * np.sin(GRID))
    result = refined(rutile(), wavy, background="chebyshev", background_terms=4)
    assert result.curves is not None
    assert np.ptp(np.diff(result.curves.background, 5)) < 1e-3
    assert result.gof < 1.1


def test_every_refined_number_has_an_uncertainty() -> None:
    peaks = peaks_of(rutile(), LABORATORY)
    result = refined(rutile(), counted(2e4 * peaks / peaks.max() + 100.0, LABORATORY), moved=0.002, shift="both")
    assert {"scale", "zero", "displacement", "u", "w", "x", "y", "u_iso_Ti", "u_iso_O"} <= set(result.parameter_su)
    # scale, background, one coordinate, two Uiso, two cell edges, zero, displacement, five widths
    assert result.num_parameters == 1 + result.parameters["background_terms"] + 1 + 2 + 2 + 2 + 5


def test_a_number_at_its_limit_is_named() -> None:
    crystal = rutile(u_iso=(0.006, 0.15))
    peaks = peaks_of(crystal, LABORATORY)
    assert CUKA.is_doublet
    hot = replace(crystal, u_iso=np.where(crystal.species == 8, 0.079, 0.006))
    expected = 1e5 * peaks_of(hot, LABORATORY) / peaks.max() + 50.0
    result = refined(crystal, counted(expected, LABORATORY), refine_texture=False)
    assert result.crystal.u_iso is not None
    assert result.crystal.u_iso.max() > 0.05
