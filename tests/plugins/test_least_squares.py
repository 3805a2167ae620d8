"""The built-in Rietveld refinement: its derivatives, and what it makes of displaced crystals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests import known_crystals
from tests.known_crystals import quartz, salt

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import LABORATORY, Instrument
from pxrdgen.values.refinement import Measurement, RefinementResult, RefinementStart
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_crystallography.diffraction import simulate_profile, simulate_reflections
from pxrdgen_crystallography.diffraction.profile_sum import sum_peaks
from pxrdgen_crystallography.diffraction.texture import march_dollase
from pxrdgen_crystallography.symmetry.freedom import free_coordinates
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry, invariance_error
from pxrdgen_refiners.held_shapes import held
from pxrdgen_refiners.impurities import impurity_models, impurity_start
from pxrdgen_refiners.intensity_model import IntensityModel, scattering_tables
from pxrdgen_refiners.least_squares import LeastSquares, freedom_of
from pxrdgen_refiners.options import LeastSquaresOptions
from pxrdgen_refiners.profile_model import WholeProfile, chebyshev_terms, profile_at
from pxrdgen_refiners.quantities import (
    ASYMMETRY,
    BACKGROUND,
    COORDINATES,
    CORRECTIONS,
    PHASE_SHAPES,
    QUANTITIES,
    SCALE,
    STRAIN,
    U_ISO,
)
from pxrdgen_refiners.quantity import LineShift, Quantity
from pxrdgen_refiners.reflections import reflections_of
from pxrdgen_refiners.state import Corrected, State
from pxrdgen_testing.samples import rutile

FloatArray = NDArray[np.float64]


def lopsided() -> Crystal:
    """Four atoms without symmetry, with displacements of their own."""
    return replace(known_crystals.lopsided(), u_iso=np.array([0.012, 0.012, 0.01, 0.005]))


INSTRUMENT = replace(LABORATORY, zero=0.02)


def profile_of(
    crystal: Crystal,
    grid: FloatArray,
    instrument: Instrument,
    texture: tuple[tuple[int, int, int], float] | None = None,
) -> FloatArray:
    """The diffraction engine's profile, its highest point 1."""
    batch = CrystalBatch.from_crystals([crystal], dtype=torch.float64)
    if texture is None:
        profile = simulate_profile(
            batch, instrument, torch.as_tensor(grid), reflection_range=(grid[0] - 0.3, grid[-1] + 0.5)
        )[0]
    else:
        reflections = simulate_reflections(batch, instrument, two_theta_min=grid[0] - 0.3, two_theta_max=grid[-1] + 0.5)
        axis, ratio = torch.tensor([texture[0]], dtype=torch.float64), torch.tensor([texture[1]], dtype=torch.float64)
        factor = march_dollase(reflections.hkl, batch.basis, axis, ratio)
        profile = sum_peaks(
            replace(reflections, intensity=reflections.intensity * factor), instrument, torch.as_tensor(grid)
        )[0]
    values = profile.numpy()
    return np.asarray(values / values.max())


def measured(
    crystal: Crystal,
    *,
    seed: int = 0,
    counts: float = 1e4,
    instrument: Instrument = INSTRUMENT,
    span: tuple[float, float] = (15.0, 85.0),
    texture: tuple[tuple[int, int, int], float] | None = None,
) -> Measurement:
    """Poisson counts over a sloping background; the refinement starts from another zero and other widths."""
    grid = np.arange(*span, 0.03)
    slope = 0.02 + 0.02 * np.exp(-(grid - grid[0]) / 20.0)
    expected = counts * (profile_of(crystal, grid, instrument, texture) + slope)
    observed = np.random.default_rng(seed).poisson(expected).astype(np.float64)
    start = replace(instrument, zero=0.0, w=1.3 * instrument.w, x=1.2 * instrument.x)
    return Measurement(
        two_theta=grid,
        intensity=observed,
        sigma=np.sqrt(np.maximum(observed, 1.0)),
        background=np.full(grid.size, float(np.percentile(observed, 10))),
        instrument=start,
    )


