"""A table, as markdown and CSV."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass

from pxrdgen_benchmarks.metrics import Rate


@dataclass(frozen=True, kw_only=True)
class Table:
    """Text in cells; ``title`` says what the rows are."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """With the title above."""
        lines = [self.header, tuple("---" for _ in self.header), *self.rows]
        return f"{self.title}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def csv(self) -> str:
        """Header and rows."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows(self.rows)
        return stream.getvalue()


def percent(rate: Rate) -> str:
    """``"46.7 [37, 56] (120)"``."""
    if math.isnan(rate.share):
        return f"– ({rate.n})"
    return f"{100 * rate.share:.1f} [{100 * rate.low:.0f}, {100 * rate.high:.0f}] ({rate.n})"
