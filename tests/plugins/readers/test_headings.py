"""Axes and columns are found by their headings, and other axes than 2theta are turned into it."""

from __future__ import annotations

import numpy as np
import pytest

from pxrdgen.errors import PatternError
from pxrdgen.values.instrument import TUBES, Radiation

from .made_up_pattern import COUNTS, TWO_THETA

SYNCHROTRON = Radiation(wavelengths=(0.413909,))
SIN = np.sin(np.radians(TWO_THETA / 2))
Q = 4 * np.pi * SIN / 0.413909
D = 0.413909 / (2 * SIN)


def table(axis, heading: str) -> str:
    return heading + "\n" + "".join(f"{place:.8g} {i:.8g}\n" for place, i in zip(axis, COUNTS, strict=True))


@pytest.mark.parametrize(
    ("axis", "heading"),
    [
        (10 * Q, "# == pyFAI ==\n#       q_nm^-1              I"), (Q, "# q_A^-1 I"), (Q, "Q (1/A)  Intensity"),
        (Q, "# Q [Å⁻¹] counts"), (10 * Q, "nac.tif\nQ (Inverse Nanometres)\nIntensity\n   201"),
        (D, "d-Wert [Å]\tImpulse"),
        (D[::-1], "d (A), I"), (D / 10, "d (nm), Intensität"), (2 * SIN / 0.413909, "s (1/A) I"),
        (np.radians(TWO_THETA), "2th_rad I"), (TWO_THETA, "Winkel 2θ [°]; Zählrate"),
        (TWO_THETA, "Angle (degrés)\tCoups"),
        (10 * Q, "Q      Intensity\n(1/nm)   (a.u.)"), (10 * Q, "# unit: q_nm^-1"),
        (TWO_THETA, "a.tif\n2-Theta Angle (Degrees)\nIntensity\n 201"), (SIN / 0.413909, "sin(theta)/lambda (1/A) I"),
        (np.radians(TWO_THETA), "a.tif\n2-Theta Angle (Radians)\nIntensity\n 201"), (Q, "# columns: q_A^-1, I"),
        (10 * Q, "# Momentum transfer q [nm^-1]   Intensity [a.u.]"),
    ],
)  # fmt: skip
def test_an_axis_in_q_d_or_s_becomes_two_theta(read, axis, heading):
    pattern = read(table(axis, heading), "pattern.dat", radiation=SYNCHROTRON)
    np.testing.assert_allclose(pattern.two_theta, TWO_THETA, atol=2e-5)
    counts = COUNTS if axis[0] != D[-1] else COUNTS[::-1]
    np.testing.assert_allclose(pattern.intensity, counts, rtol=1e-6)


def test_the_files_own_wavelength_turns_q_into_two_theta_unless_one_is_given(read):
    text = table(10 * Q, "# Wavelength: 4.13909e-11 m\n# q_nm^-1 I")
    np.testing.assert_allclose(read(text).two_theta, TWO_THETA, atol=2e-5)
    assert any("converted" in note for note in read(text).notes)
    twice = read(text, radiation=Radiation(wavelengths=(0.827818,)))
    np.testing.assert_allclose(np.sin(np.radians(twice.two_theta / 2)), 2 * SIN, rtol=1e-6)


def test_without_a_wavelength_an_axis_in_q_is_refused_and_says_what_to_give(read):
    with pytest.raises(PatternError, match="--wavelength"):
        read(table(Q, "q_A^-1 I"))


def test_what_the_wavelength_does_not_reach_is_left_out_and_said(read):
    pattern = read(table(1.2 * Q, "q_A^-1 I"), radiation=TUBES["CuKa1"])
    assert len(pattern) < len(TWO_THETA)
    assert any("beyond" in note for note in pattern.notes)


TIMES, ESD = np.full_like(COUNTS, 59.69), np.sqrt(COUNTS)


def test_the_column_headed_intensity_is_read_and_the_uncertainty_with_it(read):
    lines = "".join(f"{t:.2f},59.69,{i:.0f},{e:.5f}\n" for t, i, e in zip(TWO_THETA, COUNTS, ESD, strict=True))
    pattern = read("[Scan points]\nAngle,TimePerStep,Intensity,ESD\n" + lines, "export.csv")
    np.testing.assert_allclose(pattern.intensity, COUNTS)
    np.testing.assert_allclose(pattern.sigma, ESD, atol=1e-4)


@pytest.mark.parametrize(
    ("headings", "order"),
    [
        ("No;2Theta;Intensität;Fehler", "n t i e"), ("Iobs;2-theta (deg);sigma;Icalc", "i t e n"),
        ("d(A);2Theta;I", "n t i"), ("Temperature 2Theta Counts", "n t i"),
        ("angle 2θ;intensité;fond;erreur", "t i n e"),
    ],
)  # fmt: skip
def test_columns_in_any_order_are_told_by_their_headings(read, headings, order):
    columns = {"n": np.arange(len(COUNTS)) % 7 + 0.25, "t": TWO_THETA, "i": COUNTS, "e": ESD}
    chosen = [columns[word] for word in order.split()]
    lines = "".join(";".join(f"{value:.8g}" for value in row) + "\n" for row in zip(*chosen, strict=True))
    pattern = read(headings + "\n" + lines, "export.csv")
    np.testing.assert_allclose(pattern.two_theta, TWO_THETA)
    np.testing.assert_allclose(pattern.intensity, COUNTS)
    assert (pattern.sigma is not None) == ("e" in order)


def test_of_a_wide_table_a_column_is_chosen_by_heading_or_number(read):
    lines = "".join(f"{t:.2f},{i:.0f},{i + 5:.0f},,{2 * i:.0f}\n" for t, i in zip(TWO_THETA, COUNTS, strict=True))
    text = "2theta,25 C,100 C,empty,200 C\n" + lines
    assert read(text).intensity[0] == COUNTS[0]
    assert any("--column" in note for note in read(text).notes)
    np.testing.assert_allclose(read(text, column="100 C").intensity, COUNTS + 5)
    np.testing.assert_allclose(read(text, column="5").intensity, 2 * COUNTS)
    with pytest.raises(PatternError, match="200 C"):
        read(text, column="300 C")
    with pytest.raises(PatternError, match="not finite"):
        read(text, column="empty")


@pytest.mark.parametrize(
    ("heading", "row"), [("2theta,I,flag", "{t:.2f},{i:.0f},ok"), ("sample,2theta,I", "quartz,{t:.2f},{i:.0f}")]
)
def test_columns_of_words_are_left_out(read, heading, row):
    lines = "".join(row.format(t=t, i=i) + "\n" for t, i in zip(TWO_THETA, COUNTS, strict=True))
    pattern = read(heading + "\n" + lines, "export.csv")
    np.testing.assert_allclose(pattern.two_theta, TWO_THETA)
    np.testing.assert_allclose(pattern.intensity, COUNTS)
    assert any("words" in note for note in pattern.notes)


def test_an_axis_headed_theta_is_read_as_two_theta_with_a_note(read):
    assert any("'theta'" in note for note in read(table(TWO_THETA, "theta I")).notes)