def displaced(sym: SymmetrisedCrystal, size: float, seed: int) -> SymmetrisedCrystal:
    """Every atom moved by about ``size`` A, as far as the symmetry allows."""
    crystal = sym.crystal
    field = np.random.default_rng(seed).normal(size=(len(crystal), 3))
    field *= size / np.linalg.norm(field, axis=1, keepdims=True)
    columns = free_coordinates(sym)
    allowed = columns @ (columns.T @ (field @ np.linalg.inv(crystal.basis)).ravel())
    return replace(sym, crystal=replace(crystal, frac_coords=crystal.frac_coords + allowed.reshape(-1, 3)))


def distance(first: Crystal, second: Crystal) -> float:
    """Root mean square distance of the atoms (A), a common shift taken out."""
    delta = first.frac_coords - second.frac_coords
    delta -= np.rint(delta)
    delta = (delta - delta.mean(axis=0)) @ second.basis
    return float(np.sqrt((delta**2).sum(axis=1).mean()))


def whole_profile(
    crystal: Crystal, grid: FloatArray, instrument: Instrument, impurities: tuple[Crystal, ...] = ()
) -> tuple[WholeProfile, State, FloatArray]:
    profile = profile_of(crystal, grid, instrument)
    measurement = Measurement(
        two_theta=grid,
        intensity=profile,
        sigma=np.full(grid.size, 1e-4),
        background=np.zeros(grid.size),
        instrument=instrument,
        impurities=impurities,
    )
    phases = impurity_models(measurement, (0.3, 0.5))
    freedom = freedom_of(measurement, RefinementStart(crystal=crystal), LeastSquaresOptions())
    freedom = replace(freedom, start=replace(freedom.start, phases=impurity_start(phases)))
    span = (float(grid[0]), float(grid[-1]))
    wavelength = instrument.radiation.wavelength
    reflections = reflections_of(freedom.basis, freedom.strains, wavelength, span, (0.3, 0.5))
    model = IntensityModel(
        reflections=reflections, freedom=freedom, tables=scattering_tables(instrument, freedom.elements)
    )
    return profile_at(measurement, model, freedom.start, chebyshev_terms(grid, 6), phases), freedom.start, profile


def test_the_model_is_that_of_the_diffraction_engine() -> None:
    profile, state, expected = whole_profile(
        lopsided(), np.arange(20.0, 60.0, 0.02), replace(INSTRUMENT, displacement=0.02)
    )
    peaks = profile.peaks(state)
    assert np.abs(peaks / peaks.max() - expected).max() < 5e-5


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: type(quantity).__name__)
def test_derivatives_agree_with_finite_differences(quantity: Quantity) -> None:
    instrument = replace(INSTRUMENT, displacement=0.02, sh_l=0.04 if quantity is ASYMMETRY else 0.002)
    profile, state, _ = whole_profile(lopsided(), np.arange(20.0, 50.0, 0.02), instrument, impurities=(salt(),))
    state = replace(state, axis=(0, 1, 1), log_ratio=0.2, strain=np.full(state.strain.size, 0.001), beyond=True)
    state = replace(state, phases=(replace(state.phases[0], scale=0.3, strain=np.array([0.002]), x=3.0),))
    state = replace(state, corrections=tuple(Corrected(by=each, value=0.1) for each in CORRECTIONS))
    _, jacobian = profile.jacobian(state, [quantity])
    size = 1e-6 if quantity in (STRAIN, COORDINATES, PHASE_SHAPES) else 1e-4
    size = 1e-5 if isinstance(quantity, LineShift) else size
    # where convolved points end and shifted ones begin, asymmetry has a small step; one of these stays clear of it
    sizes = (1e-6, 3e-7, 1e-7) if quantity is ASYMMETRY else (size,)

    def calculated(step: FloatArray) -> FloatArray:
        moved = profile.freedom.moved(state, [quantity], step)
        return profile.background(moved) + profile.peaks(moved)

    for column, unit in zip(jacobian.T, np.eye(jacobian.shape[1]), strict=True):
        finite = [(calculated(h * unit) - calculated(-h * unit)) / (2.0 * h) for h in sizes]
        error = min(float(np.linalg.norm(each - column) / np.linalg.norm(column)) for each in finite)
        assert error < 1e-5


