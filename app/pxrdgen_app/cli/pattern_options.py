"""The options that commands on measured patterns share, each with its help written once, and what their words mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from pxrdgen.errors import CellError, PatternError

if TYPE_CHECKING:
    from pxrdgen.values.cell import UnitCell

PatternArgument = Annotated[
    Path, typer.Argument(help="A pattern file of any format that 'pxrdgen plugins list' reads.")
]
INSTRUMENT_HELP = "gsas2_default, laboratory, or a .instprm or .prm file."
InstrumentOption = Annotated[str | None, typer.Option("--instrument", "-i", help=INSTRUMENT_HELP)]
WavelengthOption = Annotated[
    str | None,
    typer.Option(
        "--wavelength",
        "-w",
        help="In A, or with a unit (0.154 nm, 30 keV), or a tube: CuKa, CuKa1, CoKa, FeKa, CrKa, MoKa, AgKa.",
    ),
]
ScanOption = Annotated[
    int | None, typer.Option("--scan", min=1, help="Of a file of several scans, the one to read; inspect lists them.")
]
ColumnOption = Annotated[
    str | None, typer.Option("--column", help="Heading or number of the intensity's column, in a table of several.")
]
RangesOption = Annotated[
    list[str] | None, typer.Option("--range", metavar="LO HI", help="2theta range to use, degrees; repeatable.")
]
ExcludedOption = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="LO HI", help="2theta range to leave out, degrees; repeatable."),
]
ImpuritiesOption = Annotated[
    list[Path] | None,
    typer.Option("--impurity", metavar="CIF", help="A crystal in the sample besides; repeatable."),
]
BlockOption = Annotated[
    str | None,
    typer.Option("--block", help="Of a CIF of several structures, the data block to read; default the first."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the folder if it exists.")]

#: options that take several numbers, and how many at most.
NUMBER_OPTIONS = {"--cell": None, "--range": 2, "--exclude": 2, "--texture": 3}

_SU = re.compile(r"\(\d+\)(?=$|[eE])")
_AXIS = re.compile(r"(?i)\b(?:a|b|c|alpha|beta|gamma)\s*=|[α-γ]\s*=")


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
        float(_without_su(word))
    except ValueError:
        return False
    return True


def _without_su(word: str) -> str:
    """A number without its standard uncertainty: ``8.4832(1)`` is 8.4832; degree signs go too."""
    return _SU.sub("", word.rstrip("°"))


def angle_ranges(texts: list[str] | None, option: str) -> list[tuple[float, float]]:
    """Two angles of each ``LO:HI``; a comma or a blank will do as well.

    Raises:
        PatternError: not two numbers.
    """
    return [_angle_range(text, option) for text in texts or ()]


def _angle_range(text: str, option: str) -> tuple[float, float]:
    parts = text.replace(",", " ").replace(":", " ").split()
    try:
        low, high = (float(part) for part in parts)
    except ValueError:
        raise PatternError(f"got {option} {text!r}, expected two angles in degrees such as {option} 10:70") from None
    return low, high


def cell_option(text: str) -> UnitCell:
    """The cell of six numbers in one word, as indexing programs print them: ``a = 8.4832(1)`` is 8.4832.

    Raises:
        CellError: not six numbers, or no cell.
    """
    from pxrdgen.values.cell import UnitCell

    parts = _AXIS.sub(" ", text.replace(",", " ")).split()
    if not all(_is_number(part) for part in parts):
        raise CellError(
            f"got --cell {text!r}, expected six numbers a b c alpha beta gamma; write decimals with a point, "
            "as in --cell 5.4 5.4 5.4 90 90 90"
        )
    return UnitCell.from_numbers([float(_without_su(part)) for part in parts])
