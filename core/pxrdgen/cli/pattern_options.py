"""Words that commands on measured patterns share: angle ranges, the first line of output, instruments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.core

from pxrdgen.errors import CellError, PatternError

if TYPE_CHECKING:
    from pxrdgen.cell import UnitCell
    from pxrdgen.pattern import PowderPattern

_SOURCES = {"file": "from the file", "given": "as given", "instrument": "from the instrument"}
_ASSUMED = "assumed; set it with --wavelength"

#: options that take several numbers, and how many at most.
NUMBER_OPTIONS = {"--cell": None, "--range": 2, "--exclude": 2, "--texture": 3}


class NumbersTogether(typer.core.TyperCommand):
    """A command whose ``--cell``, ``--range`` and ``--exclude`` take separate numbers as well as one quoted word."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Join the numbers that follow such an option before the options are told apart."""
        return super().parse_args(ctx, numbers_joined(args))


def numbers_joined(arguments: list[str]) -> list[str]:
    """The arguments with the numbers after each of :data:`NUMBER_OPTIONS` in one word.

    ``--cell 3 3 5 90 90 120`` becomes ``--cell "3 3 5 90 90 120"``; what does not begin with a number stays as it is.
    """
    joined: list[str] = []
    position = 0
    while position < len(arguments):
        word = arguments[position]
        joined.append(word)
        position += 1
        if word not in NUMBER_OPTIONS:
            continue
        limit = NUMBER_OPTIONS[word]
        end = position
        while end < len(arguments) and _is_number(arguments[end]) and (limit is None or end - position < limit):
            end += 1
        if end > position:
            joined.append(" ".join(arguments[position:end]))
            position = end
    return joined


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def angle_range(text: str, option: str) -> tuple[float, float]:
    """Two angles of ``LO:HI``; a comma or a blank will do as well.

    Raises:
        PatternError: not two numbers.
    """
    parts = text.replace(",", " ").replace(":", " ").split()
    try:
        low, high = (float(part) for part in parts)
    except ValueError:
        raise PatternError(f"got {option} {text!r}, expected two angles in degrees such as {option} 10:70") from None
    return low, high


def cell_option(text: str) -> UnitCell:
    """The cell of six numbers in one word.

    Raises:
        CellError: not six numbers, or no cell.
    """
    from pxrdgen.cell import UnitCell

    parts = text.replace(",", " ").split()
    if not all(_is_number(part) for part in parts):
        raise CellError(
            f"got --cell {text!r}, expected six numbers a b c alpha beta gamma; write decimals with a point, "
            "as in --cell 5.4 5.4 5.4 90 90 90"
        )
    return UnitCell.from_numbers([float(part) for part in parts])


def first_line(pattern: PowderPattern, path: Path) -> str:
    """File, format, range, intensities, wavelength and where the wavelength comes from."""
    kind = "counts" if pattern.looks_like_counts else "intensities"
    return (
        f"{path.name} ({format_name(pattern, path)}): {pattern.two_theta[0]:.4g} to {pattern.two_theta[-1]:.5g} "
        f"degrees in steps of {pattern.step:.4g}, {len(pattern)} points, {kind} {pattern.intensity.min():.6g} to "
        f"{pattern.intensity.max():.6g}, wavelength {wavelength_words(pattern)}"
    )


def format_name(pattern: PowderPattern, path: Path) -> str:
    """What the reader called the format, else the suffix."""
    return pattern.metadata.get("format") or path.suffix.lstrip(".") or "unknown format"


def wavelength_words(pattern: PowderPattern) -> str:
    """The lines, the tube's name and where they come from."""
    radiation = pattern.instrument.radiation
    lines = " / ".join(f"{wavelength:.6g}" for wavelength in radiation.wavelengths)
    source = _SOURCES.get(pattern.metadata.get("radiation_source", ""), _ASSUMED)
    return f"{lines} A{f' ({radiation.name})' if radiation.name else ''}, {source}"


def pattern_facts(pattern: PowderPattern, path: Path) -> dict[str, str]:
    """What the report says of the measurement."""
    return {
        "Pattern": f"{path.name} ({format_name(pattern, path)})",
        "Range": (
            f"{pattern.two_theta[0]:.4g} to {pattern.two_theta[-1]:.5g} degrees in steps of {pattern.step:.4g}, "
            f"{len(pattern)} points"
        ),
        "Wavelength": wavelength_words(pattern),
    }