def test_held_shapes_are_the_whole_profile_exactly() -> None:
    profile, state, _ = whole_profile(lopsided(), np.arange(20.0, 50.0, 0.02), INSTRUMENT)
    moved = replace(state, coords=state.coords + 0.003 * np.arange(12).reshape(4, 3), scale=0.9 * state.scale)
    form = held(profile, state)
    blocks = (BACKGROUND, SCALE, COORDINATES, U_ISO)
    assert form.chi_squared(moved) == pytest.approx(profile.chi_squared(moved), rel=1e-9)
    for quick, full in zip(form.normal(moved, blocks), profile.normal(moved, blocks), strict=True):
        assert np.abs(quick - full).max() < 1e-9 * np.abs(full).max()


def test_lines_of_a_cubic_crystal_hold_their_equivalents() -> None:
    basis = 4.0 * np.eye(3)
    reflections = reflections_of(basis, np.eye(3)[None] / np.sqrt(3.0), 1.54, (10.0, 60.0), (0.3, 0.5))
    sizes = np.diff(np.append(reflections.starts, len(reflections.hkl)))
    assert sizes[:3].tolist() == [3, 6, 4]


@pytest.mark.parametrize("crystal", [salt(), rutile(), quartz()], ids=["salt", "rutile", "quartz"])
def test_displaced_crystals_come_home_with_their_symmetry(crystal: Crystal) -> None:
    sym = find_symmetry(crystal, 0.01)
    start = displaced(sym, 0.1, seed=3)
    strained = replace(start, crystal=replace(start.crystal, basis=start.crystal.basis * 1.001))
    result = LeastSquares().refine(measured(crystal), [RefinementStart(crystal=strained.crystal, symmetry=strained)])[0]
    assert result.converged
    assert result.gof < 1.1
    assert distance(result.crystal, sym.crystal) < 0.02
    assert np.allclose(result.crystal.cell.parameters, sym.crystal.cell.parameters, rtol=1e-4)
    assert invariance_error(replace(sym, crystal=result.crystal)) < 1e-9
    assert result.parameters["zero"] == pytest.approx(0.02, abs=0.003)


def test_a_crystal_without_symmetry_comes_home_in_p1() -> None:
    crystal = lopsided()
    moved = displaced(find_symmetry(crystal, 0.01), 0.1, seed=1).crystal
    result = LeastSquares().refine(measured(crystal), [RefinementStart(crystal=moved)])[0]
    assert distance(result.crystal, crystal) < 0.03
    assert result.gof < 1.1
    assert result.coordinate_su is not None
    assert np.all(result.coordinate_su > 0.0)


def direction_of(result: RefinementResult) -> tuple[int, int, int] | None:
    """The texture axis."""
    return next(entry.direction for entry in result.quantities if entry.name == "march_dollase")


def test_texture_is_found_and_its_axis() -> None:
    crystal = rutile()
    sym = find_symmetry(crystal, 0.01)
    start = displaced(sym, 0.05, seed=2)
    measurement = measured(crystal, texture=((0, 0, 1), 0.7))
    result = LeastSquares().refine(measurement, [RefinementStart(crystal=start.crystal, symmetry=start)])[0]
    assert result.parameters["march_dollase"] == pytest.approx(0.7, abs=0.03)
    axis = np.array(direction_of(result))
    direction = axis @ np.linalg.inv(sym.crystal.basis).T
    fourfold = np.linalg.inv(sym.crystal.basis).T[int(np.argmin(np.linalg.norm(sym.crystal.basis, axis=1)))]
    assert abs(direction @ fourfold) > 0.999 * np.linalg.norm(direction) * np.linalg.norm(fourfold)


