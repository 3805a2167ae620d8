"""Columns of numbers: ``.xy``, ``.xye``, ``.csv``, ``.dat``, ``.txt`` with any delimiter and header."""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import PatternError
from pxrdgen_files.measurement import Recording, Scan
from pxrdgen_readers.file_reader import FileReader
from pxrdgen_readers.lines import radiation_in
from pxrdgen_readers.step_header import stepped_scan
from pxrdgen_readers.table import Table, table_in
from pxrdgen_readers.text import decode, looks_binary

FloatArray = NDArray[np.float64]

_CLAIMED = re.compile(
    rb"(?m)\A\s*(?:<\?xml|<\w|\*RAS_|PK\x03\x04|RAW[ 124])|^#?\s*BANK\s+\d+\s+\d+\s+\d+\s+[A-Za-z_]|^_FILEVERSION|"
    rb"^\s*data_\S*\s*$|^_(?:2THETA)?(?:COUNTS|CPS)\s*$"
)
_SIGMA_WORD = re.compile(r"(?i)\b(?:sig\w*|esd|e\.s\.d|s\.?u|err\w*|std\w*|uncert\w*)\b|\u03c3")
_NOT_ANGLE = re.compile(r"(?i)^(?:d|d[-_ ]?spacing|d ?[\[(]?(?:a|\u00c5)[\])]?|q|q ?[\[(].*|tof|energy|s)$")


class ColumnsReader(FileReader):
    """Two columns are 2theta and intensity, a third its standard uncertainty; one column needs start and step.

    A third column that cannot be an uncertainty (as large as the intensity itself, or headed otherwise) is left out
    with a note, and so are further columns.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".xy", ".xye", ".csv", ".dat", ".txt", ".asc", ".tsv", ".xys", ".chi")
    title: ClassVar[str] = "columns"

    def sniff(self, head: bytes, suffix: str) -> float:
        """Never certain: text that no other format claims and that holds digits."""
        if looks_binary(head) or _CLAIMED.search(head) is not None:
            return 0.0
        if re.search(rb"\d", head) is None:
            return 0.1 if suffix in self.suffixes else 0.0
        return 0.6 if suffix in self.suffixes else 0.35

    def measurement(self, content: bytes) -> Recording:
        """One scan, and the wavelength when the header states one."""
        table = table_in(decode(content))
        notes = list(table.notes)
        radiation, note = radiation_in(table.header[:20_000])
        notes += [note] if note else []
        scan = stepped_scan(table)
        if scan is None:
            scan = _scan(table, notes)
        return Recording(scans=[scan], radiation=radiation, notes=tuple(notes))


def _scan(table: Table, notes: list[str]) -> Scan:
    values = table.values
    if values.shape[1] == 1:
        raise PatternError(
            f"got one column of {len(values)} numbers and no angles, expected 2theta and intensity; "
            "write the start, step and end in degrees as the first line, for example '5.000 0.010 79.990', "
            "or put 2theta in a column before the intensity"
        )
    if table.labels and _NOT_ANGLE.fullmatch(table.labels[0]):
        raise PatternError(f"got a first column headed {table.labels[0]!r}, expected 2theta in degrees; convert it")
    sigma = None
    if values.shape[1] >= 3:
        sigma = _sigma(table, notes)
    if values.shape[1] > 3:
        notes.append(f"{values.shape[1]} columns: the first two are read as 2theta and intensity")
    return Scan(two_theta=values[:, 0], intensity=values[:, 1], sigma=sigma)


def _sigma(table: Table, notes: list[str]) -> FloatArray | None:
    """[G] the third column if it can be the uncertainty of the second."""
    intensity, third = table.values[:, 1], table.values[:, 2]
    label = table.labels[2] if len(table.labels) == table.values.shape[1] else ""
    if label and not _SIGMA_WORD.search(label):
        notes.append(f"the third column, headed {label[:30]!r}, is not read as the uncertainty")
        return None
    strong = intensity >= np.quantile(intensity, 0.9)
    with np.errstate(all="ignore"):
        top, spread = float(np.mean(intensity[strong])), float(np.mean(third[strong]))
    if (third < 0).any() or not (third > 0).any() or (not label and top > 10 and spread > 0.5 * top):
        notes.append("the third column cannot be the uncertainty of the intensity: ignored")
        return None
    return third
