"""Columns of numbers: ``.xy``, ``.xye``, ``.csv``, ``.dat``, ``.txt`` with any delimiter and header."""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import PatternError
from pxrdgen_files.measurement import Recording, Scan
from pxrdgen_readers.column_choice import choose_columns
from pxrdgen_readers.file_reader import FileReader
from pxrdgen_readers.headings import Role
from pxrdgen_readers.lines import radiation_in
from pxrdgen_readers.options import ColumnsOptions
from pxrdgen_readers.slits import AUTOMATIC_SLIT, is_automatic, with_fixed_slit
from pxrdgen_readers.step_header import stepped_scan
from pxrdgen_readers.table import Table, table_in
from pxrdgen_readers.text import decode, looks_binary
from pxrdgen_readers.two_theta import two_theta_of

FloatArray = NDArray[np.float64]

_CLAIMED = re.compile(
    rb"(?m)\A\s*(?:<\?xml|<\w|\*RAS_|PK\x03\x04|RAW[ 124])|^#?\s*BANK\s+\d+\s+\d+\s+\d+\s+[A-Za-z_]|^_FILEVERSION|"
    rb"^\s*data_\S*\s*$|^_(?:2THETA)?(?:COUNTS|CPS)\s*$"
)


class ColumnsReader(FileReader):
    """Two columns are 2theta and intensity, a third its standard uncertainty; one column needs start and step.

    Headings have the first word: which column is the axis (2theta, else Q, s or d, which are turned into it), which
    the intensity and its uncertainty. Without headings a third column that cannot be an uncertainty (as large as the
    intensity itself) is left out with a note, and so are further columns.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".xy", ".xye", ".csv", ".dat", ".txt", ".asc", ".tsv", ".xys", ".chi")
    title: ClassVar[str] = "columns"

    def __init__(self, options: ColumnsOptions | None = None) -> None:
        super().__init__(options)
        self._columns = options or ColumnsOptions()

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
            asked = self._columns.wavelength
            wavelength = asked if asked is not None or radiation is None else radiation.wavelength
            scan = _scan(table, wavelength, self._columns.column, notes)
        if is_automatic(table.header[:20_000]):
            scan = with_fixed_slit(scan)
            notes.append(AUTOMATIC_SLIT)
        return Recording(scans=[scan], radiation=radiation, notes=tuple(notes))


def _scan(table: Table, wavelength: float | None, column: str | None, notes: list[str]) -> Scan:
    values = table.values
    if values.shape[1] == 1:
        raise PatternError(
            f"got one column of {len(values)} numbers and no angles, expected 2theta and intensity; "
            "write the start, step and end in degrees as the first line, for example '5.000 0.010 79.990', "
            "or put 2theta in a column before the intensity"
        )
    chosen = choose_columns(table, column, notes)
    two_theta, note = two_theta_of(values[:, chosen.axis], chosen.kind, wavelength)
    notes += [note] if note else []
    intensity, sigma = values[:, chosen.intensity], None
    if chosen.sigma is not None:
        sigma = _sigma(intensity, values[:, chosen.sigma], stated=chosen.stated, notes=notes)
    if chosen.kind is Role.TWO_THETA and np.nanmax(two_theta) > 180.0:
        raise PatternError(
            f"got a first column from {np.nanmin(two_theta):g} to {np.nanmax(two_theta):g}, expected 2theta within "
            "0 to 180 degrees; a time of flight, an energy or a channel is no angle: export 2theta and intensity"
        )
    reached = np.isfinite(two_theta) | ~np.isfinite(values[:, chosen.axis])
    if chosen.kind is not Role.TWO_THETA and reached.any() and not reached.all():
        notes.append(f"{int((~reached).sum())} point(s) beyond what the wavelength reaches left out")
        two_theta, intensity = two_theta[reached], intensity[reached]
        sigma = None if sigma is None else sigma[reached]
    return Scan(two_theta=two_theta, intensity=intensity, sigma=sigma)


def _sigma(intensity: FloatArray, third: FloatArray, *, stated: bool, notes: list[str]) -> FloatArray | None:
    """[G] the column if it can be the uncertainty of the intensity."""
    strong = intensity >= np.quantile(intensity, 0.9)
    with np.errstate(all="ignore"):
        top, spread = float(np.mean(intensity[strong])), float(np.mean(third[strong]))
    if (third < 0).any() or not (third > 0).any() or (not stated and top > 10 and spread > 0.5 * top):
        notes.append("the third column cannot be the uncertainty of the intensity: ignored")
        return None
    return third
