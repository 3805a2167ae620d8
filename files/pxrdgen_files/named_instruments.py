"""Radiations and instruments by name, or by what a file or a user says of a wavelength."""

from __future__ import annotations

import re
import unicodedata

from pxrdgen.errors import InstrumentError, nearest
from pxrdgen.values.instrument import INSTRUMENTS, TUBES, Instrument, Radiation

#: A in one of each unit of length a wavelength is written in.
_ANGSTROMS = {"a": 1.0, "å": 1.0, "angstrom": 1.0, "angstroms": 1.0, "ang": 1.0, "nm": 10.0, "pm": 0.01, "m": 1e10}
#: h c in keV A (CODATA 2018, exact since 2019).
_HC = 12.398419843
_QUANTITY = re.compile(r"([0-9]*[.,]?[0-9]+(?:e[+-]?[0-9]{1,3})?)\s*([a-zå]*)")
#: an anode, its line, and which of the doublet
_TUBE_WORDS = re.compile(r"(cu|co|fe|cr|mo|ag)(?:k(?:alpha|α|a)?)?(1|2|12)?(?:radiation)?")
#: below it (A), a number without a unit is in metres: no other unit is so small for X-rays.
_METRES = 1e-7


def in_angstrom(value: float, unit: str = "") -> float:
    """A wavelength in A: from A, nm, pm or m, or from a photon energy in keV or eV.

    Without a unit it is in A, or in m where it is too small for anything else.

    Raises:
        InstrumentError: a unit of neither kind.
    """
    word = unicodedata.normalize("NFC", unit.strip().casefold())
    if not word:
        return value * 1e10 if 0.0 < value < _METRES else value
    if word in ("kev", "ev") and value > 0:
        return _HC / value if word == "kev" else 1e3 * _HC / value
    if word not in _ANGSTROMS:
        raise InstrumentError(f"got the unit {unit!r} of a wavelength, expected A, nm, pm, m or keV; convert it to A")
    return value * _ANGSTROMS[word]


def radiation_from(value: str | float) -> tuple[Radiation, str]:
    """A tube by name (``CuKa``, ``Cu K-alpha1``, ``CuKα``, ``Cu``), or a wavelength in A or with its unit, and a note.

    The note says how it was read (empty when literal). A number near the weighted mean of a doublet (1.5418) is read
    as that doublet.
    """
    if isinstance(value, str):
        tube = _tube_named(value)
        if tube is not None:
            return tube, ""
        found = _QUANTITY.fullmatch(unicodedata.normalize("NFC", value.strip().casefold()))
        if found is None:
            raise InstrumentError(
                f"got radiation {value!r}, expected a wavelength in A (or with its unit, as in '0.154 nm') or one of "
                f"{', '.join(TUBES)}{nearest(str(value), TUBES)}"
            )
        value = float(f"{in_angstrom(float(found.group(1).replace(',', '.')), found.group(2)):.9g}")
    for name, tube in TUBES.items():
        if tube.is_doublet and abs(value - tube.mean_wavelength) < 4e-4:
            return (
                tube,
                f"{value:g} A is the mean of the {name} doublet: "
                f"read as {tube.wavelengths[0]} / {tube.wavelengths[1]} A",
            )
    return Radiation(wavelengths=(float(value),)), ""


def _tube_named(text: str) -> Radiation | None:
    """The tube a word names, ``None`` for other words; K-alpha1 alone is one line."""
    found = _TUBE_WORDS.fullmatch(re.sub(r"[\s_\-+/,.()]", "", unicodedata.normalize("NFKC", text.casefold())))
    if found is None or found.group(2) == "2":
        return None
    doublet = TUBES[f"{found.group(1).capitalize()}Ka"]
    if found.group(2) != "1":
        return doublet
    return TUBES.get(f"{doublet.name}1") or Radiation(wavelengths=(doublet.wavelength,), name=f"{doublet.name}1")


def named_instrument(name: str) -> Instrument:
    """The shipped instrument of that name.

    Raises:
        InstrumentError: unknown name; the nearest is offered.
    """
    try:
        return INSTRUMENTS[name]
    except KeyError:
        raise InstrumentError(
            f"got instrument {name!r}, expected one of {', '.join(INSTRUMENTS)} or a .instprm file"
            f"{nearest(name, INSTRUMENTS)}"
        ) from None
