"""Bruker ``.brml``: a zip archive of XML written by DIFFRAC.MEASUREMENT."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import PatternError
from pxrdgen.values.instrument import Radiation
from pxrdgen_files.measurement import Recording, Scan
from pxrdgen_readers.axes import axis_note
from pxrdgen_readers.file_reader import FileReader
from pxrdgen_readers.lines import doublet, tube_of
from pxrdgen_readers.rates import is_whole, sigma_of_scaled
from pxrdgen_readers.safe_xml import Element, descendants, parse, text_of
from pxrdgen_readers.safe_zip import ZIP_MAGIC, Archive
from pxrdgen_readers.text import number, number_in

FloatArray = NDArray[np.float64]
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_RAW_DATA = re.compile(r"(?:^|/)RawData(\d+)\.xml$")


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """Which number of a ``Datum`` is what, as the ``DataViews`` describe it; -1 where it is not there."""

    two_theta: int
    intensity: int
    seconds: int = -1
    absorption: int = -1
    moved: tuple[str, ...] = field(default=())


class BrmlReader(FileReader):
    """Scans of ``Experiment0/RawData<N>.xml``, columns located by their ``DataViews``.

    The stored intensity already holds the automatic absorber's factor; sigma goes back through it.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".brml",)
    title: ClassVar[str] = "Bruker brml"

    def sniff(self, head: bytes, suffix: str) -> float:
        """A zip archive whose first members or suffix are Bruker's."""
        if not head.startswith(ZIP_MAGIC):
            return 0.0
        if b"Experiment0/" in head or b"experimentCollection" in head or b"DataContainer.xml" in head:
            return 1.0
        return 0.9 if suffix in self.suffixes else 0.3

    def measurement(self, content: bytes) -> Recording:
        """All scans of the archive, in the order of their numbers."""
        archive = Archive(content)
        members = sorted(
            (int(found.group(1)[:9]), name) for name in archive.names if (found := _RAW_DATA.search(name)) is not None
        )
        if not members:
            raise PatternError("got a zip archive without RawData<N>.xml, expected a Bruker measurement; is it one?")
        scans: list[Scan] = []
        notes: list[str] = []
        radiation: Radiation | None = None
        sample = ""
        for _, name in members[:200]:
            root = parse(archive.read(name), name)
            radiation = radiation or _radiation(root)
            sample = sample or next((text_of(element) for element in descendants(root, "SampleName")), "")
            for route in _measured(root):
                scan, note = _scan(route, name)
                scans.append(scan)
                notes += [note] if note else []
        if len(members) > 200:
            notes.append(f"only the first 200 of {len(members)} scans were read")
        return Recording(
            scans=scans, radiation=radiation, metadata={"sample": sample}, notes=tuple(dict.fromkeys(notes))
        )


def _measured(root: Element) -> list[Element]:
    """Routes with points: those marked as measured, where any is."""
    routes = [route for route in descendants(root, "DataRoute") if next(descendants(route, "Datum"), None) is not None]
    marked = [route for route in routes if route.get("RouteFlag") == "Measured"]
    return marked or routes[:1]


def _radiation(root: Element) -> Radiation | None:
    def value(name: str) -> float | None:
        return next((number_in(element.get("Value")) for element in descendants(root, name)), None)

    lines = doublet(value("WaveLengthAlpha1"), value("WaveLengthAlpha2"), value("WaveLengthRatio"))
    anode = next((text_of(found) or found.get("Value") or "" for found in descendants(root, "TubeMaterial")), "")
    return lines or doublet(value("WaveLength"), None) or tube_of(anode)


def _scan(route: Element, name: str) -> tuple[Scan, str]:
    rows = [text_of(datum).split(",") for datum in descendants(route, "Datum")]
    columns = _columns(route, len(rows[0]))
    if columns.two_theta < 0:
        moved = ", ".join(columns.moved) or "no axis"
        for axis in columns.moved:
            axis_note(axis)
        raise PatternError(f"got {name}, which moves {moved}, expected TwoTheta; export the coupled scan")
    wanted = [columns.two_theta, columns.intensity, columns.seconds, columns.absorption]
    table = np.full((len(rows), 4), np.nan)
    for index, row in enumerate(rows):
        for slot, column in enumerate(wanted):
            if column < 0:
                continue
            value = number(row[column].strip()) if column < len(row) else None
            if value is None:
                raise PatternError(
                    f"got point {index + 1} of {name} without a number in column {column}; copy it again"
                )
            table[index, slot] = value
    two_theta, intensity, seconds, absorption = table.T
    sigma, note = None, ""
    if columns.absorption >= 0 and (absorption > 0).all() and (absorption != 1).any():
        sigma = sigma_of_scaled(intensity, absorption) if is_whole(intensity / absorption) else None
        note = f"an automatic absorber (up to {absorption.max():g}) is accounted for"
    steady = columns.seconds >= 0 and np.ptp(seconds) <= 0.01 * abs(float(seconds[0])) and seconds[0] > 0
    return Scan(
        two_theta=two_theta, intensity=intensity, sigma=sigma, seconds=float(seconds[0]) if steady else None
    ), note


def _columns(route: Element, width: int) -> _Columns:
    """Columns from the views; files without views hold time, flag, 2theta, ..., intensity last."""
    views = list(descendants(route, "RawDataView"))
    if not views:
        axes = tuple(axis.get("AxisId") or axis.get("AxisName") or "" for axis in descendants(route, "ScanAxisInfo"))
        at = next((2 + place for place, axis in enumerate(axes) if _is_two_theta(axis)), 2 if not axes else -1)
        return _Columns(two_theta=at, intensity=width - 1, seconds=0, moved=axes)
    two_theta = intensity = seconds = absorption = -1
    moved: list[str] = []
    for view in views:
        start, length = _index(view.get("Start")), _index(view.get("Length"))
        kind = (view.get(_TYPE) or view.get("type") or "").rpartition(":")[2]
        if kind == "FixedRawDataView":
            logic = (view.get("LogicName") or "").casefold()
            seconds = start if logic == "measuredtime" else seconds
            absorption = start if logic == "absorptionfactor" else absorption
        elif kind == "VaryingRawDataView":
            for offset, definition in enumerate(descendants(view, "FieldDefinitions")):
                axis = definition.get("AxisId") or definition.get("FieldName") or ""
                moved.append(axis)
                two_theta = start + offset if two_theta < 0 and _is_two_theta(axis) else two_theta
        elif kind == "RecordedRawDataView" and intensity < 0:
            if length > 1:
                raise PatternError(f"got {length} detector channels a point, expected one; export the integrated scan")
            intensity = start
    if intensity < 0:
        raise PatternError("got no recorded intensity in the data views, expected one; is this a settings file?")
    return _Columns(
        two_theta=two_theta, intensity=intensity, seconds=seconds, absorption=absorption, moved=tuple(moved)
    )


def _is_two_theta(axis: str) -> bool:
    return axis.casefold() in ("twotheta", "2theta")


def _index(text: str | None) -> int:
    value = number_in(text)
    if value is None or not 0 <= value < 1e6:
        raise PatternError(f"got a data view at {text!r}, expected a column number; is the file damaged?")
    return int(value)
