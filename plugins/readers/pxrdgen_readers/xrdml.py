"""PANalytical / Malvern ``.xrdml``: XML with one ``scan`` per sweep."""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import PatternError
from pxrdgen.values.instrument import Radiation
from pxrdgen_files.measurement import MAX_POINTS, Recording, Scan
from pxrdgen_files.named_instruments import in_angstrom
from pxrdgen_readers.axes import axis_note
from pxrdgen_readers.conditions import condition_of
from pxrdgen_readers.file_reader import FileReader
from pxrdgen_readers.lines import doublet, tube_of
from pxrdgen_readers.rates import sigma_of_scaled
from pxrdgen_readers.safe_xml import Element, child, children, local, parse, text_of
from pxrdgen_readers.slits import AUTOMATIC_SLIT, with_fixed_slit
from pxrdgen_readers.text import number, number_in, numbers_in

FloatArray = NDArray[np.float64]


class XrdmlReader(FileReader):
    """The XML of X'Pert and Empyrean, any version of http://www.xrdml.com/XRDMeasurement.

    ``counts`` are what the detector saw: the beam attenuation factors multiply them. ``intensities`` are already
    corrected. A rate is kept as a rate, with its sigma from the counting time.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".xrdml",)
    title: ClassVar[str] = "PANalytical xrdml"

    def sniff(self, head: bytes, suffix: str) -> float:
        """Certain when the root element is in the head."""
        plain = head.replace(b"\0", b"")
        if re.search(rb"<(?:\w+:)?xrdMeasurements[\s>]", plain):
            return 1.0
        return 0.5 if suffix in self.suffixes and b"<" in plain[:100] else 0.0

    def measurement(self, content: bytes) -> Recording:
        """All scans over 2theta, with the wavelengths of the measurement they belong to."""
        root = parse(content, "an xrdml document")
        if local(root) != "xrdMeasurements":
            raise PatternError(
                f"got the root element {local(root)!r}, expected 'xrdMeasurements'; is this an xrdml file?"
            )
        scans, notes, radiation = [], [], None
        for measured in children(root, "xrdMeasurement"):
            slit = child(measured, "incidentBeamPath", "divergenceSlit")
            automatic = slit is not None and "automatic" in " ".join(slit.attrib.values()).casefold()
            for element in children(measured, "scan"):
                scan, said = _scan(element)
                if automatic:
                    scan, said = with_fixed_slit(scan), [*said, AUTOMATIC_SLIT]
                scans.append(scan)
                notes += said
            if radiation is None:
                radiation, note = _radiation(measured)
                notes += [note] if note else []
        if not scans:
            raise PatternError("got no <scan> with data, expected at least one; was the measurement aborted?")
        sample = text_of(child(root, "sample", "name")) or text_of(child(root, "sample", "id"))
        return Recording(
            scans=scans, radiation=radiation, metadata={"sample": sample}, notes=tuple(dict.fromkeys(notes))
        )


def _radiation(measured: Element) -> tuple[Radiation | None, str]:
    used = child(measured, "usedWavelength")
    ka1, ka2 = (_wavelength(child(used, name)) for name in ("kAlpha1", "kAlpha2"))
    ratio = number_in(text_of(child(used, "ratioKAlpha2KAlpha1")))
    lines = doublet(ka1, ka2, ratio)
    beam = child(measured, "incidentBeamPath")
    if lines is None:
        return tube_of(text_of(child(beam, "xRayTube", "anodeMaterial"))), ""
    if used is not None and lines.is_doublet and "1" in (used.get("intended") or ""):
        if child(beam, "monochromator") is not None:
            return doublet(ka1, None), "an incident-beam monochromator selects K-alpha1: read as one line"
        return lines, "the file intends K-alpha1 but names no incident-beam monochromator: read as the doublet"
    return lines, ""


def _wavelength(element: Element | None) -> float | None:
    """In A, by the element's unit."""
    value = number_in(text_of(element))
    return None if element is None or value is None else in_angstrom(value, element.get("unit") or "")


def _scan(element: Element) -> tuple[Scan, list[str]]:
    notes = [axis_note(element.get("scanAxis") or "")]
    points = child(element, "dataPoints")
    if points is None:
        raise PatternError("got a <scan> without <dataPoints>, expected its data; was the measurement aborted?")
    stored = child(points, "intensities")
    raw = stored is None
    stored = child(points, "counts") if stored is None else stored
    if stored is None:
        raise PatternError("got <dataPoints> without <counts> or <intensities>, expected one; is the file complete?")
    intensity = numbers_in(text_of(stored), f"<{local(stored)}>")
    two_theta = _positions(points, intensity.size)
    seconds = _counting_times(points, intensity.size)
    attenuation = child(points, "beamAttenuationFactors")
    scale: FloatArray = np.ones(intensity.size)
    if attenuation is not None:
        factors = _per_point(attenuation, "beamAttenuationFactors", intensity.size)
        if not (factors > 0).all():
            raise PatternError("got a beam attenuation factor of 0 or less, expected positive ones; export it again")
        scale = factors
        if raw:
            intensity = intensity * factors
        if (factors != 1).any():
            notes.append(f"the beam attenuator (up to {factors.max():g}) is accounted for")
    unit = (stored.get("unit") or "counts").strip().casefold()
    if unit == "cps" and seconds is not None and (seconds > 0).all():
        scale = scale / seconds
    known = unit == "counts" or (unit == "cps" and seconds is not None)
    sigma = sigma_of_scaled(intensity, scale) if known and (scale != 1).any() and (scale > 0).all() else None
    held = [
        (axis.get("axis") or "", number_in(text_of(child(axis, "commonPosition"))))
        for axis in children(points, "positions")
    ]
    condition = condition_of([*held, ("temperature", _temperature(element))])
    fixed = float(seconds[0]) if unit == "counts" and seconds is not None and np.ptp(seconds) == 0 else None
    scan = Scan(two_theta=two_theta, intensity=intensity, sigma=sigma, seconds=fixed, condition=condition)
    return scan, [note for note in notes if note]


def _temperature(scan: Element) -> float | None:
    """The mean of the temperatures of a non-ambient scan, ``None`` where there are none."""
    for element in scan.iter():
        named = f"{local(element)} {element.get('type') or ''} {element.get('name') or ''}".casefold()
        if "nonambient" in named or "temperature" in named:
            values = [value for word in text_of(element).split()[:MAX_POINTS] if (value := number(word)) is not None]
            if values:
                return float(np.mean(values))
    return None


def _positions(points: Element, count: int) -> FloatArray:
    axis = next((found for found in children(points, "positions") if found.get("axis") == "2Theta"), None)
    listed = child(axis, "listPositions")
    if listed is not None:
        return _per_point(listed, "listPositions", count)
    start, end = (number_in(text_of(child(axis, name))) for name in ("startPosition", "endPosition"))
    if start is None or end is None or start == end:
        raise PatternError(
            "got a scan that does not move 2Theta, expected start and end of 2Theta; export the 2theta scan"
        )
    return np.linspace(start, end, count)


def _per_point(element: Element, name: str, count: int) -> FloatArray:
    values = numbers_in(text_of(element), f"<{name}>")
    if values.size != count:
        raise PatternError(f"got {values.size} values in <{name}>, expected {count}; is the file complete?")
    return values


def _counting_times(points: Element, count: int) -> FloatArray | None:
    """[count] seconds a point, ``None`` where the file does not say."""
    common = number_in(text_of(child(points, "commonCountingTime")))
    if common is not None:
        return np.full(count, common)
    listed = child(points, "countingTimes")
    return None if listed is None else _per_point(listed, "countingTimes", count)
