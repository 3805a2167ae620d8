"""Tables of a run: match rates by size and for the whole split, and what the verdicts were worth."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from pxrdgen_benchmarks.cases import CONTROLS, Column
from pxrdgen_benchmarks.metrics import Count, Rate, mean, stratified, wilson
from pxrdgen_benchmarks.row import Row

_SOLVED = "solved"

#: what counts as a match, in the order of the table.
MATCHES: tuple[tuple[str, Callable[[Row], bool]], ...] = (
    ("published", lambda row: row.published),
    ("strict", lambda row: row.strict),
    ("published, any ranked", lambda row: row.any_published),
    ("strict, any ranked", lambda row: row.any_strict),
)


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


def counted(rows: Sequence[Row], hit: Callable[[Row], bool]) -> dict[str, Count]:
    """Hits by bucket."""
    buckets = dict.fromkeys(row.bucket for row in rows)
    return {
        label: Count(
            hits=sum(hit(row) for row in rows if row.bucket == label), n=sum(row.bucket == label for row in rows)
        )
        for label in buckets
    }


def match_table(rows: Sequence[Row], weights: Mapping[str, float]) -> Table:
    """One line a column and matcher: rate by bucket (Wilson intervals) and weighted to the whole split."""
    lines = []
    for column in _columns(rows):
        chosen = [row for row in rows if row.column == column]
        for name, hit in MATCHES:
            if column in (*CONTROLS, Column.RANDOM) and "any" in name:
                continue
            counts = counted(chosen, hit)
            by_bucket = (percent(wilson(counts.get(label, Count(hits=0, n=0)))) for label in weights)
            rms = [row.rms for row in chosen if row.rms is not None] if name == "published" else []
            lines.append(
                (
                    column,
                    name,
                    *by_bucket,
                    percent(stratified(counts, weights)),
                    f"{mean(rms):.3f}" if rms else "",
                    str(sum(bool(row.error) for row in chosen)),
                    f"{median(row.seconds for row in chosen):.1f}",
                )
            )
    return Table(
        title="Matched, % of all cases [95 % interval] (n)",
        header=(
            "column",
            "matcher",
            *(f"{label} atoms" for label in weights),
            "whole split",
            "rms",
            "errors",
            "median s",
        ),
        rows=tuple(lines),
    )


def verdict_table(rows: Sequence[Row]) -> Table:
    """One line a column: how often each verdict was given, and how often ``solved`` was right (strict matcher)."""
    lines = []
    for column in _columns(rows):
        chosen = [row for row in rows if row.column == column]
        if column == Column.RANDOM:
            continue
        solved = [row for row in chosen if row.verdict == _SOLVED]
        probable = [row for row in chosen if row.verdict == "probable"]
        wrong = [row for row in solved if not row.strict]
        rates = (
            _share(solved, chosen),
            _share([row for row in solved if row.strict], solved),
            _share([row for row in solved if row.published], solved),
            _share(wrong, chosen),
            _share(probable, chosen),
            _share([row for row in probable if row.strict], probable),
            _share(
                [row for row in chosen if row.strict and row.verdict == _SOLVED], [row for row in chosen if row.strict]
            ),
        )
        lines.append((column + (" (control)" if column in CONTROLS else ""), *(percent(rate) for rate in rates)))
    return Table(
        title="Verdicts, % [95 % interval] (n), cases unweighted; right: strict matcher, first candidate",
        header=(
            "column",
            "called solved",
            "solved: right",
            "solved: right by published",
            "solved and wrong, of all",
            "called probable",
            "probable: right",
            "right: called solved",
        ),
        rows=tuple(lines),
    )


def space_group_table(rows: Sequence[Row]) -> Table:
    """One line a column: of the strictly right answers, how many have the true space group."""
    lines = []
    for column in _columns(rows):
        right = [row for row in rows if row.column == column and row.strict and row.space_group_true and row.candidates]
        if column != Column.RANDOM:
            same = [row for row in right if row.space_group_found == row.space_group_true]
            lines.append((column, percent(_share(same, right))))
    return Table(
        title="Space group, % of the right answers [95 % interval] (n)",
        header=("column", "true space group"),
        rows=tuple(lines),
    )


def running_rates(rows: Sequence[Row]) -> str:
    """One line for the progress bar: unweighted rates so far by column."""
    parts = []
    for column in _columns(rows):
        chosen = [row for row in rows if row.column == column]
        published, strict = (mean([float(hit(row)) for row in chosen]) for _, hit in MATCHES[:2])
        parts.append(f"{column} {published:.0%}/{strict:.0%} ({len(chosen)})")
    return "  ".join(parts)


def _columns(rows: Sequence[Row]) -> list[str]:
    """Known ones in their order, then others as they come."""
    present = list(dict.fromkeys(row.column for row in rows))
    known = [column.value for column in Column if column in present]
    return [*known, *(column for column in present if column not in known)]


def _share(part: Sequence[Row], whole: Sequence[Row]) -> Rate:
    return wilson(Count(hits=len(part), n=len(whole)))


def percent(rate: Rate) -> str:
    """``"46.7 [37, 56] (120)"``."""
    if math.isnan(rate.share):
        return f"– ({rate.n})"
    return f"{100 * rate.share:.1f} [{100 * rate.low:.0f}, {100 * rate.high:.0f}] ({rate.n})"
