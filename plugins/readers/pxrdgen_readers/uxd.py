"""Bruker / Siemens ``.uxd``: the text export of DIFFRAC."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pxrdgen.errors import PatternError
from pxrdgen_files.measurement import Recording, Scan
from pxrdgen_readers.axes import axis_note
from pxrdgen_readers.conditions import condition_of
from pxrdgen_readers.file_reader import FileReader
from pxrdgen_readers.lines import doublet, tube_of
from pxrdgen_readers.rates import sigma_of_scaled
from pxrdgen_readers.text import decode, number_in, numbers

_KEY = re.compile(r"_(\w+)\s*=\s*(.*)")
_BLOCK = re.compile(r"_(2THETA)?(COUNTS|CPS)", re.I)


class UxdReader(FileReader):
    """Ranges of ``_COUNTS``, ``_CPS``, ``_2THETACOUNTS`` or ``_2THETACPS``; keys last until they are written again."""

    suffixes: ClassVar[tuple[str, ...]] = (".uxd",)
    title: ClassVar[str] = "Bruker uxd"

    def sniff(self, head: bytes, suffix: str) -> float:
        """Certain with the key a uxd file begins with."""
        if re.search(rb"(?m)^\s*_FILEVERSION\s*=", head) or re.search(rb"(?m)^_(2THETA)?(COUNTS|CPS)\s*$", head):
            return 1.0
        return 0.4 if suffix in self.suffixes else 0.0

    def measurement(self, content: bytes) -> Recording:
        """All ranges of the file."""
        header: dict[str, str] = {}
        blocks: list[tuple[bool, bool, dict[str, str], list[str]]] = []
        for line in (raw.strip() for raw in decode(content).splitlines()):
            if not line or line.startswith(";"):
                continue
            if (block := _BLOCK.fullmatch(line)) is not None:
                blocks.append((block.group(1) is not None, block.group(2).upper() == "CPS", dict(header), []))
            elif (key := _KEY.fullmatch(line)) is not None:
                header[key.group(1).upper()] = key.group(2).strip().strip("'\"")
            elif line.startswith("_") or not blocks:
                raise PatternError(f"got the line {line[:40]!r} outside a range, expected _KEY=value or _COUNTS")
            else:
                blocks[-1][3].extend(line.replace(",", " ").split())
        scans, notes = [], []
        for angles, rate, keys, tokens in blocks:
            notes.append(axis_note(keys.get("DRIVE", "")))
            scans.append(_scan(angles, rate, keys, tokens))
        radiation = doublet(*(number_in(header.get(key)) for key in ("WL1", "WL2", "WLRATIO")))
        return Recording(
            scans=scans,
            radiation=radiation or tube_of(header.get("ANODE")),
            metadata={"sample": header.get("SAMPLE", ""), "anode": header.get("ANODE", "")},
            notes=tuple(dict.fromkeys(note for note in notes if note)),
        )


def _scan(angles: bool, rate: bool, keys: Mapping[str, str], tokens: list[str]) -> Scan:
    values = numbers(tokens, "a range")
    if angles:
        if values.size % 2:
            raise PatternError(f"got {values.size} numbers in pairs of angle and intensity; is the last line complete?")
        two_theta, intensity = values[0::2], values[1::2]
    else:
        start, step = (number_in(keys.get(key)) for key in ("START", "STEPSIZE"))
        start = number_in(keys.get("2THETA")) if start is None else start
        if start is None or step is None or step == 0:
            raise PatternError("got counts without angles, expected _START and _STEPSIZE before them; add them")
        two_theta, intensity = start + step * np.arange(values.size, dtype=np.float64), values
    seconds = number_in(keys.get("STEPTIME"))
    timed = seconds is not None and 1e-6 < seconds < 1e7
    sigma = sigma_of_scaled(intensity, 1.0 / seconds) if rate and seconds is not None and timed else None
    condition = condition_of([(key, number_in(value)) for key, value in keys.items()])
    left = seconds if timed and not rate else None
    return Scan(two_theta=two_theta, intensity=intensity, sigma=sigma, seconds=left, condition=condition)
