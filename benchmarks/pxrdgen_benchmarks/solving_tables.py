"""Tables of solved cases: matches, what the verdicts were worth, space groups. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pxrdgen_benchmarks.cases import CONTROLS, Column
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.suite_result import SuiteResult
from pxrdgen_benchmarks.suite_tables import flag, groups, number_table, rate_table, whole
from pxrdgen_benchmarks.tables import Table

#: what counts as a match, and how tables call it.
MATCHES = {
    "published": flag("published"),
    "strict": flag("strict"),
    "published, any ranked": flag("any_published"),
    "strict, any ranked": flag("any_strict"),
}


def solving_tables(result: SuiteResult) -> dict[str, Table]:
    """Matches by size and column; then, where there are verdicts, what they were worth."""
    judged = [entry for entry in groups(result) if entry[1] != Column.RANDOM]
    return {
        "matches": rate_table(result, MATCHES, title="Matched"),
        "rms": number_table(result, {"rms": "rms of matched, (V/N)^(1/3)"}, title="Distance of matched sites"),
        "verdicts": Table(
            title="Verdicts, % [95 % interval] (n), cases unweighted; right: strict matcher, first candidate",
            header=(
                "variant",
                "column",
                "called solved",
                "solved: right",
                "solved: right by published",
                "solved and wrong, of all",
                "called probable",
                "probable: right",
                "right: called solved",
            ),
            rows=tuple(
                (variant, f"{column} (control)" if column in CONTROLS else column, *verdict_rates(records))
                for variant, column, records in judged
            ),
        ),
        "space_groups": Table(
            title="Space group, % of the right answers [95 % interval] (n)",
            header=("variant", "column", "true space group"),
            rows=tuple(
                (variant, column, _share(records, _in_true_group, _right_with_group))
                for variant, column, records in judged
                if column not in CONTROLS
            ),
        ),
    }


def verdict_rates(records: Sequence[Record]) -> tuple[str, ...]:
    """How often each verdict was given, how often it was right, and how often a right answer was called solved."""
    strict, published = flag("strict"), flag("published")
    solved, probable = is_called("solved"), is_called("probable")
    return (
        _share(records, solved),
        _share(records, strict, solved),
        _share(records, published, solved),
        _share(records, lambda record: solved(record) and not strict(record)),
        _share(records, probable),
        _share(records, strict, probable),
        _share(records, solved, strict),
    )


def is_called(name: str) -> Callable[[Record], bool]:
    """Whether that is the verdict."""
    return lambda record: record.values.get("verdict") == name


def _right_with_group(record: Record) -> bool:
    return record.flag("strict") and bool(record.values.get("space_group_true")) and record.flag("candidates")


def _in_true_group(record: Record) -> bool:
    return record.values.get("space_group_found") == record.values.get("space_group_true")


def _share(
    records: Sequence[Record],
    hit: Callable[[Record], bool],
    among: Callable[[Record], bool] | None = None,
) -> str:
    """Hits among those records that count; all by default."""
    counted = [record for record in records if among is None or among(record)]
    return whole(counted, hit, {})
