"""A measured pattern as commands take it in: read with the options that were given, and told of in a line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pxrdgen.values.pattern import PowderPattern

_SOURCES = {"file": "from the file", "given": "as given", "instrument": "from the instrument"}
_ASSUMED = "assumed; set it with --wavelength"


def read_measured(
    path: Path,
    *,
    wavelength: str | None = None,
    instrument: str | None = None,
    reader: str | None = None,
    scan: int | None = None,
    column: str | None = None,
) -> tuple[PowderPattern, tuple[str, ...]]:
    """The pattern of a file, after printing its first line, and what else there is to say of it.

    Raises:
        PatternError: the file holds no pattern.
        InstrumentError: an unknown tube, wavelength or instrument.
        UnknownComponentError: an unknown reader.
    """
    from pxrdgen_app.door.read import read_pattern

    measured = read_pattern(path, instrument=instrument, wavelength=wavelength, reader=reader, scan=scan, column=column)
    typer.echo(first_line(measured, path))
    return measured, measured.notes


def print_notes(notes: Iterable[str]) -> None:
    """A line each."""
    for note in notes:
        typer.echo(f"note: {note}")


def folder_named_after(pattern: Path, ending: str) -> Path:
    """``brucite_cu_solution`` in the current directory for ``somewhere/brucite_cu.xy`` and ``_solution``."""
    name = re.sub(r"[^\w.+-]+", "_", pattern.stem).strip("._") or "pattern"
    return Path(f"{name}{ending}")


def first_line(pattern: PowderPattern, path: Path) -> str:
    """File, format, range, intensities, wavelength and where the wavelength comes from."""
    kind = "counts" if pattern.looks_like_counts else "intensities"
    return (
        f"{path.name} ({_format_name(pattern, path)}): {pattern.two_theta[0]:.4g} to {pattern.two_theta[-1]:.5g} "
        f"degrees in steps of {pattern.step:.4g}, {len(pattern)} points, {kind} {pattern.intensity.min():.6g} to "
        f"{pattern.intensity.max():.6g}, wavelength {_wavelength_words(pattern)}"
    )


def _format_name(pattern: PowderPattern, path: Path) -> str:
    """What the reader called the format, else the suffix."""
    return pattern.metadata.get("format") or path.suffix.lstrip(".") or "unknown format"


def _wavelength_words(pattern: PowderPattern) -> str:
    """The lines, the tube's name and where they come from."""
    radiation = pattern.instrument.radiation
    lines = " / ".join(f"{wavelength:.6g}" for wavelength in radiation.wavelengths)
    source = _SOURCES.get(pattern.radiation_source, _ASSUMED)
    return f"{lines} A{f' ({radiation.name})' if radiation.name else ''}, {source}"


def pattern_facts(pattern: PowderPattern, path: Path) -> dict[str, str]:
    """What the report says of the measurement."""
    return {
        "Pattern": f"{path.name} ({_format_name(pattern, path)})",
        "Range": (
            f"{pattern.two_theta[0]:.4g} to {pattern.two_theta[-1]:.5g} degrees in steps of {pattern.step:.4g}, "
            f"{len(pattern)} points"
        ),
        "Wavelength": _wavelength_words(pattern),
    }
