"""Instrument parameter files: GSAS-II's ``.instprm`` and the constant-wavelength part of GSAS's ``.prm``.

GSAS-II: ``name:value`` pairs, one a line or separated by semicolons (Lam or Lam1, Lam2 and I(L2)/I(L1), Zero, Polariz.,
U V W X Y, SH/L), in the units of :class:`~pxrdgen.values.instrument.Instrument`.
GSAS: ``INS  1 ICONS`` (wavelengths, zero in
centidegrees, polarisation, K-alpha ratio) and the profile function of type 3 (Larson & Von Dreele, LAUR 86-748).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pxrdgen.errors import InstrumentError
from pxrdgen.values.instrument import INSTRUMENTS, Instrument, Radiation
from pxrdgen.values.pattern import PowderPattern, RadiationSource
from pxrdgen_files.named_instruments import named_instrument, radiation_from

#: larger than any parameter file; a refinement project with data is not one.
MAX_BYTES = 256 * 1024
#: endings that say a text names a file and not a shipped instrument.
SUFFIXES = (".instprm", ".prm", ".ins", ".iparm")

_WIDTHS = {"U": "u", "V": "v", "W": "w", "X": "x", "Y": "y", "SH/L": "sh_l", "Zero": "zero", "Polariz.": "polarization"}


def chosen_instrument(text: str) -> Instrument:
    """A shipped instrument by name, or the one in a parameter file.

    Raises:
        InstrumentError: neither.
    """
    if text not in INSTRUMENTS and (Path(text).suffix.lower() in SUFFIXES or Path(text).is_file()):
        return read_instrument(Path(text))
    return named_instrument(text)


def with_instrument(pattern: PowderPattern, instrument: Instrument | str) -> PowderPattern:
    """The pattern measured on ``instrument``: an instrument, a shipped one's name or a parameter file.

    The lines are the instrument's, except that a shipped instrument, which stands for a kind of diffractometer, yields
    to a wavelength that the pattern's file states or the user gave; one the user gave has the last word anyway.
    """
    chosen = chosen_instrument(instrument) if isinstance(instrument, str) else instrument
    shipped = isinstance(instrument, str) and instrument in INSTRUMENTS
    source = pattern.radiation_source
    if source is RadiationSource.GIVEN or (shipped and source is RadiationSource.FILE):
        return replace(pattern, instrument=replace(chosen, radiation=pattern.instrument.radiation))
    return replace(pattern, instrument=chosen, radiation_source=RadiationSource.INSTRUMENT)


def read_instrument(path: Path) -> Instrument:
    """The instrument in a GSAS-II ``.instprm`` or a GSAS ``.prm`` file; of several banks the first.

    Raises:
        InstrumentError: no such file, too large, not text, no X-rays of constant wavelength, or a value out of range.
    """
    text = _text(path)
    try:
        return _from_gsas(text, path) if re.search(r"(?m)^INS .{0,3}ICONS", text) else _from_gsas2(text, path)
    except InstrumentError as error:
        raise InstrumentError(f"{path.name}: {error}") from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            head = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InstrumentError(
            f"got the instrument file {path}, which cannot be read ({error.strerror}); check the path"
        ) from None
    if len(head) > MAX_BYTES or b"\0" in head:
        raise InstrumentError(f"got {path}, expected a .instprm file: text of at most {MAX_BYTES >> 10} KiB")
    return head.decode("utf-8", "replace").replace("\r\n", "\n")


def _from_gsas2(text: str, path: Path) -> Instrument:
    values: dict[str, str] = {}
    for line in re.split(r"[\n;]", text):
        if line.lstrip().startswith("#"):
            if values and "bank" in line.casefold():
                break
            continue
        name, colon, value = line.partition(":")
        if colon:
            values.setdefault(name.strip(), value.strip())
    kind = values.get("Type", "PXC")
    if kind != "PXC":
        raise InstrumentError(f"got instrument type {kind}, expected PXC: X-rays of constant wavelength")
    if "Lam" in values:
        radiation = Radiation(wavelengths=(_number(values, "Lam"),))
    elif "Lam1" in values:
        ratio = _number(values, "I(L2)/I(L1)", 0.5)
        radiation = _doublet(_number(values, "Lam1"), _number(values, "Lam2", 0.0), ratio)
    else:
        raise InstrumentError(
            "got no Lam or Lam1, expected a GSAS-II instrument parameter file with lines such as Lam1:1.5406"
        )
    numbers = {field: _number(values, name) for name, field in _WIDTHS.items() if name in values}
    return _instrument(radiation, numbers, path.stem)


def _from_gsas(text: str, path: Path) -> Instrument:
    records = {match[1].strip(): match[2].split() for match in re.finditer(r"(?m)^INS (.{8})(.*)$", text)}
    kind = next(iter(records.get("HTYPE", [])), "PXC")
    if not kind.startswith("PXC"):
        raise InstrumentError(f"got histogram type {kind}, expected PXC: X-rays of constant wavelength")
    bank = min((name.split()[0] for name in records if name.endswith("ICONS")), default="1")
    names = ("Lam1", "Lam2", "Zero", "", "Polariz.", "", "I(L2)/I(L1)")
    values = dict(zip(names, records.get(f"{bank} ICONS", []), strict=False))
    radiation = _doublet(_number(values, "Lam1"), _number(values, "Lam2", 0.0), _number(values, "I(L2)/I(L1)", 0.5))
    numbers = {"zero": 0.01 * _number(values, "Zero", 0.0), "polarization": _number(values, "Polariz.", 0.5)}
    function = next((words for name, words in records.items() if name.replace(" ", "") == f"{bank}PRCF1"), [])
    if function[:1] == ["3"]:
        first, second = (
            next((words for name, words in records.items() if name.replace(" ", "") == f"{bank}PRCF1{row}"), [])
            for row in (1, 2)
        )
        profile = dict(zip(("U", "V", "W", "GP", "X", "Y", "S/L", "H/L"), (*first[:4], *second[:4]), strict=False))
        numbers |= {name.lower(): _number(profile, name) for name in "UVWXY" if name in profile}
        numbers["sh_l"] = _number(profile, "S/L", 0.0) + _number(profile, "H/L", 0.0)
    return _instrument(radiation, numbers, path.stem)


def _doublet(first: float, second: float, ratio: float) -> Radiation:
    """Two lines, or one where the second is missing or has no weight."""
    if second <= 0.0 or ratio <= 0.0:
        return Radiation(wavelengths=(first,))
    return Radiation(wavelengths=(first, second), weights=(1.0, ratio))


def _instrument(radiation: Radiation, numbers: Mapping[str, float], name: str) -> Instrument:
    tube, _ = radiation_from(radiation.mean_wavelength)
    if radiation.is_doublet and tube.is_doublet:
        radiation = replace(radiation, name=tube.name)
    geometry = "bragg-brentano" if radiation.is_doublet else "debye-scherrer"
    return Instrument(**{"radiation": radiation, "geometry": geometry, "name": name, **numbers})  # type: ignore[arg-type]


def _number(values: Mapping[str, str], name: str, default: float | None = None) -> float:
    text = values.get(name)
    if text is None and default is not None:
        return default
    try:
        number = float(text if text is not None else "")
    except ValueError:
        raise InstrumentError(f"got {name} = {text!r}, expected a number") from None
    if not math.isfinite(number):
        raise InstrumentError(f"got {name} = {text}, expected a finite number")
    return number
