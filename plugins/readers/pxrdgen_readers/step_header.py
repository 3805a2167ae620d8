"""Intensities without angles, whose header gives start, step and end: one column, or many counts a line."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import PatternError
from pxrdgen_files.measurement import MAX_POINTS, Scan
from pxrdgen_readers.table import Table
from pxrdgen_readers.text import number

_NUMBER = r"[^0-9+\-.\n]{0,20}([+-]?\d+(?:[.,]\d*)?)"
_START = re.compile(r"(?i)\b(?:start|begin|first|min)[\w ]{0,12}" + _NUMBER)
_STEP = re.compile(r"(?i)\b(?:step|inc|increment|delta)[\w ]{0,12}" + _NUMBER)
_STOP = re.compile(r"(?i)\b(?:stop|end|final|last|max)[\w ]{0,12}" + _NUMBER)


def stepped_scan(table: Table) -> Scan | None:
    """The scan that a start / step / end line or words in the header describe, ``None`` where there is neither.

    The three numbers may come as start step end (DBWS, FullProf) or start end step, and fit when the number of
    intensities that follow is (end - start) / step + 1. Twice as many, several a line, are intensities and then their
    uncertainties (PSI's DMC and HRPT format).

    Raises:
        PatternError: one column whose length contradicts the header.
    """
    one_column = table.values.shape[1] == 1
    ascending = not one_column and bool((np.diff(table.values[:, 0]) > 0).all())
    if ascending or (not one_column and table.leading is None):
        return None
    flat = table.flat
    if table.leading is not None:
        for start, step, stop in _readings(table.leading):
            count = round((stop - start) / step) + 1
            if 2 * count == flat.size and not one_column:
                return Scan(
                    two_theta=start + (stop - start) * _fractions(count), intensity=flat[:count], sigma=flat[count:]
                )
            if count == flat.size:
                return Scan(two_theta=start + (stop - start) * _fractions(count), intensity=flat)
    if not one_column:
        return None
    start_, step_, stop_ = (_word(pattern, table.header) for pattern in (_START, _STEP, _STOP))
    if start_ is not None and step_ is not None and step_ > 0:
        if stop_ is not None and abs((stop_ - start_) / step_ - (flat.size - 1)) > 1.5:
            raise _contradiction(flat.size, start_, step_, stop_)
        return Scan(two_theta=start_ + step_ * np.arange(flat.size, dtype=np.float64), intensity=flat)
    if table.leading is not None and (readings := _readings(table.leading)):
        raise _contradiction(flat.size, *readings[0])
    return None


def _readings(three: tuple[float, float, float]) -> list[tuple[float, float, float]]:
    """The triple as (start, step, stop) in both orders, those that describe a scan."""
    first, second, third = three
    orders = [(first, second, third), (first, third, second)]
    return [
        (start, step, stop)
        for start, step, stop in orders
        if 0 <= start < stop <= 180 and 1e-6 < step < stop - start and (stop - start) / step < MAX_POINTS
    ]


def _fractions(count: int) -> NDArray[np.float64]:
    return np.arange(count, dtype=np.float64) / (count - 1)


def _word(pattern: re.Pattern[str], header: str) -> float | None:
    found = pattern.search(header)
    return None if found is None else number(found.group(1).replace(",", "."))


def _contradiction(count: int, start: float, step: float, stop: float) -> PatternError:
    return PatternError(
        f"got {count} intensities, expected {(stop - start) / step + 1:.0f} for {start:g} to {stop:g} by {step:g} "
        "degrees; correct the first line"
    )
