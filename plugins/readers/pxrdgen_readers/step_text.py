"""Text that states start and step once, then intensities: Rigaku .asc, Philips .udf, Sietronics .cpi, Jade .mdi.

Rigaku's file holds ``*KEY = value`` lines, one ``*BEGIN`` ... ``*END`` a scan; Philips' ``Key,value,/`` lines before
``RawScan``; Sietronics' eleven fixed lines from ``SIETRONICS XRD SCAN`` to ``SCANDATA``; Jade's a title, then start,
step, seconds, anode, wavelength, end and number of points in one line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from pxrdgen.errors import PatternError
from pxrdgen.values.instrument import Radiation
from pxrdgen_files.measurement import MAX_POINTS, Recording, Scan
from pxrdgen_readers.axes import axis_note
from pxrdgen_readers.conditions import condition_of
from pxrdgen_readers.file_reader import FileReader
from pxrdgen_readers.lines import doublet, tube_of
from pxrdgen_readers.rates import sigma_of_scaled
from pxrdgen_readers.slits import AUTOMATIC_SLIT, with_fixed_slit
from pxrdgen_readers.text import decode, number_in, numbers

_RIGAKU = re.compile(rb"(?m)^\*TYPE\s*=\s*\w[\s\S]*^\*(?:CLASS|GROUP_COUNT|SAMPLE)\s*=")
_PHILIPS = re.compile(rb"(?m)\A\s*SampleIdent,[^\n]*/")
_SIETRONICS = re.compile(rb"\A\s*SIETRONICS XRD SCAN")
_JADE = re.compile(
    rb"\A[^\n]*\n\s*-?[\d.]+\s+[\d.]+\s+[\d.]+\s+[A-Za-z]{1,2}\s+[\d.]+\s+[\d.]+\s+\d+[^\S\n]*\r?\n\s*[\d.]+\s"
)


class StepTextReader(FileReader):
    """Four makers' texts of one kind."""

    suffixes: ClassVar[tuple[str, ...]] = (".asc", ".udf", ".cpi", ".mdi")
    title: ClassVar[str] = "step text"

    def sniff(self, head: bytes, suffix: str) -> float:  # noqa: ARG002
        """Certain with one of the four beginnings."""
        return 1.0 if any(found.search(head) for found in (_RIGAKU, _PHILIPS, _SIETRONICS, _JADE)) else 0.0

    def measurement(self, content: bytes) -> Recording:
        """All scans of the file."""
        text = decode(content)
        head = content[:4096]
        if _RIGAKU.search(head):
            return _rigaku(text)
        if _PHILIPS.search(head):
            return _philips(text)
        if _SIETRONICS.search(head):
            return _sietronics(text.lstrip().splitlines())
        if _JADE.search(head):
            return _jade(text.splitlines())
        raise PatternError(
            "got a text that begins as none of them, expected Rigaku asc, Philips udf, Sietronics cpi or Jade mdi; "
            "name another reader"
        )


def _stepped(start: float | None, step: float | None, stop: float | None, tokens: Sequence[str]) -> Scan:
    """Intensities from ``start`` by ``step``; ``stop`` (degrees) must agree with their number to one point."""
    intensity = numbers(tokens, "the intensities")
    if start is None or step is None or not 1e-6 < step < 90.0 or intensity.size > MAX_POINTS:
        raise PatternError(
            f"got {intensity.size} intensities from {start} by {step}, expected start and step; add them"
        )
    if stop is not None and abs((stop - start) / step - (intensity.size - 1)) > 1.5:
        raise PatternError(
            f"got {intensity.size} intensities, expected {(stop - start) / step + 1:.0f} for {start:g} to {stop:g} by "
            f"{step:g} degrees; is the file complete?"
        )
    return Scan(two_theta=start + step * np.arange(intensity.size, dtype=np.float64), intensity=intensity)


def _with_rate(scan: Scan, seconds: float | None) -> Scan:
    """The scan as a rate: its sigma from the counting time, where that is known."""
    if seconds is None or not 1e-6 < seconds < 1e7:
        return scan
    sigma = sigma_of_scaled(scan.intensity, 1.0 / seconds)
    return Scan(two_theta=scan.two_theta, intensity=scan.intensity, sigma=sigma, condition=scan.condition)


