"""The table of numbers inside a text file: its delimiter, its decimal mark, its header."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import PatternError
from pxrdgen_files.measurement import MAX_POINTS
from pxrdgen_readers.headings import Role, headings_of, role_of
from pxrdgen_readers.text import number

_COMMENT = ("#", "!", "'", ";", "//", "/*", "*", "%", '"', "$", "@", ">")
_TRAILING = re.compile(r"[#!]")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", re.ASCII)
_DIGITS = re.compile(r"\d+(?:[.,]\d+)?")
_ROW = re.compile(r"[\s0-9+\-.,;eEdD]+", re.ASCII)
_NOT_A_NUMBER = re.compile(r"(?i)[+-]?(?:nan|inf|infinity|1\.#\w+|#n/?a|null|none|-{1,3}|\*+|\?)")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Numbers of a text file.

    Args:
        values: [G, C] the rows, all of one width.
        flat: all numbers after the leading line, in reading order; differs from ``values`` when rows are ragged.
        header: the lines before and between the rows.
        leading: the first three numbers of the file's first numeric line, when it is not a row like the others.
        labels: column headings, as many as columns, or none.
        notes: sentences on what was left out.
    """

    values: NDArray[np.float64]
    flat: NDArray[np.float64]
    header: str
    leading: tuple[float, float, float] | None = None
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def table_in(text: str) -> Table:
    """The table in ``text``.

    Raises:
        PatternError: no numbers, a row with nan or words among them, rows of unlike width.
    """
    lines = text.splitlines()
    split = _splitter([line for line in lines if _ROW.fullmatch(line.strip())][:400] or _worded(lines))
    width, keep = _number_columns(lines, split)
    header: list[str] = []
    rows: list[tuple[int, list[float]]] = []
    titled: tuple[float, ...] = ()
    for index, raw in enumerate(lines):
        line = raw.strip()
        if not line or line.startswith(_COMMENT):
            header.append(line)
            continue
        fields = split(_TRAILING.split(line, maxsplit=1)[0])
        fields = [fields[place] for place in keep] if keep and len(fields) == width else fields
        values = _values(fields)
        numeric = [value for value in values if value is not None]
        if fields and len(numeric) == len(fields):
            rows.append((index, numeric))
            if len(rows) > MAX_POINTS:
                raise PatternError(f"got more than {MAX_POINTS} lines of numbers, expected a pattern; export one scan")
            continue
        if values and values[0] is not None:
            _refuse(fields, values, index, started=bool(rows))
            leading = [value for value in values[:3] if value is not None]
            titled = titled or (tuple(leading) if len(leading) == 3 else ())
        header.append(line)
    if not rows:
        raise PatternError(
            "got no line of numbers, expected columns of 2theta and intensity; is this a powder pattern?"
        )
    found = _table(rows, header, titled)
    labels = _labels(lines, rows[0][0], width if keep else found.values.shape[1])
    words = ("columns of words are left out",) if keep else ()
    return replace(
        found,
        labels=tuple(labels[place] for place in keep) if keep and labels else labels,
        notes=(*found.notes, *words),
    )


def _worded(lines: list[str]) -> list[str]:
    """Lines that hold two numbers at least, for files whose every row has a word in it."""
    return [line for line in lines if not line.startswith(_COMMENT) and len(_DIGITS.findall(line[:2000])) >= 2][:400]


def _number_columns(lines: list[str], split: _Splitter) -> tuple[int, tuple[int, ...]]:
    """Fields of a row and which of them are numbers, where most rows have words in the same places; else none."""
    shapes = Counter(
        tuple(not field or number(field) is not None or _NOT_A_NUMBER.fullmatch(field) is not None for field in fields)
        for line in lines[:2000]
        if line.strip() and not line.strip().startswith(_COMMENT) and (fields := split(line.strip()[:2000]))
    )
    if not shapes:
        return 0, ()
    shape, count = shapes.most_common(1)[0]
    if all(shape) or sum(shape) < 2 or count < 10 or count <= shapes.total() / 2:
        return 0, ()
    return len(shape), tuple(place for place, is_number in enumerate(shape) if is_number)


def _values(fields: list[str]) -> list[float | None]:
    """Numbers of a row; in a wide one a gap beyond the first two numbers is nan: columns that are read are checked."""
    values = [number(field) for field in fields]
    if len(fields) > 3 and sum(value is not None for value in values) >= 2 and values[0] is not None:
        gaps = (not field or _NOT_A_NUMBER.fullmatch(field) is not None for field in fields)
        return [math.nan if gap else value for gap, value in zip(gaps, values, strict=True)]
    return values


