"""Every format gives back the same made-up pattern; what cannot be a pattern is refused in a sentence."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

import pxrdgen_readers
from pxrdgen.errors import PatternError, UnknownComponentError
from pxrdgen.instrument import TUBES
from pxrdgen.io.patterns import notes_of, read_pattern
from pxrdgen.pattern import PowderPattern
from pxrdgen.plugin_sources import PluginSource, PluginStatus
from pxrdgen.registry import Registry

FIXTURES = Path(__file__).parents[1] / "fixtures" / "patterns"
FILES = sorted(path for path in FIXTURES.iterdir() if path.suffix != ".py")
TWO_THETA = 20.0 + 0.05 * np.arange(201)
COUNTS = np.round(
    100 + 2000 * np.exp(-(((TWO_THETA - 23.4) / 0.15) ** 2)) + 900 * np.exp(-(((TWO_THETA - 27.1) / 0.2) ** 2))
)


@pytest.fixture(scope="module")
def registry() -> Registry:
    source = PluginSource(name="readers", distribution="pxrdgen", version="0", load=lambda: pxrdgen_readers)
    built = Registry([source])
    assert built.plugins[0].status is PluginStatus.LOADED, built.plugins[0].error
    return built


@pytest.fixture
def read(registry: Registry, tmp_path: Path):
    """Reads text or bytes as a file of the given name."""

    def read_as(content: str | bytes, name: str = "pattern.xy", **options: object) -> PowderPattern:
        path = tmp_path / name
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return read_pattern(path, registry=registry, **options)

    return read_as


def rows(separator: str = " ", comma: bool = False) -> str:
    lines = (f"{t:.2f}{separator}{int(i)}.0" for t, i in zip(TWO_THETA, COUNTS, strict=True))
    return "".join((line.replace(".", ",") if comma else line) + "\n" for line in lines)


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
    assert pattern.metadata["radiation_source"] == "file"
    assert not notes_of(pattern)


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
    if path.suffix in (".csv", ".dat") or path.name == "powder.cif":
        pytest.skip("not a format both read")
    theirs = formats.read_pattern(path)
    np.testing.assert_allclose(np.asarray(theirs.two_theta), TWO_THETA, atol=1e-4)
    np.testing.assert_allclose(np.asarray(theirs.intensity), COUNTS, atol=1e-3)


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
        ('\'Anode: "Mo" Scantype: "Coupled"', TUBES["MoKa"].wavelengths),
    ],
)
def test_the_wavelength_is_read_from_the_words_of_a_header(read, header, wavelengths):
    pattern = read(header + "\n" + rows())
    assert pattern.instrument.radiation.wavelengths == wavelengths
    assert pattern.metadata["radiation_source"] == "file"


def test_without_a_wavelength_the_option_is_used_and_else_copper_with_a_note(read):
    assumed = read(rows())
    assert assumed.instrument.radiation == TUBES["CuKa"]
    assert any("assumed" in note for note in notes_of(assumed))
    given = read(rows(), radiation=TUBES["CoKa"])
    assert given.instrument.radiation == TUBES["CoKa"]
    assert given.metadata["radiation_source"] == "given"
    assert not notes_of(given)


def test_a_wavelength_in_the_file_wins_over_the_option_and_says_so(registry):
    pattern = read_pattern(FIXTURES / "panalytical.xrdml", registry=registry, radiation=TUBES["MoKa"])
    assert pattern.instrument.radiation.wavelength == pytest.approx(1.540598)
    assert any("0.709317" in note for note in notes_of(pattern))


def test_a_descending_scan_is_reversed(read):
    pattern = read("".join(reversed(rows().splitlines(keepends=True))))
    np.testing.assert_allclose(pattern.intensity, COUNTS)
    assert any("reversed" in note for note in notes_of(pattern))


def test_angles_measured_twice_are_averaged_and_their_uncertainty_shrinks(read):
    twice = "".join(f"{t:.2f} {i + shift:.0f}\n" for shift in (-10, 10) for t, i in zip(TWO_THETA, COUNTS, strict=True))
    pattern = read(twice)
    np.testing.assert_allclose(pattern.intensity, COUNTS)
    np.testing.assert_allclose(pattern.sigma, np.sqrt(COUNTS / 2), rtol=1e-6)
    assert any("merged" in note for note in notes_of(pattern))


def test_negative_intensities_are_kept(read):
    assert read("5.0 -3\n5.1 4\n5.2 -1\n").intensity.tolist() == [-3.0, 4.0, -1.0]


def test_a_neutron_pattern_is_refused(read):
    cif = "data_x\n_diffrn_radiation_probe neutron\nloop_\n_pd_meas_2theta_scan\n_pd_meas_counts_total\n10 5\n11 6\n"
    with pytest.raises(PatternError, match="neutron"):
        read(cif, "x.cif")


def test_an_attenuator_factor_is_applied_only_where_the_series_would_jump_without_it(registry, tmp_path):
    text = (FIXTURES / "rigaku.ras").read_text()
    stored_raw, corrected = [], []
    for line in text.splitlines():
        angle, _, rest = line.partition(" ")
        if angle.startswith("23.") and not line.startswith("*"):
            counts = float(rest.split()[0])
            stored_raw.append(f"{angle} {counts / 10:.4f} 10.0000")
            corrected.append(f"{angle} {counts:.4f} 10.0000")
        else:
            stored_raw.append(line)
            corrected.append(line)
    for name, lines in (("raw.ras", stored_raw), ("corrected.ras", corrected)):
        path = tmp_path / name
        path.write_text("\n".join(lines))
        pattern = read_pattern(path, registry=registry)
        np.testing.assert_allclose(pattern.intensity, COUNTS, rtol=1e-3)
        assert any("attenuator" in note for note in notes_of(pattern))


def test_scans_at_other_tilts_are_not_averaged(registry, tmp_path):
    text = (FIXTURES / "panalytical.xrdml").read_text()
    scan = text[text.index("<scan ") : text.index("</scan>") + len("</scan>")]
    tilted = '<positions axis="Chi"><commonPosition>{}</commonPosition></positions><commonCountingTime'
    both = scan.replace("<commonCountingTime", tilted.format(0)) + scan.replace("<commonCountingTime", tilted.format(5))
    path = tmp_path / "tilts.xrdml"
    path.write_text(text.replace(scan, both))
    pattern = read_pattern(path, registry=registry)
    assert pattern.sigma is None
    assert any("the first is used" in note for note in notes_of(pattern))


def test_points_before_the_direct_beam_are_dropped(read):
    pattern = read("-0.2 5\n-0.1 9\n0.0 100\n0.1 9\n0.2 5\n0.3 4\n0.4 3\n")
    assert pattern.two_theta[0] == pytest.approx(0.1)
    assert any("2theta = 0" in note for note in notes_of(pattern))


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


def test_scans_of_neighbouring_ranges_are_stitched_at_one_counting_time(registry, tmp_path):
    def block(start: float, seconds: float, counts: str) -> str:
        return f"_DRIVE='COUPLED'\n_STEPTIME={seconds}\n_STEPSIZE=1.0\n_START={start}\n_COUNTS\n{counts}\n"

    path = tmp_path / "two.uxd"
    path.write_text("_FILEVERSION=2\n" + block(10, 1.0, "50 60 70 80") + block(14, 10.0, "900 1000 1100 1200"))
    pattern = read_pattern(path, registry=registry)
    assert pattern.two_theta.tolist() == [10, 11, 12, 13, 14, 15, 16, 17]
    assert pattern.intensity.tolist() == [500, 600, 700, 800, 900, 1000, 1100, 1200]
    np.testing.assert_allclose(pattern.sigma[[0, 4]], [10 * np.sqrt(50), 30.0])


def test_an_attenuator_of_raw_counts_is_undone_with_its_uncertainty(registry, tmp_path):
    text = (FIXTURES / "panalytical.xrdml").read_text()
    factors = np.ones(201)
    factors[65:72] = 10.0
    listed = " ".join(f"{factor:g}" for factor in factors)
    path = tmp_path / "attenuated.xrdml"
    path.write_text(text.replace("<counts", f"<beamAttenuationFactors>{listed}</beamAttenuationFactors><counts"))
    pattern = read_pattern(path, registry=registry)
    np.testing.assert_allclose(pattern.intensity, COUNTS * factors)
    np.testing.assert_allclose(pattern.sigma, np.sqrt(COUNTS) * factors)


def test_a_rate_gets_its_uncertainty_from_the_counting_time(registry, tmp_path):
    text = (FIXTURES / "bruker.uxd").read_text().replace("_COUNTS", "_CPS")
    path = tmp_path / "rate.uxd"
    path.write_text(text)
    np.testing.assert_allclose(read_pattern(path, registry=registry).sigma, np.sqrt(COUNTS / 2.0))


def test_listed_positions_take_the_place_of_start_and_end(registry, tmp_path):
    text = (FIXTURES / "panalytical.xrdml").read_text()
    listed = " ".join(f"{angle:.4f}" for angle in TWO_THETA + 5.0)
    ends = "<startPosition>20.0</startPosition><endPosition>30.0</endPosition>"
    path = tmp_path / "listed.xrdml"
    path.write_text(text.replace(ends, f"<listPositions>{listed}</listPositions>"))
    assert read_pattern(path, registry=registry).two_theta[0] == pytest.approx(25.0)


def test_a_rocking_curve_is_no_powder_pattern(registry, tmp_path):
    path = tmp_path / "omega.xrdml"
    path.write_text((FIXTURES / "panalytical.xrdml").read_text().replace('scanAxis="Gonio"', 'scanAxis="Omega"'))
    with pytest.raises(PatternError, match="rocking curve"):
        read_pattern(path, registry=registry)


def test_a_neutron_time_of_flight_bank_is_refused_by_name(read):
    with pytest.raises(PatternError, match="time of flight"):
        read("title\nBANK 1 4 4 RALF 35328 141 35328 0.004 FXYE\n1000 1 1\n1010 1 1\n1020 1 1\n1030 1 1\n", "gem.gsa")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "empty"),
        (bytes(range(256)) * 8, "no installed reader"),
        ("two words\nno numbers here\n", "no line of numbers"),
        ("5.0 10\n", "1 point"),
        ("5.0 10\n5.1 nan\n5.2 11\n", "line 2"),
        ("5.0 10\n5.1 inf\n5.2 11\n", "line 2"),
        ("5.0 10\n5.1 ****\n5.2 11\n", "line 2"),
        ("5.0 10\n5.1 11 12\n5.2 11\n5.3 10\n", "line 2"),
        ("5.0 10\n5.1 beam lost\n5.2 11\n", "line 2"),
        ("5.0 10\n5.0 11\n5.0 12\n", "one angle"),
        ("1000 10\n1010 11\n1020 12\n", "0 to 180"),
        ("1 10\n9 11\n2 12\n8 13\n3 14\n7 1\n4 2\n6 1\n5 2\n9 2\n", "turn back"),
        ("d,intensity\n3.5,10\n3.6,11\n3.7,12\n", "headed 'd'"),
        ("10.0 0.05 30.0\n1\n2\n3\n", "correct the first line"),
        ("1e400 5\n1e401 6\n", "no line of numbers"),
    ],
)
def test_what_is_no_pattern_is_refused_in_a_sentence(read, content, sentence):
    with pytest.raises(PatternError, match=sentence) as refusal:
        read(content)
    assert "got" in str(refusal.value)
    assert "expected" in str(refusal.value)


def test_one_column_is_refused_with_the_way_to_give_start_and_step(read):
    with pytest.raises(PatternError, match="start, step and end"):
        read("".join(f"{value}\n" for value in COUNTS), "counts.dat")


def test_one_column_is_read_with_start_and_step_in_words(read):
    pattern = read("# start = 20.0\n# step: 0.05\n" + "".join(f"{value}\n" for value in COUNTS), "counts.dat")
    np.testing.assert_allclose(pattern.two_theta, TWO_THETA)


def test_a_missing_file_and_a_folder_are_refused(registry, tmp_path):
    with pytest.raises(PatternError, match="does not exist"):
        read_pattern(tmp_path / "none.xy", registry=registry)
    with pytest.raises(PatternError, match="not a file"):
        read_pattern(tmp_path, registry=registry)
    with pytest.raises(PatternError, match="does not exist"):
        read_pattern("nul\0byte.xy", registry=registry)


def test_a_file_beyond_the_limit_is_refused_unread(registry, tmp_path):
    path = tmp_path / "huge.xy"
    with path.open("wb") as handle:
        handle.truncate(64 * 1024 * 1024 + 1)
    with pytest.raises(PatternError, match="64 MiB"):
        read_pattern(path, registry=registry)


def test_a_document_type_is_refused_before_entities_can_grow(read):
    bomb = (
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><xrdMeasurements>&b;</xrdMeasurements>'
    )
    with pytest.raises(PatternError, match="DOCTYPE"):
        read(bomb, "bomb.xrdml")
    with pytest.raises(PatternError, match="DOCTYPE"):
        read(bomb.encode("utf-16"), "bomb.xrdml")


def test_a_small_archive_of_a_huge_document_is_refused_before_it_is_built(read):
    for text in ("<a>" * 700_000, "<a><b/>" * 50_000, "<a>" + "<b/>" * 700_000 + "</a>"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("Experiment0/RawData0.xml", text)
        with pytest.raises(PatternError, match="elements"):
            read(buffer.getvalue(), "bomb.brml")


def test_a_zip_bomb_is_stopped_at_the_limit(read, monkeypatch):
    monkeypatch.setattr("pxrdgen_readers.safe_zip.MAX_MEMBER_BYTES", 10_000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Data0/Profile0.txt", "0" * 1_000_000)
    with pytest.raises(PatternError, match="more than"):
        read(buffer.getvalue(), "bomb.rasx")


def test_nothing_is_written_outside_an_archive(read, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../escaped.txt", "20 1\n21 2\n")
        archive.writestr("Data0/Profile0.txt", "20 1 1\n21 2 1\n22 3 1\n")
    assert len(read(buffer.getvalue(), "inside.rasx")) == 3
    assert not (tmp_path.parent / "escaped.txt").exists()


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


def test_the_published_samples_without_angles_say_how_to_add_them(registry, shared_data):
    for path in sorted((shared_data / "pxrdgen_samples").glob("*.dat")):
        with pytest.raises(PatternError, match="one column of 7500 numbers"):
            read_pattern(path, registry=registry)
