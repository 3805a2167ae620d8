"""What a reader of pattern files owes: to know its own, and to refuse the rest in words."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from pxrdgen.errors import ConformanceError, PatternError
from pxrdgen.interfaces.reader import PatternReader
from pxrdgen_testing.check import Check, Subject, expect, expect_instance

_HEADS = (b"", b"\x00" * 4096, b"10.0 5\n10.1 7\n", b"<?xml version='1.0'?><a/>", b"PK\x03\x04", bytes(range(256)) * 16)
_GARBAGE = (b"", b"\x00\xff" * 500, b"this is no pattern\n" * 20, b"\xef\xbb\xbf<a><b></a>", b"PK\x03\x04rest")


def its_suffixes_are_lower_case_with_a_dot(subject: Subject) -> None:
    """So that they compare with a path's own."""
    suffixes = _reader(subject).suffixes
    good = suffixes and all(s.startswith(".") and s == s.lower() for s in suffixes)
    expect(good, f"got suffixes {suffixes!r}, expected at least one, lower case, like '.xy'")


def sniffing_gives_a_share_for_anything(subject: Subject) -> None:
    """0 to 1 for any bytes and suffix, without an exception."""
    reader = _reader(subject)
    for head in _HEADS:
        for suffix in (*reader.suffixes, ".unknown", ""):
            share = reader.sniff(head, suffix)
            expect(0.0 <= share <= 1.0, f"got {share!r} from sniffing {head[:12]!r}, expected 0 to 1")


def garbage_is_refused_in_words(subject: Subject) -> None:
    """Anything that is no pattern raises PatternError, nothing else."""
    reader = _reader(subject)
    rng = np.random.default_rng(0)
    samples = (*_GARBAGE, *(rng.bytes(size) for size in (10, 1000, 5000)))
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(samples):
            path = Path(folder) / f"garbage{number}{reader.suffixes[0]}"
            path.write_bytes(content)
            _check_refusal(reader, path, content)


def _check_refusal(reader: PatternReader, path: Path, content: bytes) -> None:
    try:
        reader.read(path)
    except PatternError:
        return
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise ConformanceError(f"got {what} from reading {content[:16]!r}, expected PatternError") from error
    raise ConformanceError(f"got a pattern out of {content[:16]!r}, expected PatternError")


def _reader(subject: Subject) -> PatternReader:
    return expect_instance(subject.build(), PatternReader)


CHECKS: tuple[Check, ...] = (
    its_suffixes_are_lower_case_with_a_dot,
    sniffing_gives_a_share_for_anything,
    garbage_is_refused_in_words,
)