def _refuse(fields: list[str], values: list[float | None], index: int, *, started: bool) -> None:
    """A row whose first number is followed by something else: nan is always refused, words once data began."""
    for field, value in zip(fields, values, strict=True):
        if value is None and (started or len(fields) <= 3) and _NOT_A_NUMBER.fullmatch(field):
            raise PatternError(
                f"got {field[:20]!r} in line {index + 1}, expected a number; remove the line or correct it"
            )
    if started and len(fields) > 1:
        bad = next(field for field, value in zip(fields, values, strict=True) if value is None)
        raise PatternError(f"got {bad[:20]!r} in line {index + 1} among the data, expected a number; remove the line")


class _Splitter:
    """Splits a line into fields the way the file's rows are written."""

    def __init__(self, separator: str | None, decimal_comma: bool) -> None:
        self._separator = separator
        self._decimal_comma = decimal_comma

    def __call__(self, line: str) -> list[str]:
        if self._separator is None:
            fields = line.split()
        elif self._separator == ",":
            fields = [field for part in line.split(",") for field in (part.split() or [""])]
        else:
            fields = [field for part in line.split(self._separator) for field in (part.split() or [""])]
        while fields and not fields[-1]:
            fields.pop()
        return [field.replace(",", ".") for field in fields] if self._decimal_comma else fields


def _splitter(rows: list[str]) -> _Splitter:
    """Delimiter and decimal mark of most rows: ``;`` first, then commas that cannot be decimal, then blanks."""
    if not rows:
        return _Splitter(None, False)
    semicolons = sum(";" in row.strip().rstrip(";") for row in rows)
    if semicolons > len(rows) / 2:
        return _Splitter(";", any("," in row for row in rows))
    commas = [row for row in rows if "," in row]
    if len(commas) <= len(rows) / 2:
        return _Splitter(None, _all_decimal(commas) and bool(commas))
    return _Splitter(None, True) if _all_decimal(commas) else _Splitter(",", False)


def _all_decimal(rows: list[str]) -> bool:
    """Whether commas in rows are decimal marks: two or more blank-separated fields, no point anywhere."""
    for row in rows:
        fields = row.split()
        if len(fields) < 2 or "." in row:
            return False
        if any("," in field and _DECIMAL_COMMA.fullmatch(field) is None for field in fields):
            return False
    return True


def _labels(lines: list[str], first: int, width: int) -> tuple[str, ...]:
    """Headings in the lines before the rows: the nearest line that names a known column, units below it appended."""
    near = [found for raw in reversed(lines[max(0, first - 6) : first]) if (found := headings_of(raw, width))]
    for place, labels in enumerate(near):
        if any(role_of(label) is not Role.UNKNOWN for label in labels):
            units = near[place - 1] if place else ("",) * width
            both = tuple(f"{label} {unit}".strip() for label, unit in zip(labels, units, strict=True))
            return both if any(role_of(label).is_axis for label in both) else labels
    return near[0] if near else ()


def _table(rows: list[tuple[int, list[float]]], header: list[str], titled: tuple[float, ...]) -> Table:
    notes: list[str] = []
    leading = (titled[0], titled[1], titled[2]) if titled else None
    width = Counter(len(row) for _, row in rows).most_common(1)[0][0]
    before = next(place for place, (_, row) in enumerate(rows) if len(row) == width)
    skipped, rows = rows[:before], rows[before:]
    if leading is None:
        triple = next((row for _, row in skipped if len(row) >= 3), None)
        leading = (triple[0], triple[1], triple[2]) if triple is not None else None
    if skipped and leading is None:
        notes.append(f"{len(skipped)} line(s) of numbers before the table left out")
    flat = np.array([value for _, row in rows for value in row], dtype=np.float64)
    unlike = [index for index, row in rows if len(row) != width]
    if unlike == [rows[-1][0]]:
        rows = rows[:-1]
        if leading is None:
            notes.append("the last line is incomplete: left out")
    elif unlike:
        raise PatternError(
            f"got {len(unlike)} lines without the {width} numbers of the others, the first is line {unlike[0] + 1}, "
            "expected as many in each; correct or remove them"
        )
    return Table(
        values=np.array([row for _, row in rows], dtype=np.float64),
        flat=flat,
        header="\n".join(header),
        leading=leading,
        notes=tuple(notes),
    )
