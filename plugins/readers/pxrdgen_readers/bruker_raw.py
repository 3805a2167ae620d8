"""Bruker ``.raw``: binary files of DIFFRAC and DIFFRAC-AT, versions RAW, RAW2, RAW1.01 and RAW4.00."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import PatternError
from pxrdgen.values.instrument import Radiation
from pxrdgen_files.measurement import MAX_POINTS, Recording, Scan
from pxrdgen_readers.axes import axis_note
from pxrdgen_readers.conditions import condition_of
from pxrdgen_readers.file_reader import FileReader
from pxrdgen_readers.lines import doublet, tube_of
from pxrdgen_readers.rates import sigma_of_rate

FloatArray = NDArray[np.float64]

_V3_SCAN_TYPES = {
    0: "locked coupled", 1: "unlocked coupled", 2: "detector scan", 3: "rocking curve", 4: "chi scan", 5: "phi scan",
    6: "x scan", 7: "y scan", 8: "z scan", 12: "psi scan", 13: "hkl scan", 14: "reciprocal-space scan",
}  # fmt: skip
_MAX_RANGES = 4096
_OLD = "an old Bruker raw file, read by the one description of it (xylib's): check range and counts of a line you know"


class BrukerRawReader(FileReader):
    """Little-endian binary; the offsets are those of the DIFFRACplus manual, appendix A, as xylib documents them.

    RAW (version 1): ranges of a header of 156 bytes (points at +4, seconds +8, step +12, start +24, theta, chi, phi
    +28, sample +40, two wavelengths +72, whether another range follows +152), single-precision points behind it.
    RAW2: a header of 256 bytes (ranges at +4, anode +188, wavelengths and ratio +190), then ranges of a header (its
    length +0, points +2, seconds +8, step +12, start +16, kelvin +46) and points.
    RAW1.01: a file header of 712 bytes, then for each range a header (points at +4, start of 2theta at +16, step at
    +176, seconds at +192, scan type at +196, bytes a point at +252, extra records at +256) and its points.
    RAW4.00: segments (type, length) from byte 61; type 0 or 160 opens a range (scan type at +32, start at +72, step
    at +80, points at +88, ms a step at +92, bytes a point at +136, length of sub-records at +140, data after +160).
    """

    suffixes: ClassVar[tuple[str, ...]] = (".raw",)
    title: ClassVar[str] = "Bruker raw"

    def sniff(self, head: bytes, suffix: str) -> float:  # noqa: ARG002
        """Certain with the magic bytes."""
        if head.startswith((b"RAW1.01", b"RAW4.00", b"RAW2", b"RAW ")):
            return 1.0
        return 0.0

    def measurement(self, content: bytes) -> Recording:
        """All ranges of the file."""
        if content.startswith(b"RAW1.01"):
            return _read_v3(content)
        if content.startswith(b"RAW4.00"):
            return _read_v4(content)
        if content.startswith(b"RAW "):
            return _read_v1(content)
        if content.startswith(b"RAW2"):
            return _read_v2(content)
        raise PatternError(
            f"got a file that begins {content[:7]!r}, expected RAW, RAW2, RAW1.01 or RAW4.00; save it as RAW4 or xy"
        )


def _unpack(layout: str, content: bytes, at: int) -> tuple[Any, ...]:
    if at < 0 or at + struct.calcsize(layout) > len(content):
        raise PatternError(f"got a file that ends at byte {len(content)} inside a header, expected more; copy it again")
    return struct.unpack_from(layout, content, at)


def _word(content: bytes, at: int, length: int) -> str:
    return content[at : at + length].split(b"\0")[0].decode("latin-1").strip()


def _points(content: bytes, at: int, count: int, size: int) -> NDArray[np.uint8]:
    """[count, size] the bytes of the points."""
    if not 2 <= count <= MAX_POINTS or not 4 <= size <= 4096 or at < 0 or at + count * size > len(content):
        raise PatternError(
            f"got a range of {count} points of {size} bytes from byte {at} in a file of {len(content)} bytes, "
            "expected them all; is the file complete?"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=at, count=count * size).reshape(count, size)


def _floats(points: NDArray[np.uint8], at: int, kind: str) -> FloatArray:
    length = np.dtype(kind).itemsize
    return np.ascontiguousarray(points[:, at : at + length]).view(kind).reshape(-1).astype(np.float64)


def _angles(start: float, step: float, count: int) -> FloatArray:
    if not (np.isfinite(start) and 1e-6 < abs(step) < 90.0):
        raise PatternError(f"got a range from {start:g} in steps of {step:g} degrees, expected a scan; is it damaged?")
    return start + step * np.arange(count, dtype=np.float64)


def _tube(content: bytes, at: int, anode: str) -> Radiation | None:
    """Lines from five doubles (mean, alpha1, alpha2, beta, ratio) at ``at``."""
    _, ka1, ka2, _, ratio = _unpack("<5d", content, at)
    return doublet(ka1, ka2, ratio) or tube_of(anode)


def _read_v1(content: bytes) -> Recording:
    scans: list[Scan] = []
    radiation, sample, at, follows = None, "", 0, 1
    while follows and len(scans) < _MAX_RANGES:
        at -= 0 if content[at : at + 4] == b"RAW " else 4  # early files name only the first range
        points, seconds, step, _, _, start, _, chi = _unpack("<iffi4sfff", content, at + 4)
        ka1, ka2 = _unpack("<2f", content, at + 72)
        (follows,) = _unpack("<i", content, at + 152)
        radiation = radiation or doublet(round(ka1, 6), round(ka2, 6))
        sample = sample or _word(content, at + 40, 32)
        intensity = _floats(_points(content, at + 156, points, 4), 0, "<f4")
        condition = condition_of([("chi", chi if abs(chi) < 360.0 else None)])
        scans.append(_timed(_angles(start, step, points), intensity, seconds if 0 < seconds < 1e6 else None, condition))
        at += 156 + 4 * points
    return Recording(scans=scans, radiation=radiation, metadata={"sample": sample}, notes=(_OLD,))


def _read_v2(content: bytes) -> Recording:
    (count,) = _unpack("<H", content, 4)
    anode = _word(content, 188, 2)
    ka1, ka2, ratio = _unpack("<3f", content, 190)
    scans, at = [], 256
    for _ in range(min(count, _MAX_RANGES)):
        length, points = _unpack("<HH", content, at)
        seconds, step, start = _unpack("<3f", content, at + 8)
        (kelvin,) = _unpack("<H", content, at + 46)
        if length < 48:
            raise PatternError(f"got a range header of {length} bytes, expected 48 or more; is the file damaged?")
        intensity = _floats(_points(content, at + length, points, 4), 0, "<f4")
        condition = condition_of([("temperature", kelvin or None)])
        scans.append(_timed(_angles(start, step, points), intensity, seconds if 0 < seconds < 1e6 else None, condition))
        at += length + 4 * points
    radiation = doublet(round(ka1, 6), round(ka2, 6), ratio) or tube_of(anode)
    return Recording(scans=scans, radiation=radiation, metadata={"anode": anode}, notes=(_OLD,))


def _read_v3(content: bytes) -> Recording:
    (count,) = _unpack("<i", content, 12)
    if not 1 <= count <= _MAX_RANGES:
        raise PatternError(f"got {count} ranges, expected 1 to {_MAX_RANGES}; is the file damaged?")
    anode = _word(content, 608, 4)
    scans, notes, at = [], [], 712
    for _ in range(count):
        length, points = _unpack("<ii", content, at)
        if not 260 <= length <= 1 << 20:
            raise PatternError(f"got a range header of {length} bytes, expected 304; is the file damaged?")
        (start,), (step,) = _unpack("<d", content, at + 16), _unpack("<d", content, at + 176)
        seconds, scan_type = _unpack("<fi", content, at + 192)
        varying, size, extra = _unpack("<iii", content, at + 248)
        if not 0 <= extra <= 1 << 24:
            raise PatternError(f"got {extra} bytes of extra records, expected few; is the file damaged?")
        notes.append(axis_note(_V3_SCAN_TYPES.get(scan_type, f"scan type {scan_type}")))
        rows = _points(content, at + length + extra, points, size)
        intensity = _floats(rows, 0, "<f4")
        measured = varying & 1 and size >= 12
        two_theta = _floats(rows, 4, "<f8") if measured else _angles(start, step, points)
        time = float(seconds) if 0 < seconds < 1e6 else None
        chi, _, x, y, z = _unpack("<5d", content, at + 24)
        held = [(name, value) for name, value in (("chi", chi), ("x", x), ("y", y), ("z", z)) if abs(value) < 1e4]
        scans.append(_timed(two_theta, intensity, time, condition_of(held)))
        at += length + extra + points * size
    return Recording(
        scans=scans,
        radiation=_tube(content, 616, anode),
        metadata={"sample": _word(content, 326, 60), "anode": anode},
        notes=tuple(dict.fromkeys(note for note in notes if note)),
    )


def _timed(two_theta: FloatArray, intensity: FloatArray, seconds: float | None, condition: str = "") -> Scan:
    with np.errstate(all="ignore"):
        sigma = sigma_of_rate(intensity, seconds) if np.isfinite(intensity).all() else None
    left = seconds if sigma is None else None
    return Scan(two_theta=two_theta, intensity=intensity, sigma=sigma, seconds=left, condition=condition)


def _segments(content: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Type, start and length of the segments from ``at`` until ``end`` or the mark of a range."""
    while at + 4 <= end:
        (kind,) = _unpack("<I", content, at)
        if kind in (0, 160) and end == len(content):
            yield int(kind), at, 0
            return
        (length,) = _unpack("<I", content, at + 4)
        if length < 8 or at + length > end:
            raise PatternError(f"got a segment of {length} bytes at byte {at}, expected one that fits; is it damaged?")
        yield int(kind), at, int(length)
        at += length


