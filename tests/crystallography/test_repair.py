"""Repairs are made where they are due, said in a sentence, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from pxrdgen.values.pattern import PowderPattern
from pxrdgen_crystallography.preparation.noise import estimate_noise
from pxrdgen_crystallography.preparation.repair import repair


def counts(level: float = 100.0, seed: int = 0) -> PowderPattern:
    x = np.arange(5.0, 85.0, 0.02)
    expected = level * (1.0 + 30.0 * np.exp(-0.5 * ((x - 40.0) / 0.06) ** 2))
    return PowderPattern(two_theta=x, intensity=np.random.default_rng(seed).poisson(expected).astype(np.float64))


def changed(pattern: PowderPattern, rows: slice, value: float) -> PowderPattern:
    intensity = pattern.intensity.copy()
    intensity[rows] = value
    return PowderPattern(two_theta=pattern.two_theta, intensity=intensity)


@pytest.mark.parametrize("level", [2.0, 20.0, 1000.0])
def test_a_sound_pattern_is_left_alone(level: float) -> None:
    pattern = counts(level)
    mended, notes = repair(pattern)
    assert notes == ()
    assert np.array_equal(mended.intensity, pattern.intensity)


def test_zeros_at_the_end_and_in_the_middle_are_left_out() -> None:
    pattern = changed(changed(counts(), slice(-20, None), 0.0), slice(1000, 1050), 0.0)
    mended, notes = repair(pattern)
    assert len(mended) == len(pattern) - 70
    assert len(notes) == 2
    assert "25-25.98 degrees" in notes[0]
    assert "without any intensity" in notes[0]


def test_the_shadow_of_a_beam_stop_is_left_out() -> None:
    pattern = changed(counts(), slice(0, 60), 8.0)
    mended, notes = repair(pattern)
    assert 6.15 <= mended.two_theta[0] < 8.0
    assert "shadowed" in notes[0]


def test_a_spike_of_one_point_is_replaced_and_a_narrow_peak_is_not() -> None:
    pattern = changed(counts(), slice(500, 501), 5000.0)
    mended, notes = repair(pattern)
    assert mended.intensity[500] < 200.0
    assert "1 isolated outlier" in notes[0]
    crest = int(np.argmax(counts().intensity))
    assert mended.intensity[crest] == counts().intensity[crest]


def test_a_background_subtracted_elsewhere_is_lifted_above_zero() -> None:
    pattern = counts()
    below = PowderPattern(two_theta=pattern.two_theta, intensity=pattern.intensity - 100.0)
    mended, notes = repair(below)
    assert "background had been subtracted" in notes[0]
    assert np.mean(mended.intensity < 0) < 0.01


def test_noise_of_counts_is_theirs_and_noise_of_scaled_counts_is_measured() -> None:
    pattern = counts()
    assert estimate_noise(pattern).source == "counting"
    scaled = PowderPattern(two_theta=pattern.two_theta, intensity=pattern.intensity * 0.013)
    noise = estimate_noise(scaled)
    assert noise.source == "estimated"
    assert noise.gain == pytest.approx(0.013, rel=0.25)
    doubled = PowderPattern(two_theta=pattern.two_theta, intensity=pattern.intensity * 4.0)
    assert estimate_noise(doubled).gain == pytest.approx(4.0, rel=0.25)
    given = PowderPattern(two_theta=pattern.two_theta, intensity=pattern.intensity, sigma=np.full(len(pattern), 3.0))
    assert estimate_noise(given).source == "file"
    assert estimate_noise(given).variance(pattern.intensity)[5] == pytest.approx(9.0)
