"""Text as laboratories write it: byte-order marks, latin-1, Windows line ends, Fortran exponents."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import PatternError

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eEdD][+-]?\d{1,3})?", re.ASCII)
#: Half a million points of two columns; text beyond it is no powder pattern.
MAX_TEXT_BYTES = 8 * 1024 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def looks_binary(content: bytes) -> bool:
    """Whether bytes hold what no text holds: zeros or many control characters."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    sample = content[:4096]
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1a" for byte in sample)
    return b"\0" in sample or control > len(sample) // 50


def decode(content: bytes) -> str:
    """Text in UTF-8 or UTF-16 with a mark, UTF-8 without one, else latin-1.

    Raises:
        PatternError: the bytes are binary, or more than :data:`MAX_TEXT_BYTES`.
    """
    if len(content) > MAX_TEXT_BYTES:
        raise PatternError(
            f"got text of {len(content) >> 20} MiB, expected at most {MAX_TEXT_BYTES >> 20}; export one scan"
        )
    if looks_binary(content):
        raise PatternError("got binary data, expected text; is this an instrument's own format under another name?")
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def number(token: str) -> float | None:
    """The number a token spells (``1.5``, ``2E3``, ``1.0D-02``), or ``None``; nan and inf are not numbers."""
    if len(token) > 64 or _NUMBER.fullmatch(token) is None:
        return None
    value = float(token.replace("d", "e").replace("D", "e"))
    return value if math.isfinite(value) else None


def number_in(text: str | None) -> float | None:
    """The number that is all of ``text``, or ``None``; a decimal comma is allowed."""
    return None if text is None else number(text.strip().strip("'\"").replace(",", "."))


def numbers_in(text: str, where: str) -> NDArray[np.float64]:
    """[G] the blank-separated numbers of ``text``.

    Raises:
        PatternError: the text is too long for a scan, or holds something else.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise PatternError(f"got {len(text) >> 20} MiB of text in {where}, expected a scan; export one")
    return numbers(text.split(), where)


def numbers(tokens: Sequence[str], where: str) -> NDArray[np.float64]:
    """[G] the numbers in ``tokens``; ``where`` names the place in the error.

    Raises:
        PatternError: a token is not a finite number.
    """
    values = [number(token) for token in tokens]
    for index, value in enumerate(values):
        if value is None:
            raise PatternError(
                f"got {tokens[index][:30]!r} as value {index + 1} of {where}, expected a number; is the file damaged?"
            )
    return np.array(values, dtype=np.float64)
