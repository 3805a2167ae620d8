"""Rigaku ``.ras``: text with starred headers."""

from __future__ import annotations

import re
from typing import ClassVar

from pxrdgen.errors import PatternError
from pxrdgen_files.measurement import Recording
from pxrdgen_readers.conditions import condition_of
from pxrdgen_readers.file_reader import FileReader
from pxrdgen_readers.lines import doublet, tube_of
from pxrdgen_readers.rigaku import counting_time, rigaku_scan
from pxrdgen_readers.text import decode, number_in

_HEADER = re.compile(r'\*(\S+)\s+"?([^"]*)"?\s*')


class RasReader(FileReader):
    """SmartLab and MiniFlex text: ``*RAS_INT_START`` ... ``*RAS_INT_END`` holds 2theta, intensity, attenuator."""

    suffixes: ClassVar[tuple[str, ...]] = (".ras",)
    title: ClassVar[str] = "Rigaku ras"

    def sniff(self, head: bytes, suffix: str) -> float:
        """Certain with the required first line."""
        if b"*RAS_DATA_START" in head or b"*RAS_HEADER_START" in head or b"*RAS_INT_START" in head:
            return 1.0
        return 0.4 if suffix in self.suffixes else 0.0

    def measurement(self, content: bytes) -> Recording:
        """All scans; their headers follow one another."""
        scans, notes = [], []
        header: dict[str, str] = {}
        last: dict[str, str] = {}
        rows: list[str] | None = None
        for line in (raw.strip() for raw in decode(content).splitlines()):
            if line.startswith("*RAS_HEADER_START"):
                header = {}
            elif line.startswith("*RAS_INT_START"):
                rows = []
            elif line.startswith("*RAS_INT_END"):
                seconds = counting_time(
                    header.get("MEAS_SCAN_STEP", ""),
                    header.get("MEAS_SCAN_SPEED", ""),
                    header.get("MEAS_SCAN_SPEED_UNIT", ""),
                )
                scan, said = rigaku_scan(rows or (), header.get("MEAS_SCAN_AXIS_X", ""), seconds, _condition(header))
                scans.append(scan)
                notes += said
                last, rows = header, None
            elif rows is not None:
                rows += [line] if line else []
            elif len(line) < 2000 and (found := _HEADER.fullmatch(line)) is not None:
                header[found.group(1)] = found.group(2).strip()
        if rows is not None:
            raise PatternError("got a block of points without *RAS_INT_END, expected a complete file; copy it again")
        ka1, ka2 = (number_in(last.get(f"HW_XG_WAVE_LENGTH_ALPHA{line}")) for line in (1, 2))
        anode = last.get("HW_XG_TARGET_NAME", "")
        return Recording(
            scans=scans,
            radiation=doublet(ka1, ka2) or tube_of(anode),
            metadata={"sample": last.get("FILE_SAMPLE", ""), "anode": anode},
            notes=tuple(dict.fromkeys(notes)),
        )


def _condition(header: dict[str, str]) -> str:
    """Positions of the axes the header lists by number, and any temperature."""
    names = [key for key in header if key.startswith("MEAS_COND_AXIS_NAME-")]
    held = [(header[key], number_in(header.get(key.replace("_NAME-", "_POSITION-")))) for key in names]
    warm = [(key, number_in(header[key])) for key in header if "TEMPERATURE" in key]
    return condition_of([*held, *warm])
