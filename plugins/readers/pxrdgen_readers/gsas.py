"""GSAS raw powder data: ``BANK`` records, in text files of many names."""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import PatternError
from pxrdgen_files.measurement import Recording, Scan
from pxrdgen_readers.file_reader import FileReader
from pxrdgen_readers.lines import radiation_in
from pxrdgen_readers.text import decode, numbers
from pxrdgen_readers.two_theta import TIME_OF_FLIGHT

_BANK = re.compile(r"^#?\s*BANK\s+(\d+)\s+(\d+)\s+(\d+)\s+([A-Za-z_]\w*)\s*(.*)$")
#: share of the points a BANK record states that must be there; programs that cut a range leave the record as it was.
_COMPLETE = 0.5
_FLAGS = {"STD": 1, "ESD": 2, "FXY": 2, "FXYE": 3}
_TOF = "a time of flight"
_OTHER_AXES = {
    "RALF": _TOF, "SLOG": _TOF, "TIME_MAP": _TOF, "LOG6": _TOF,
    "COND": "a d-spacing", "CONQ": "a Q", "EDS": "a photon energy", "LPSD": "a detector position",
}  # fmt: skip


class GsasReader(FileReader):
    """Constant-wavelength banks (``CONS``), records STD, ESD, FXY and FXYE; angles in centidegrees.

    Larson & Von Dreele, GSAS, LAUR 86-748: STD holds ten fields (I2, F6.0) of counter number and counts to a line,
    ESD five pairs of F8, both by position; FXY and FXYE one free-format point to a line.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".fxye", ".gsas", ".gsa", ".gda", ".raw", ".xra", ".gss")
    title: ClassVar[str] = "GSAS"

    def sniff(self, head: bytes, suffix: str) -> float:
        """Certain with a ``BANK`` record."""
        if re.search(rb"(?m)^#?\s*BANK\s+\d+\s+\d+\s+\d+\s+[A-Za-z_]", head):
            return 1.0
        return 0.4 if suffix in self.suffixes[:3] and b"\0" not in head else 0.0

    def measurement(self, content: bytes) -> Recording:
        """The first bank over 2theta; a file of several says which was taken."""
        lines = decode(content.replace(b"\0", b" ")).splitlines()
        banks = [(at, found) for at, line in enumerate(lines) if (found := _BANK.match(line)) is not None]
        live = [(at, found) for at, found in banks if not found.group(0).startswith("#")] or banks
        if not live:
            raise PatternError("got no BANK record, expected one before the data; is this GSAS data?")
        angular = [(at, found) for at, found in live if found.group(4).upper() in ("CONS", "CONST")]
        if not angular:
            kind = live[0][1].group(4).upper()
            axis = _OTHER_AXES.get(kind, "an axis that is not known")
            advice = TIME_OF_FLIGHT if axis == _TOF else "export it over 2theta, or as columns headed d (A) or q (1/A)"
            raise PatternError(f"got a {kind} bank, whose axis is {axis}, expected CONS (2theta); {advice}")
        start, bank = angular[0]
        end = next((at for at, _ in banks if at > start), len(lines))
        body = [line for line in lines[start + 1 : end] if line.strip() and not line.startswith(("#", "TIME_MAP"))]
        notes = []
        if len(live) > 1:
            notes.append(f"the file holds {len(live)} banks: bank {bank.group(1)} is used")
        radiation, note = radiation_in("\n".join(lines[: live[0][0]][:100]))
        notes += [note] if note else []
        scan = _scan(bank, body)
        if len(scan.two_theta) < int(bank.group(2)[:9]):
            notes.append(f"the bank holds {len(scan.two_theta)} of the {bank.group(2)[:9]} points its record states")
        return Recording(
            scans=[scan],
            radiation=radiation,
            metadata={"sample": lines[0].strip()[:80] if start > 0 else ""},
            notes=tuple(notes),
        )


def _scan(bank: re.Match[str], body: list[str]) -> Scan:
    coefficients = bank.group(5).split()
    flag = next((token.upper() for token in coefficients if token[0].isalpha()), "STD")
    if flag not in _FLAGS:
        raise PatternError(f"got {flag} records, expected one of {', '.join(_FLAGS)}; write the bank as FXYE")
    channels = int(bank.group(2)[:9])
    if flag in ("FXY", "FXYE"):
        width = _FLAGS[flag]
        table = _table([token for line in body for token in line.split()], width, channels)
        sigma = table[:, 2] if width == 3 and (table[:, 2] > 0).any() else None
        return Scan(two_theta=table[:, 0] / 100.0, intensity=table[:, 1], sigma=sigma)
    first, step = numbers(coefficients[:2], "the BANK record") if len(coefficients) > 1 else (0.0, 0.0)
    if step <= 0:
        raise PatternError("got a CONS bank without start and step, expected both in centidegrees; complete the record")
    fields = [line[at : at + 8] for line in body for at in range(0, len(line.rstrip()), 8)]
    values = [field[2:] if flag == "STD" else field for field in fields]
    table = _table([value.strip() for value in values if value.strip()], _FLAGS[flag], channels)
    two_theta = (first + step * np.arange(len(table), dtype=np.float64)) / 100.0
    sigma = table[:, 1] if flag == "ESD" and (table[:, 1] > 0).any() else None
    return Scan(two_theta=two_theta, intensity=table[:, 0], sigma=sigma)


def _table(tokens: list[str], width: int, channels: int) -> NDArray[np.float64]:
    """[channels, width] the records; a file may pad the last line beyond the declared channels, or hold a few less."""
    held = len(tokens) // width
    if held < _COMPLETE * channels or channels < 1 or (len(tokens) < channels * width and len(tokens) % width):
        raise PatternError(f"got {held} points, expected the {channels} of the BANK record; is the file complete?")
    channels = min(channels, held)
    return numbers(tokens[: channels * width], "the bank").reshape(channels, width)