def _read_v4(content: bytes) -> Recording:
    scans: list[Scan] = []
    notes: list[str] = []
    radiation: Radiation | None = None
    words: dict[str, str] = {}
    at: int | None = 61
    while at is not None and len(scans) < _MAX_RANGES:
        opened, at = at, None
        for kind, start, length in _segments(content, opened, len(content)):
            if kind in (0, 160):
                scan, at, said = _range_v4(content, start)
                scans.append(scan)
                notes += said
            elif kind == 10 and length >= 36:
                words[_word(content, start + 12, 24).upper()] = _word(content, start + 36, length - 36)
            elif kind == 30 and length >= 120:
                words["ANODE"] = _word(content, start + 116, 4)
                radiation = _tube(content, start + 72, words["ANODE"])
    metadata = {"sample": words.get("SAMPLEID", ""), "anode": words.get("ANODE", "")}
    return Recording(scans=scans, radiation=radiation, metadata=metadata, notes=tuple(dict.fromkeys(notes)))


def _range_v4(content: bytes, mark: int) -> tuple[Scan, int, list[str]]:
    """The range at ``mark``, where it ends, and notes."""
    start, step, count, milliseconds = _unpack("<ddIf", content, mark + 72)
    size, header = _unpack("<II", content, mark + 136)
    data = mark + 160 + header
    notes = [axis_note(_word(content, mark + 32, 24))]
    rows = _points(content, data, count, size)
    drives: dict[str, float] = {}
    for kind, at, length in _segments(content, mark + 160, data):
        if kind == 50 and length >= 64:
            drives[_word(content, at + 12, 24)] = float(_unpack("<d", content, at + 56)[0])
    own = drives.get("2Theta")
    if (
        own is not None
        and np.isfinite(own)
        and abs(own - start) > 1e-4
        and abs(drives.get("Theta", 1e9) - start) < 1e-4
    ):
        notes.append(f"the range counts theta from {start:g}: read as 2theta from {own:g}, steps doubled")
        start, step = own, 2.0 * step
    time = float(milliseconds) / 1000.0 if 0 < milliseconds < 1e9 else None
    held = [(name, value) for name, value in drives.items() if abs(value) < 1e4]
    scan = _timed(_angles(start, step, count), _floats(rows, 0, "<f4"), time, condition_of(held))
    return scan, data + count * size, [note for note in notes if note]
