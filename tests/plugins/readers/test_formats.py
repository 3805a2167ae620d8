"""Every format gives back the same made-up pattern, and another program reads the same numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest

from pxrdgen.errors import PatternError, UnknownComponentError
from pxrdgen.values.instrument import TUBES
from pxrdgen_files.patterns import read_pattern

from .made_up_pattern import COUNTS, FILES, FIXTURES, TWO_THETA, rows


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_format_gives_the_same_pattern(registry, path):
    pattern = read_pattern(path, registry=registry)
    np.testing.assert_allclose(pattern.two_theta, TWO_THETA, atol=1e-6)
    np.testing.assert_allclose(pattern.intensity, COUNTS, atol=1e-3)
    assert pattern.metadata["file"] == path.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_format_is_told_from_the_content_not_the_suffix(registry, path, tmp_path):
    renamed = tmp_path / "measurement.bin"
    renamed.write_bytes(path.read_bytes())
    expected = read_pattern(path, registry=registry)
    assert read_pattern(renamed, registry=registry).metadata["format"] == expected.metadata["format"]


@pytest.mark.parametrize(
    "name", ["panalytical.xrdml", "bruker_v3.raw", "bruker_v4.raw", "bruker.brml", "bruker.uxd", "rigaku.ras",
             "rigaku.rasx", "powder.cif", "panalytical.csv"],
)  # fmt: skip
def test_instrument_files_state_the_copper_doublet(registry, name):
    pattern = read_pattern(FIXTURES / name, registry=registry)
    assert pattern.instrument.radiation.wavelengths == (1.540598, 1.544426)
    assert pattern.instrument.radiation.weights == (1.0, 0.5)
    assert pattern.radiation_source == "file"
    assert not pattern.notes


def test_the_wavelengths_of_an_xrdml_are_in_their_unit(registry, tmp_path):
    path = tmp_path / "nm.xrdml"
    text = (FIXTURES / "panalytical.xrdml").read_text()
    text = text.replace("1.540598", "0.1540598").replace("1.544426", "0.1544426")
    path.write_text(re.sub(r'<(kAlpha[12])(?: unit="\w+")?>', r'<\1 unit="nm">', text))
    found = read_pattern(path, registry=registry).instrument.radiation
    assert found.wavelengths == pytest.approx((1.540598, 1.544426))
    assert found.name == "CuKa"


@pytest.mark.parametrize("name", ["sigma.xye", "bank.fxye", "bank_esd.gsas"])
def test_uncertainties_come_from_the_file(registry, name):
    pattern = read_pattern(FIXTURES / name, registry=registry)
    np.testing.assert_allclose(pattern.sigma, np.sqrt(COUNTS), atol=1e-3)


def test_a_cif_uncertainty_in_parentheses_counts_the_last_digits(read):
    cif = "data_x\nloop_\n_pd_meas_2theta_scan\n_pd_meas_intensity_total\n10.0 12.50(25)\n10.1 130(4)\n10.2 1.2(3)e2\n"
    np.testing.assert_allclose(read(cif, "x.cif").sigma, [0.25, 4.0, 30.0])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_another_program_reads_the_same_numbers(path):
    formats = pytest.importorskip("rietx.io.readers", reason="rietx (extra 'readers') is not installed")
    if path.suffix in (".csv", ".dat", ".asc", ".udf", ".cpi", ".mdi") or path.name in (
        "powder.cif",
        "bruker_v1.raw",
        "bruker_v2.raw",
    ):
        pytest.skip("not a format both read")
    theirs = formats.read_pattern(path)
    np.testing.assert_allclose(np.asarray(theirs.two_theta), TWO_THETA, atol=1e-4)
    np.testing.assert_allclose(np.asarray(theirs.intensity), COUNTS, atol=1e-3)


def test_a_reader_can_be_named_and_an_unknown_one_offers_the_nearest(read):
    assert len(read(rows(), reader="columns")) == 201
    with pytest.raises(UnknownComponentError, match="did you mean 'columns'"):
        read(rows(), reader="colums")
    with pytest.raises(PatternError, match="xrdml"):
        read(rows(), reader="xrdml")


@pytest.mark.parametrize("name", ["brucite_cu.xy", "pbso4_cu.xy", "fluorapatite_cu.xy"])
def test_measured_laboratory_patterns_are_read_with_their_doublet(registry, shared_data, name):
    pattern = read_pattern(shared_data / "examples" / name, registry=registry)
    assert len(pattern) > 5000
    assert pattern.looks_like_counts
    assert pattern.instrument.radiation == TUBES["CuKa"]
