"""Background, peaks and widths against patterns whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pxrdgen.errors import PatternError
from pxrdgen.values.instrument import CUKA, LABORATORY, Instrument, Radiation
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen_crystallography.powder_line.widths import thompson_cox_hastings
from pxrdgen_crystallography.preparation import find_peaks, prepare
from pxrdgen_crystallography.preparation.profile import doublet, line_offsets
from pxrdgen_crystallography.preparation.widths import fwhm_along, shape_along, widths_of

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """A synthetic pattern and what it was made of."""

    pattern: PowderPattern
    position: FloatArray
    area: FloatArray
    background: FloatArray
    bragg: FloatArray


def humped(x: FloatArray) -> FloatArray:
    """Air scatter, an amorphous hump and a constant."""
    return 200.0 + 600.0 * np.exp(-x / 12.0) + 250.0 * np.exp(-0.5 * ((x - 28.0) / 6.0) ** 2)


def synthetic(
    position: FloatArray,
    height: FloatArray,
    seed: int | None = 0,
    *,
    background: FloatArray | None = None,
    instrument: Instrument = LABORATORY,
    x: FloatArray | None = None,
) -> Truth:
    """Doublets of the given crest heights above a background, with counting noise unless ``seed`` is None."""
    grid = np.arange(10.0, 90.0, 0.02) if x is None else x
    base = humped(grid) if background is None else background
    shape = shape_along(position, widths_of(instrument))
    offsets = line_offsets(position, instrument.radiation)
    bragg, area = np.zeros_like(grid), np.zeros_like(position)
    for row in range(position.shape[0]):
        profile = doublet(
            grid - position[row],
            np.full_like(grid, shape.fwhm[row]),
            np.full_like(grid, shape.eta[row]),
            np.repeat(offsets[:, row : row + 1], grid.shape[0], axis=1),
            instrument.radiation.weights,
        ).value
        area[row] = height[row] / profile.max()
        bragg += area[row] * profile
    expected = bragg + base
    intensity = expected if seed is None else np.random.default_rng(seed).poisson(expected).astype(np.float64)
    blank = Instrument(radiation=instrument.radiation)
    pattern = PowderPattern(two_theta=grid, intensity=intensity, instrument=blank)
    return Truth(pattern=pattern, position=position, area=area, background=base, bragg=bragg)


def random_peaks(seed: int, count: int = 25) -> tuple[FloatArray, FloatArray]:
    """Isolated peaks between 13 and 87 degrees, up to 10^4 counts high."""
    rng = np.random.default_rng(seed)
    slots = np.linspace(13.0, 87.0, count)
    position = slots + rng.uniform(-0.8, 0.8, count)
    return position, 1e4 * np.exp(rng.uniform(np.log(0.02), 0.0, count))


def matched(prepared: PreparedPattern, truth: Truth) -> NDArray[np.int64]:
    """[P] row of the found peak nearest to each true one."""
    return np.abs(prepared.peaks.two_theta[:, None] - truth.position[None]).argmin(axis=0)


@pytest.fixture(scope="module")
def trials() -> list[tuple[Truth, PreparedPattern]]:
    truths = [synthetic(*random_peaks(seed), seed) for seed in range(6)]
    return [(truth, prepare(truth.pattern)) for truth in truths]


def test_a_pseudo_voigt_doublet_has_the_area_of_its_lines_and_exact_derivatives() -> None:
    x = np.arange(-40.0, 40.0, 0.001)
    offsets = np.stack([np.zeros_like(x), np.full_like(x, 0.1)])

    def value(shift: float = 0.0, width: float = 0.1, eta: float = 0.4) -> FloatArray:
        return doublet(x - shift, np.full_like(x, width), np.full_like(x, eta), offsets, (1.0, 0.5)).value

    exact = doublet(x, np.full_like(x, 0.1), np.full_like(x, 0.4), offsets, (1.0, 0.5))
    assert value().sum() * 0.001 == pytest.approx(1.5, abs=2e-3)
    step = 1e-6
    for analytic, numeric in (
        (exact.by_position, (value(shift=step) - value(shift=-step)) / (2 * step)),
        (exact.by_fwhm, (value(width=0.1 + step) - value(width=0.1 - step)) / (2 * step)),
        (exact.by_eta, (value(eta=0.4 + step) - value(eta=0.4 - step)) / (2 * step)),
    ):
        assert np.max(np.abs(analytic - numeric)) < 1e-5 * np.max(np.abs(analytic))


def test_a_peak_without_lorentzian_part_is_gaussian_and_without_gaussian_part_lorentzian() -> None:
    gaussian = thompson_cox_hastings(np.array([0.01]), np.array([0.0]))
    lorentzian = thompson_cox_hastings(np.array([0.0]), np.array([0.2]))
    assert gaussian.fwhm[0] == pytest.approx(0.23548, rel=1e-4)
    assert gaussian.eta[0] < 1e-6
    assert lorentzian.fwhm[0] == pytest.approx(0.2, rel=1e-3)
    assert lorentzian.eta[0] == pytest.approx(1.0, abs=1e-3)


def test_every_isolated_peak_is_found_once_and_nothing_else(trials: list[tuple[Truth, PreparedPattern]]) -> None:
    found = sum(len(prepared.peaks) for _, prepared in trials)
    true = sum(truth.position.shape[0] for truth, _ in trials)
    for truth, prepared in trials:
        rows = matched(prepared, truth)
        assert np.max(np.abs(prepared.peaks.two_theta[rows] - truth.position)) < 0.03
    # No K-alpha2 ghosts, and at most one accident in 5000 points.
    assert true <= found <= true + 5


def test_no_peak_sits_where_a_strong_line_has_its_second_wavelength(
    trials: list[tuple[Truth, PreparedPattern]],
) -> None:
    for truth, prepared in trials:
        ghosts = truth.position + line_offsets(truth.position, CUKA)[1]
        apart = line_offsets(truth.position, CUKA)[1] > 0.06
        distance = np.abs(prepared.peaks.two_theta[:, None] - ghosts[None, apart])
        assert np.min(distance) > 0.02


def test_positions_and_areas_scatter_as_their_uncertainties_say(trials: list[tuple[Truth, PreparedPattern]]) -> None:
    position_pull, area_pull, strong_error = [], [], []
    for truth, prepared in trials:
        rows, peaks = matched(prepared, truth), prepared.peaks
        error = peaks.two_theta[rows] - truth.position
        position_pull.extend(error / peaks.two_theta_su[rows])
        area_pull.extend((peaks.area[rows] - truth.area) / peaks.area_su[rows])
        strong_error.extend(error[peaks.height[rows] > 5e3])
    assert np.std(position_pull) == pytest.approx(1.0, abs=0.3)
    assert np.std(area_pull) == pytest.approx(1.0, abs=0.3)
    assert np.max(np.abs(position_pull)) < 4.5
    assert np.max(np.abs(strong_error)) < 0.01


def test_the_background_off_the_peaks_is_within_two_percent_and_noise(
    trials: list[tuple[Truth, PreparedPattern]],
) -> None:
    for truth, prepared in trials:
        off = truth.bragg < 0.02 * truth.background
        assert off.sum() > 100
        error = np.abs(prepared.background - truth.background)[off]
        assert np.all(error < 0.02 * truth.background[off] + 3.0 * prepared.background_su[off])


def test_widths_of_the_instrument_come_back_within_ten_percent(trials: list[tuple[Truth, PreparedPattern]]) -> None:
    angles = np.linspace(15.0, 85.0, 15)
    for _, prepared in trials:
        assert fwhm_along(angles, prepared.instrument) == pytest.approx(fwhm_along(angles, LABORATORY), rel=0.1)


def test_pure_noise_has_at_most_one_peak_in_five_thousand_points() -> None:
    rng = np.random.default_rng(7)
    x = np.arange(5.0, 105.0, 0.02)
    found = [
        len(
            find_peaks(
                PowderPattern(two_theta=x, intensity=rng.poisson(level * (1 + np.exp(-x / 10))).astype(np.float64))
            )
        )
        for level in (8.0, 60.0, 500.0, 5000.0)
    ]
    assert max(found) <= 1
    assert sum(found) <= 2


def test_a_weak_peak_of_five_sigma_is_found() -> None:
    x = np.arange(10.0, 90.0, 0.02)
    flat = np.full_like(x, 400.0)
    position, height = np.array([25.0, 40.0, 55.0, 70.0]), np.array([3000.0, 2000.0, 65.0, 1000.0])
    found = sum(
        bool(
            (
                np.abs(find_peaks(synthetic(position, height, seed, background=flat).pattern).two_theta - 55.0) < 0.1
            ).any()
        )
        for seed in range(5)
    )
    assert found >= 4


def test_a_shoulder_nine_tenths_of_a_width_away_is_split() -> None:
    fwhm = float(fwhm_along(np.array([40.0]), LABORATORY)[0])
    position = np.array([25.0, 40.0, 40.0 + 0.9 * fwhm, 60.0, 75.0])
    truth = synthetic(position, np.array([5e3, 8e3, 4e3, 6e3, 3e3]))
    prepared = prepare(truth.pattern)
    assert len(prepared.peaks) == 5
    assert prepared.peaks.two_theta == pytest.approx(position, abs=0.01)


def test_a_doublet_is_one_peak_at_any_angle_and_a_single_line_has_no_second() -> None:
    position = np.array([20.0, 45.0, 70.0, 95.0, 120.0])
    x = np.arange(10.0, 135.0, 0.02)
    height = np.full(5, 8e3)
    for radiation in (CUKA, Radiation(wavelengths=(1.540593,))):
        truth = synthetic(position, height, x=x, instrument=replace(LABORATORY, radiation=radiation))
        peaks = find_peaks(truth.pattern)
        assert peaks.select(peaks.relative_intensity > 1.0).two_theta == pytest.approx(position, abs=0.005)


def test_broad_peaks_of_small_crystallites_are_not_taken_for_background() -> None:
    broad = replace(LABORATORY, w=400.0, x=90.0, y=20.0)
    position, height = np.array([28.0, 38.0, 50.0, 62.0, 74.0]), np.array([4e3, 2e3, 3e3, 1.5e3, 1e3])
    truth = synthetic(position, height, instrument=broad)
    prepared = prepare(truth.pattern)
    rows = matched(prepared, truth)
    assert np.max(np.abs(prepared.peaks.two_theta[rows] - position)) < 0.1
    assert prepared.peaks.area[rows] == pytest.approx(truth.area, rel=0.15)


def test_a_pattern_without_noise_over_a_constant_floor_gives_the_floor_and_weak_lines() -> None:
    position = np.array([20.0, 30.0, 41.0, 52.0, 63.0, 74.0])
    height = np.array([1.0, 0.5, 0.2, 0.05, 0.01, 0.003])
    x = np.arange(10.0, 90.0, 0.01)
    truth = synthetic(position, height, None, background=np.full_like(x, 1e-3), x=x)
    prepared = prepare(truth.pattern)
    rows = matched(prepared, truth)
    assert np.max(np.abs(prepared.peaks.two_theta[rows] - position)) < 2e-3
    assert prepared.peaks.area[rows] == pytest.approx(truth.area, rel=0.05)
    far = truth.bragg < 2e-5
    assert prepared.background[far] == pytest.approx(1e-3, rel=0.1)
    assert prepared.noise_source == "estimated"


def test_scaling_a_pattern_scales_its_peaks_and_nothing_else() -> None:
    truth = synthetic(*random_peaks(3), 3)
    small = replace(truth.pattern, intensity=truth.pattern.intensity * 1e-3)
    counts, scaled = find_peaks(truth.pattern), find_peaks(small)
    strong = counts.relative_intensity > 5.0
    nearest = np.abs(scaled.two_theta[:, None] - counts.two_theta[None, strong]).argmin(axis=0)
    assert scaled.two_theta[nearest] == pytest.approx(counts.two_theta[strong], abs=2e-3)
    assert scaled.area[nearest] * 1e3 == pytest.approx(counts.area[strong], rel=0.02)


def test_ranges_and_exclusions_limit_what_is_seen() -> None:
    truth = synthetic(np.array([20.0, 35.0, 50.0, 65.0]), np.full(4, 5e3))
    prepared = prepare(truth.pattern, ranges=[(15.0, 60.0)], exclude=[(34.0, 36.5)])
    assert prepared.peaks.two_theta == pytest.approx([20.0, 50.0], abs=0.01)
    with pytest.raises(PatternError, match="choose a range inside it"):
        prepare(truth.pattern, ranges=[(150.0, 160.0)])
    with pytest.raises(PatternError, match="lower angle first"):
        prepare(truth.pattern, exclude=[(40.0, 30.0)])


def test_d_spacings_follow_from_the_first_wavelength() -> None:
    peaks = find_peaks(synthetic(np.array([28.4427, 47.3, 56.1]), np.full(3, 8e3)).pattern)
    assert peaks.d_spacing[0] == pytest.approx(3.1356, abs=1e-3)


def test_a_range_shorter_than_two_peak_widths_of_the_instrument_is_prepared() -> None:
    two_theta = np.linspace(8.0, 8.5, 501)
    rng = np.random.default_rng(0)
    expected = 200.0 + 2e4 * np.exp(-0.5 * ((two_theta - 8.2) / 0.004) ** 2)
    wide = Instrument(radiation=Radiation(wavelengths=(0.4139,)), w=2500.0)  # half a degree
    pattern = PowderPattern(two_theta=two_theta, intensity=rng.poisson(expected).astype(float), instrument=wide)
    prepared = prepare(pattern)
    assert prepared.pattern.two_theta.size == two_theta.size
    assert np.median(prepared.background) == pytest.approx(200.0, rel=0.1)