def _rigaku(text: str) -> Recording:
    shared: dict[str, str] = {}
    scans: list[Scan] = []
    keys: dict[str, str] | None = None
    tokens: list[str] = []
    for line in (raw.strip() for raw in text.splitlines()):
        if line.startswith("*BEGIN"):
            keys, tokens = {}, []
        elif line.startswith("*END") and keys is not None:
            scan = _stepped(*(number_in(keys.get(key)) for key in ("START", "STEP", "STOP")), tokens)
            per_step = number_in(keys.get("SPEED")) if "step" in shared.get("SPEED_DIM", "").casefold() else None
            scan = _with_rate(scan, per_step) if shared.get("YUNIT", "").strip().casefold() == "cps" else scan
            held = [(key, number_in(keys[key])) for key in keys if "TEMP" in key and "," not in keys[key]]
            scans.append(Scan(**{**vars(scan), "condition": condition_of(held)}))
            keys = None
        elif line.startswith("*"):
            key, _, value = line[1:].partition("=")
            (shared if keys is None else keys)[key.strip()] = value.strip()
        elif keys is not None:
            tokens += line.replace(",", " ").split()
    if keys is not None:
        raise PatternError("got a scan without *END, expected a complete file; copy it again")
    note = axis_note(shared.get("SCAN_AXIS", ""))
    ka1, ka2 = (number_in(shared.get(f"WAVE_LENGTH{line}")) for line in (1, 2))
    return _recording("Rigaku asc", scans, doublet(ka1, ka2), shared.get("SAMPLE", ""), note)


def _philips(text: str) -> Recording:
    header, mark, data = text.partition("RawScan")
    if not mark:
        raise PatternError("got no RawScan, expected it before the intensities; is the file complete?")
    rows = [line.split(",") for line in header.splitlines()]
    keys = {row[0].strip(): [word.strip() for word in row[1:]] for row in rows if row[0].strip()}

    def value(key: str, place: int = 0) -> float | None:
        words = keys.get(key, [])
        return number_in(words[place]) if place < len(words) else None

    scan = _stepped(
        value("DataAngleRange"), value("ScanStepSize"), value("DataAngleRange", 1), re.sub(r"[,/]", " ", data).split()
    )
    note = ""
    if keys.get("DivergenceSlit", [""])[0].casefold().startswith(("auto", "var")):
        scan, note = with_fixed_slit(scan), AUTOMATIC_SLIT
    lines = doublet(value("LabdaAlpha1"), value("LabdaAlpha2"), value("RatioAlpha21"))
    anode = keys.get("Anode", [""])[0]
    return _recording("Philips udf", [scan], lines or tube_of(anode), keys.get("SampleIdent", [""])[0], note)


def _sietronics(lines: list[str]) -> Recording:
    at = next((place for place, line in enumerate(lines[:60]) if line.strip() == "SCANDATA"), None)
    if at is None or at < 6:
        raise PatternError("got no SCANDATA after start, end and step, expected it; is the file complete?")
    start, stop, step = (number_in(line) for line in lines[1:4])
    tokens = [word for line in lines[at + 1 :] for word in line.split()]
    lines_used = tube_of(lines[4]) or doublet(number_in(lines[5]), None)
    return _recording("Sietronics cpi", [_stepped(start, step, stop, tokens)], lines_used, lines[at - 1].strip())


def _jade(lines: list[str]) -> Recording:
    words = lines[1].split() if len(lines) > 1 else []
    if len(words) < 7 or not words[6].isdigit():
        raise PatternError(
            "got a second line without start, step, seconds, anode, wavelength, end and points, expected them; is the "
            "file damaged?"
        )
    start, step, _, anode, wavelength, stop, count = words[:7]
    tokens = [word for line in lines[2:] for word in line.split()][: int(count[:9])]
    scan = _stepped(number_in(start), number_in(step), number_in(stop), tokens)
    radiation = tube_of(anode) or doublet(number_in(wavelength), None)
    return _recording("Jade mdi", [scan], radiation, lines[0].strip()[:80])


def _recording(title: str, scans: list[Scan], radiation: Radiation | None, sample: str, *notes: str) -> Recording:
    said = tuple(note for note in notes if note)
    return Recording(scans=scans, radiation=radiation, metadata={"format": title, "sample": sample}, notes=said)
