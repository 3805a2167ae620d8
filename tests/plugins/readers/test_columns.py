"""Columns of numbers, however they are written, and the wavelength their header states."""

from __future__ import annotations

import numpy as np
import pytest

from pxrdgen.errors import PatternError
from pxrdgen.values.instrument import TUBES
from pxrdgen_files.patterns import read_pattern

from .made_up_pattern import COUNTS, FIXTURES, TWO_THETA, rows


@pytest.mark.parametrize(
    "text",
    [
        rows(), rows("\t"), rows(","), rows(" , "), rows(";"), rows(";", comma=True), rows("\t", comma=True),
        rows("   ", comma=True), "\ufeff" + rows(), rows().replace("\n", "\r\n"), "2theta intensity\n" + rows(),
        "# comment\n! another\n' third\n; fourth\n" + rows(), "XYDATA\nTEMP 300.0\n" + rows(), rows() + "##END=\n",
        "201\n" + rows(), rows(",").replace("\n", ",\n"),
    ],
)  # fmt: skip
def test_columns_of_any_delimiter_and_header_are_one_pattern(read, text):
    pattern = read(text, "pattern.txt")
    np.testing.assert_allclose(pattern.two_theta, TWO_THETA, atol=1e-6)
    np.testing.assert_allclose(pattern.intensity, COUNTS)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_headers_may_be_written_in_any_encoding(read, encoding):
    pattern = read(("# Prüfling 25 °C\n" + rows()).encode(encoding))
    np.testing.assert_allclose(pattern.intensity, COUNTS)


@pytest.mark.parametrize(
    ("header", "wavelengths"),
    [
        ("# wavelength = 0.8269", (0.8269,)),
        ("# lambda: 1,5406 A", (1.5406,)),
        ("##X-RAY WAVELENGTH=1.541838", TUBES["CuKa"].wavelengths),
        ("! Co K-alpha", TUBES["CoKa"].wavelengths),
        ("# Cu K-alpha1, Johansson monochromator", TUBES["CuKa1"].wavelengths),
        ("# Cu K-alpha1 + K-alpha2", TUBES["CuKa"].wavelengths),
        ("# Wavelength: 4.13909e-11 m", (0.413909,)),
        ("# Wavelength: 4.13909e-11", (0.413909,)),
        ("# wavelength: 0.0413909 nm", (0.413909,)),
        ("Wavelength (nm) = 0.154056", (1.54056,)),
        ("# Wellenlänge: 1,5406 Å", (1.5406,)),
        ("'Id: 1 2Theta WL=1.54060", (1.5406,)),
        ("# Energy: 29.95 keV", (0.413970612,)),
        ('\'Anode: "Mo" Scantype: "Coupled"', TUBES["MoKa"].wavelengths),
    ],
)
def test_the_wavelength_is_read_from_the_words_of_a_header(read, header, wavelengths):
    pattern = read(header + "\n" + rows())
    assert pattern.instrument.radiation.wavelengths == wavelengths
    assert pattern.radiation_source == "file"


def test_without_a_wavelength_the_option_is_used_and_else_copper_with_a_note(read):
    assumed = read(rows())
    assert assumed.instrument.radiation == TUBES["CuKa"]
    assert any("assumed" in note for note in assumed.notes)
    given = read(rows(), radiation=TUBES["CoKa"])
    assert given.instrument.radiation == TUBES["CoKa"]
    assert given.radiation_source == "given"
    assert not given.notes


def test_the_wavelength_given_wins_over_the_files_and_a_note_says_so(registry):
    pattern = read_pattern(FIXTURES / "panalytical.xrdml", registry=registry, radiation=TUBES["MoKa"])
    assert pattern.instrument.radiation == TUBES["MoKa"]
    assert pattern.radiation_source == "given"
    assert any("1.5406 / 1.54443" in note and "as given" in note for note in pattern.notes)


def test_one_line_given_for_a_file_that_names_the_doublet_is_one_line(registry):
    pattern = read_pattern(FIXTURES / "panalytical.xrdml", registry=registry, radiation=TUBES["CuKa1"])
    assert pattern.instrument.radiation == TUBES["CuKa1"]
    assert pattern.notes


def test_the_tube_of_the_file_named_again_changes_nothing_and_needs_no_note(registry):
    pattern = read_pattern(FIXTURES / "panalytical.xrdml", registry=registry, radiation=TUBES["CuKa"])
    assert pattern.instrument.radiation.wavelengths == (1.540598, 1.544426)
    assert not pattern.notes


def test_a_calculated_profile_in_the_third_column_is_no_uncertainty(read):
    text = "".join(f"{t:.2f} {i:.0f} {i + 3:.0f}\n" for t, i in zip(TWO_THETA, COUNTS, strict=True))
    assert read(text).sigma is None
    assert read("2theta,obs,calc\n" + text.replace(" ", ",")).sigma is None


def test_points_with_uncertainty_zero_were_not_measured(read):
    lines = [
        f"{t:.2f} {i:.0f} {0 if n < 5 else np.sqrt(i):.3f}\n"
        for n, (t, i) in enumerate(zip(TWO_THETA, COUNTS, strict=True))
    ]
    assert len(read("".join(lines))) == len(TWO_THETA) - 5


def test_one_column_is_refused_with_the_way_to_give_start_and_step(read):
    with pytest.raises(PatternError, match="start, step and end"):
        read("".join(f"{value}\n" for value in COUNTS), "counts.dat")


def test_one_column_is_read_with_start_and_step_in_words(read):
    pattern = read("# start = 20.0\n# step: 0.05\n" + "".join(f"{value}\n" for value in COUNTS), "counts.dat")
    np.testing.assert_allclose(pattern.two_theta, TWO_THETA)


def test_the_published_samples_without_angles_say_how_to_add_them(registry, shared_data):
    for path in sorted((shared_data / "pxrdgen_samples").glob("*.dat")):
        with pytest.raises(PatternError, match="one column of 7500 numbers"):
            read_pattern(path, registry=registry)
