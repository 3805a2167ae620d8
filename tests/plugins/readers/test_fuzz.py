"""Damaged files are refused, never a crash, a hang or a mountain of memory: only PxrdgenError leaves a reader."""

from __future__ import annotations

import io
import random
import zipfile
import zlib
from importlib import import_module

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pxrdgen_readers
from pxrdgen.errors import PxrdgenError
from pxrdgen.interfaces.reader import PatternReader
from pxrdgen_files.measurement import Recording, Scan, to_pattern

from .made_up_pattern import FIXTURES

FILES = {
    "brml": "bruker.brml", "bruker-raw": "bruker_v4.raw", "columns": "plain.xy", "gsas": "bank_esd.gsas",
    "pdcif": "powder.cif", "step-text": "philips.udf", "ras": "rigaku.ras", "rasx": "rigaku.rasx", "uxd": "bruker.uxd",
    "xrdml": "panalytical.xrdml",
}  # fmt: skip
EXTRA = [
    ("bruker-raw", "bruker_v3.raw"),
    ("columns", "fullprof.dat"),
    ("columns", "german.csv"),
    ("gsas", "bank.fxye"),
    ("bruker-raw", "bruker_v1.raw"),
    ("bruker-raw", "bruker_v2.raw"),
    ("step-text", "rigaku.asc"),
    ("step-text", "sietronics.cpi"),
    ("step-text", "jade.mdi"),
]
READERS = {record.name: record.target for record in pxrdgen_readers.pxrdgen_components()}
MUTATIONS = 200


def reader_of(name: str) -> PatternReader:
    module, _, attribute = READERS[name].partition(":")
    return getattr(import_module(module), attribute)()


def survives(reader: PatternReader, content: bytes) -> None:
    """The content is a pattern or a PxrdgenError; a pattern is well-formed and not larger than its file explains."""
    assert 0.0 <= reader.sniff(content[:4096], ".dat") <= 1.0
    try:
        pattern = to_pattern(reader.measurement(content))
    except PxrdgenError:
        return
    assert 2 <= len(pattern) <= max(1000, 4 * len(content))
    assert np.isfinite(pattern.intensity).all()


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The bytes with a few flipped, deleted, repeated, swapped for telling ones, or cut short."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at = rng.randrange(len(data) or 1)
        kind = rng.randrange(6)
        if kind == 0 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + rng.randrange(1, 40)] = b""
        elif kind == 2:
            data[at:at] = data[at : at + rng.randrange(1, 40)]
        elif kind == 3:
            data[at : at + 1] = rng.choice(
                (b"nan", b"\xff\xff\xff\x7f", b"\0", b"1e308", b"-", b"\n", b"<", b"&x;", b"'")
            )
        elif kind == 4:
            data[at : at + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\x00\x00\x00\x80", b"9999"))
        else:
            del data[rng.randrange(len(data) or 1) :]
    return bytes(data)


def test_every_registered_reader_is_fuzzed():
    assert set(READERS) == set(FILES)


@pytest.mark.parametrize(("name", "file"), [*FILES.items(), *EXTRA], ids=lambda value: value)
def test_mutated_files_end_in_a_pattern_or_a_sentence(name, file):
    content, reader, rng = (FIXTURES / file).read_bytes(), reader_of(name), random.Random(20250807)
    for _ in range(MUTATIONS):
        survives(reader, mutated(content, rng))


@pytest.mark.parametrize("name", ["brml", "rasx"])
def test_mutated_members_of_a_sound_archive_end_in_a_pattern_or_a_sentence(name):
    reader, rng = reader_of(name), random.Random(7)
    with zipfile.ZipFile(FIXTURES / FILES[name]) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    for _ in range(MUTATIONS):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for member, content in members.items():
                archive.writestr(member, mutated(content, rng) if rng.random() < 0.7 else content)
        survives(reader, buffer.getvalue())


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_truncation_ends_in_a_pattern_or_a_sentence(name):
    content, reader = (FIXTURES / FILES[name]).read_bytes(), reader_of(name)
    for end in range(0, len(content), max(1, len(content) // 100)):
        survives(reader, content[:end])


@pytest.mark.parametrize("name", sorted(FILES))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=400))
def test_any_bytes_end_in_a_pattern_or_a_sentence(name, content):
    survives(reader_of(name), content)


@settings(max_examples=150, deadline=None)
@given(text=st.text(alphabet="0123456789.,;:-+eE \t\n#!'naABK_\"\u00b5", max_size=300))
def test_any_text_of_digits_and_marks_ends_in_a_pattern_or_a_sentence(text):
    survives(reader_of("columns"), text.encode("utf-8"))


@pytest.mark.parametrize("name", sorted(FILES))
def test_long_runs_of_one_byte_do_not_hang(name):
    reader = reader_of(name)
    for byte in (b" ", b"1", b"\n", b"<", b"(", b",", b"'", b"\t1", b"_", b"K"):
        for tail in (b"", b"x", b"\n5 6"):
            survives(reader, byte * 100_000 + tail)
            survives(reader, (FIXTURES / FILES[name]).read_bytes()[:60] + b"lambda" + byte * 100_000 + tail)


def test_a_header_cannot_ask_for_more_points_than_the_file_holds():
    content = bytearray((FIXTURES / "bruker_v4.raw").read_bytes())
    mark = 61 + 120
    for count in (0, 1, 2**31 - 1, 2**32 - 1):
        content[mark + 88 : mark + 92] = count.to_bytes(4, "little")
        with pytest.raises(PxrdgenError, match="points"):
            reader_of("bruker-raw").measurement(bytes(content))


def test_a_member_that_lies_about_its_size_is_refused():
    content = bytearray((FIXTURES / "rigaku.rasx").read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = (2**31 - 1).to_bytes(4, "little")
    content[at + 16 : at + 20] = zlib.crc32(b"").to_bytes(4, "little")
    with pytest.raises(PxrdgenError):
        reader_of("rasx").measurement(bytes(content))


finite = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False)


@settings(max_examples=150, deadline=None)
@given(
    start=st.floats(0.5, 60),
    step=st.floats(0.001, 0.5),
    intensity=st.lists(finite, min_size=3, max_size=60),
    times=st.integers(1, 3),
    data=st.randoms(use_true_random=False),
)
def test_order_and_repetition_of_scans_do_not_change_the_pattern(start, step, intensity, times, data):
    """Repeats average to what was measured once, whichever way each was run."""
    two_theta = start + step * np.arange(len(intensity))
    values = np.array(intensity)
    scans = []
    for _ in range(times):
        way = slice(None, None, data.choice((1, -1)))
        scans.append(Scan(two_theta=two_theta[way], intensity=values[way]))
    pattern = to_pattern(Recording(scans=scans))
    np.testing.assert_allclose(pattern.two_theta, two_theta, rtol=1e-9)
    np.testing.assert_allclose(pattern.intensity, values, rtol=1e-9, atol=1e-3)