def test_no_texture_is_claimed_for_a_random_powder() -> None:
    sym = find_symmetry(rutile(), 0.01)
    result = LeastSquares().refine(measured(rutile()), [RefinementStart(crystal=sym.crystal, symmetry=sym)])[0]
    assert result.parameters["march_dollase"] == 1.0
    assert direction_of(result) is None


def test_the_fit_is_never_worse_than_the_start() -> None:
    crystal, rng = quartz(), np.random.default_rng(5)
    measurement = measured(crystal)
    only_linear = LeastSquaresOptions(
        max_cycles=1, refine_cell=False, refine_widths=False, refine_u_iso=False, refine_texture=False, quick=True
    )
    for _ in range(3):
        wrong = replace(crystal, frac_coords=rng.random((len(crystal), 3)))
        start = RefinementStart(crystal=wrong)
        assert (
            LeastSquares().refine(measurement, [start])[0].r_wp
            <= LeastSquares(only_linear).refine(measurement, [start])[0].r_wp
        )


def test_uncertainties_are_those_of_the_noise() -> None:
    crystal = rutile()
    sym = find_symmetry(crystal, 0.01)
    start = RefinementStart(crystal=sym.crystal, symmetry=sym)
    refiner = LeastSquares(LeastSquaresOptions(refine_texture=False, background_terms=8))
    pulls, cells = [], []
    for seed in range(16):
        result = refiner.refine(measured(crystal, seed=seed, counts=3e3), [start])[0]
        assert result.coordinate_su is not None
        assert result.cell_su is not None
        shift = result.crystal.frac_coords - sym.crystal.frac_coords
        shift -= np.rint(shift)
        atom = int(np.argmax(result.coordinate_su.max(axis=1)))
        axis = int(np.argmax(result.coordinate_su[atom]))
        pulls.append(shift[atom, axis] / result.coordinate_su[atom, axis])
        cells.append((result.crystal.cell.a - sym.crystal.cell.a) / result.cell_su[0])
    assert 0.6 < float(np.sqrt(np.mean(np.square(pulls)))) < 1.55
    assert 0.6 < float(np.sqrt(np.mean(np.square(cells)))) < 1.55


def test_a_hopeless_start_is_a_result() -> None:
    measurement = measured(rutile())
    rng = np.random.default_rng(1)
    wrong = Crystal(
        species=np.array([92, 1, 8]), frac_coords=rng.random((3, 3)), basis=UnitCell(3.1, 5.7, 7.9, 70, 80, 95).basis
    )
    result = LeastSquares().refine(measurement, [RefinementStart(crystal=wrong)])[0]
    assert np.isfinite(result.r_wp)
    assert result.r_wp > 0.2
    assert np.allclose(result.crystal.cell.parameters, wrong.cell.parameters, rtol=0.05)


def test_broken_measurements_are_results_with_a_reason() -> None:
    good = measured(salt())
    nan = good.intensity.copy()
    nan[7] = np.nan
    start = RefinementStart(crystal=salt())
    for broken, word in (
        (replace(good, intensity=nan), "finite"),
        (replace(good, sigma=np.zeros_like(good.sigma)), "positive"),
        (replace(good, background=good.intensity[:-1]), "lengths"),
        (replace(good, intensity=good.background), "intensity"),
    ):
        result = LeastSquares().refine(broken, [start])[0]
        assert not result.converged
        assert word in result.message
        assert result.r_wp == float("inf")


def test_results_come_in_the_order_of_the_starts() -> None:
    crystals = [salt(), replace(salt(), species=np.array([17, 11])), replace(salt(), species=np.array([3, 9]))]
    results = LeastSquares(LeastSquaresOptions(quick=True)).refine(
        measured(salt()), [RefinementStart(crystal=c) for c in crystals]
    )
    assert [result.crystal.species.tolist() for result in results] == [[11, 17], [17, 11], [3, 9]]
    assert results[0].r_wp < results[2].r_wp


def test_the_refiner_is_found_by_its_name() -> None:
    from pxrdgen_refiners import pxrdgen_components

    records = {record.name: record for record in pxrdgen_components()}
    assert records["least_squares"].target == "pxrdgen_refiners.least_squares:LeastSquares"
