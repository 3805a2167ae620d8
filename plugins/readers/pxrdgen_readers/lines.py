"""Wavelengths as files state them: single lines, doublets, tubes by their anode."""

from __future__ import annotations

import re

from pxrdgen.errors import InstrumentError
from pxrdgen.values.instrument import TUBES, Radiation
from pxrdgen_files.named_instruments import in_angstrom, radiation_from
from pxrdgen_readers.text import number

_UNIT = r"(?:A|Angstroms?|\u00c5|A\u030a|\u212b|nm|pm|m)"
_GAP = r"[\s:=,;\"'(\[)\]]"
#: unit before the number, the number with its exponent, unit behind it
_VALUE = (
    rf"{_GAP}{{0,12}}(?:in\s+)?({_UNIT}(?![a-z]))?{_GAP}{{0,12}}([0-9]{{1,7}}(?:[.,][0-9]{{0,12}}(?:[eE][+-]?[0-9]{{1,3}})?|[eE][+-]?[0-9]{{1,3}}))"
    rf"(?:{_GAP}{{0,3}}({_UNIT})(?![a-z]))?"
)
_ALPHA1 = re.compile(r"(?:k[-_ ]?(?:alpha|a|\u03b1)[-_ ]?1(?: wave ?length)?|wl1|lambda[-_ ]?1|alpha1)" + _VALUE, re.I)
_ALPHA2 = re.compile(r"(?:k[-_ ]?(?:alpha|a|\u03b1)[-_ ]?2(?: wave ?length)?|wl2|lambda[-_ ]?2|alpha2)" + _VALUE, re.I)
_SINGLE = re.compile(
    r"(?:wave[-_ ]?length|wellenl(?:\u00e4|ae|a)nge|longueur d.onde|\bwl\b|\blambda|\u03bb|used_lambda)" + _VALUE, re.I
)
_ENERGY = re.compile(
    r"\b(?:energy|energie|\u00e9nergie)[^0-9\n]{0,20}?([0-9]{1,6}[.,]?[0-9]{0,9})[\s(\[]{0,3}(k?eV)\b", re.I
)
_TUBE = re.compile(r"\b(Cu|Co|Fe|Cr|Mo|Ag)[-_ ]?K[-_ ]?(?:alpha|a|\u03b1)[-_ ]?(1(?!\d))?(?!.{0,4}beta)", re.I)
_ANODE = re.compile(r"\banode(?:[ _]?material)?[\s:=,;\"']*(Cu|Co|Fe|Cr|Mo|Ag)\b", re.I)
_SECOND = re.compile(r"K[-_ ]?(?:alpha|a|\u03b1)[-_ ]?(?:2|1\s*[+/,&]\s*2)", re.I)


def tube_of(anode: str | None) -> Radiation | None:
    """The K-alpha doublet of an anode material (``Cu``), ``None`` for one that is not known."""
    return TUBES.get(f"{(anode or '').strip().strip(chr(0)).capitalize()}Ka")


def doublet(ka1: float | None, ka2: float | None, ratio: float | None = None) -> Radiation | None:
    """Radiation of K-alpha1 and K-alpha2 in A; a missing, equal or zero-weight second line means one line.

    Values no X-ray has give ``None``: a header that is not filled in says nothing.
    """
    if ka1 is None or not 0.1 <= ka1 <= 5.0:
        return None
    if ka2 is None or not ka1 < ka2 <= 1.03 * ka1 or ratio == 0.0:
        return Radiation(wavelengths=(ka1,))
    weight = ratio if ratio is not None and 0.0 < ratio <= 1.0 else 0.5
    name = next((name for name, tube in TUBES.items() if tube.is_doublet and abs(tube.wavelength - ka1) < 5e-4), "")
    return Radiation(wavelengths=(ka1, ka2), weights=(1.0, weight), name=name)


def radiation_in(header: str) -> tuple[Radiation | None, str]:
    """The radiation a text header states in words, and a note on how it was read."""
    ka1, ka2, single = (_first(pattern, header) for pattern in (_ALPHA1, _ALPHA2, _SINGLE))
    single = _photon(header) if single is None else single
    if (found := doublet(ka1, ka2)) is not None:
        return found, ""
    if single is not None:
        try:
            return radiation_from(single)
        except InstrumentError:
            return None, f"the header states a wavelength of {single:g} A, which no X-ray has: ignored"
    if (tube := _TUBE.search(header)) is not None:
        name = f"{tube.group(1).capitalize()}Ka"
        only_first = tube.group(1).capitalize() == "Cu" and tube.group(2) and not _SECOND.search(header)
        name = f"{name}1" if only_first else name
        return TUBES[name], f"the header says {' '.join(tube.group(0).split())}: read as {name}"
    if (anode := _ANODE.search(header)) is not None:
        found = tube_of(anode.group(1))
        return found, f"the header names the anode {anode.group(1)}: read as {'' if found is None else found.name}"
    return None, ""


def _first(pattern: re.Pattern[str], text: str) -> float | None:
    """The first value in A, whichever unit stands before or behind it."""
    found = pattern.search(text)
    value = None if found is None else number(found.group(2).replace(",", "."))
    if found is None or value is None:
        return None
    return float(f"{in_angstrom(value, found.group(3) or found.group(1) or ''):.9g}")


def _photon(text: str) -> float | None:
    """The wavelength (A) of a photon energy in words."""
    found = _ENERGY.search(text)
    energy = None if found is None else number(found.group(1).replace(",", "."))
    if found is None or not energy:
        return None
    return float(f"{in_angstrom(energy, found.group(2)):.9g}")
