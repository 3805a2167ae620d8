"""What is no powder pattern, or would not fit into memory, is refused in a sentence."""

from __future__ import annotations

import io
import zipfile

import pytest

from pxrdgen.errors import PatternError
from pxrdgen_files.patterns import read_pattern

from .made_up_pattern import FIXTURES


def test_a_neutron_pattern_is_refused(read):
    cif = "data_x\n_diffrn_radiation_probe neutron\nloop_\n_pd_meas_2theta_scan\n_pd_meas_counts_total\n10 5\n11 6\n"
    with pytest.raises(PatternError, match="neutron"):
        read(cif, "x.cif")


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
        ("d,intensity\n3.5,10\n3.6,11\n3.7,12\n", "no wavelength"),
        ("q,intensity\n3.5,10\n3.6,11\n3.7,12\n", "without its unit"),
        ("# TOF(us) I\n3500 10\n3600 11\n3700 12\n", "pulsed source"),
        ("r_mm,I\n3.5,10\n3.6,11\n3.7,12\n", "radius"),
        ("10.0 0.05 30.0\n1\n2\n3\n", "correct the first line"),
        ("1e400 5\n1e401 6\n", "no line of numbers"),
    ],
)
def test_what_is_no_pattern_is_refused_in_a_sentence(read, content, sentence):
    with pytest.raises(PatternError, match=sentence) as refusal:
        read(content)
    assert "got" in str(refusal.value)
    assert "expected" in str(refusal.value)


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


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"RAW_1.06" + bytes(300), "s.raw", "STOE"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "s.h5", "HDF5"),
        (b"II*\0" + bytes(100), "s.tif", "integrate"),
        (b"\xd0\xcf\x11\xe0" + bytes(100), "s.xls", "csv"),
        (b"%PDF-1.4\n1 0 obj\n", "s.xy", "PDF"),
    ],
)
def test_a_foreign_format_is_named_with_what_to_export(read, content, name, words):
    with pytest.raises(PatternError, match=words) as refusal:
        read(content, name)
    assert "Bruker" not in str(refusal.value)


def test_what_gsas_and_its_cif_write_carelessly_is_read(read):
    bank = "".join(f"{100 * (20 + 0.1 * n):.1f} {50 + n} 7.0\n" for n in range(20))
    pattern = read(f"old memory \0\0\nBANK 1 21 21 CONS 2000 10 0 0 FXYE\n{bank}".encode(), "x.gsas")
    assert len(pattern) == 20
    assert any("20 of the 21 points" in note for note in pattern.notes)
    rows = "".join(f"{10 + 0.1 * n:.1f} {100 + n} {'.' if n == 3 else 0.01}\n" for n in range(9))
    cif = "data_x\nloop_\n_pd_meas_2theta_scan\n_pd_meas_counts_total\n_pd_proc_ls_weight\n" + rows
    pattern = read(cif, "x.cif")
    assert len(pattern) == 8
    assert any("dropped" in note for note in pattern.notes)
