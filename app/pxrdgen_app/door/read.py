"""The Python door to pattern files: ``pxrdgen.read_pattern(...)``, and what the other doors take for a pattern."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pxrdgen.values.instrument import Instrument, Radiation
from pxrdgen.values.pattern import PowderPattern
from pxrdgen_files.named_instruments import radiation_from

if TYPE_CHECKING:
    from pxrdgen.plugins.registry import Registry


def read_pattern(
    path: str | Path,
    *,
    instrument: Instrument | str | None = None,
    wavelength: Radiation | str | float | None = None,
    reader: str | None = None,
    scan: int | None = None,
    column: str | None = None,
    registry: Registry | None = None,
) -> PowderPattern:
    """The powder pattern in a file of any format an installed reader knows.

    Args:
        path: of the file.
        instrument: an :class:`Instrument`, the name of a shipped one or a .instprm file; default: what the file says.
        wavelength: a tube or A (``"0.154 nm"``, ``"30 keV"``); has the last word over the file's.
        reader: by name; default: whoever recognises the file.
        scan: of a file of several, the one to read, from 1; default: all that make one pattern.
        column: heading or number (from 1) of the intensity's column; default: the first headed so.
        registry: of components; default: what is installed.

    Raises:
        InputError: the file, wavelength, instrument or reader cannot be used.
    """
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen_files import patterns

    radiation, note = wavelength, ""
    if not (radiation is None or isinstance(radiation, Radiation)):
        radiation, note = radiation_from(radiation)
    found = patterns.read_pattern(
        Path(path),
        registry=registry or default_registry(),
        radiation=radiation,
        reader=reader,
        scan=scan,
        column=column,
    )
    if note:
        found = replace(found, notes=(note, *found.notes))
    return _on_instrument(found, instrument)


def take_pattern(
    pattern: PowderPattern | str | Path,
    *,
    instrument: Instrument | str | None,
    wavelength: Radiation | str | float | None,
    registry: Registry,
) -> tuple[PowderPattern, tuple[str, ...]]:
    """A pattern as it is, or read from its file, on ``instrument`` where one is given; what reading it has to say.

    Raises:
        InputError: as :func:`read_pattern`.
    """
    if isinstance(pattern, PowderPattern):
        return _on_instrument(pattern, instrument), ()
    found = read_pattern(pattern, instrument=instrument, wavelength=wavelength, registry=registry)
    return found, found.notes


def _on_instrument(pattern: PowderPattern, instrument: Instrument | str | None) -> PowderPattern:
    from pxrdgen_files.instprm import with_instrument

    return pattern if instrument is None else with_instrument(pattern, instrument)
