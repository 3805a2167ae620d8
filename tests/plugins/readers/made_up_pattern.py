"""The made-up pattern that every file in the fixtures holds, and where those files are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FIXTURES = Path(__file__).parents[2] / "fixtures" / "patterns"
FILES = sorted(path for path in FIXTURES.iterdir() if path.suffix != ".py")
TWO_THETA = 20.0 + 0.05 * np.arange(201)
COUNTS = np.round(
    100 + 2000 * np.exp(-(((TWO_THETA - 23.4) / 0.15) ** 2)) + 900 * np.exp(-(((TWO_THETA - 27.1) / 0.2) ** 2))
)


def rows(separator: str = " ", comma: bool = False) -> str:
    lines = (f"{t:.2f}{separator}{int(i)}.0" for t, i in zip(TWO_THETA, COUNTS, strict=True))
    return "".join((line.replace(".", ",") if comma else line) + "\n" for line in lines)
