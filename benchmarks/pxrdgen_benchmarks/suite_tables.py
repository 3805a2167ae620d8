"""Tables that every task needs: rates and means by size, seconds, failures, published rows. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

from pxrdgen_benchmarks.metrics import Count, Rate, mean, stratified, wilson
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.tables import Table, percent

if TYPE_CHECKING:
    from pxrdgen_benchmarks.suite import Published
    from pxrdgen_benchmarks.suite_result import SuiteResult

#: says whether a record counts as a hit.
Hit = Callable[[Record], bool]


def flag(name: str) -> Hit:
    """A hit is a record whose value of that name is true."""
    return lambda record: record.flag(name)


def buckets_of(records: Sequence[Record]) -> list[str]:
    """Labels by size: ``1-4`` before ``13-20``, others behind."""

    def place(label: str) -> tuple[int, str]:
        first = label.split("-")[0]
        return (int(first) if first.isdigit() else 1_000_000, label)

    return sorted({record.bucket for record in records}, key=place)


def counts(records: Sequence[Record], hit: Hit) -> dict[str, Count]:
    """Hits by bucket."""
    return {
        label: Count(
            hits=sum(hit(record) for record in records if record.bucket == label),
            n=sum(record.bucket == label for record in records),
        )
        for label in buckets_of(records)
    }


def rate_of(records: Sequence[Record], hit: Hit, weights: Mapping[str, float]) -> Rate:
    """Weighted to the split where every bucket has cases, else over all cases."""
    by_bucket = counts(records, hit)
    if weights and all(by_bucket.get(label, Count(hits=0, n=0)).n for label in weights):
        return stratified(by_bucket, weights)
    return wilson(Count(hits=sum(hit(record) for record in records), n=len(records)))


def whole(records: Sequence[Record], hit: Hit, weights: Mapping[str, float]) -> str:
    """``82.7 [79, 86] (120)``: that rate, printed."""
    return percent(rate_of(records, hit, weights))


def rate_table(result: SuiteResult, hits: Mapping[str, Hit], *, title: str) -> Table:
    """One line a variant, column and kind of hit: the rate by bucket and over the whole split."""
    labels = list(result.weights) or buckets_of([r for variant in result.variants for r in variant.records])
    lines = []
    for variant, column, records in groups(result):
        for name, hit in hits.items():
            by_bucket = counts(records, hit)
            cells = (percent(wilson(by_bucket.get(label, Count(hits=0, n=0)))) for label in labels)
            lines.append((variant, column, name, *cells, whole(records, hit, result.weights)))
    return Table(
        title=f"{title}, % of all cases [95 % interval] (n); failures are misses",
        header=("variant", "column", "hit", *labels, "all"),
        rows=tuple(lines),
    )


def number_table(result: SuiteResult, names: Mapping[str, str], *, title: str, by_bucket: bool = False) -> Table:
    """One line a variant and column: mean and median of each value, where there is one.

    Over all buckets the mean is that of the whole split, where their weights are known.

    Args:
        names: value name and what the header calls it, with its unit.
        by_bucket: whether every bucket has a line of its own.
    """
    lines = []
    for variant, column, records in groups(result):
        labels = buckets_of(records) if by_bucket else []
        for label in (*labels, "all") if len(labels) > 1 else ("all",):
            some = [record for record in records if label in ("all", record.bucket)]
            cells = []
            for name in names:
                values = finite(some, name)
                mean_ = split_mean(some, name, result.weights)
                cells.append(f"{mean_:.4g} / {median(values):.4g} ({len(values)})" if values else "–")
            lines.append((variant, column, label, *cells))
    header = ("variant", "column", "cases", *names.values())
    return Table(title=f"{title}: mean / median (n)", header=header, rows=tuple(lines))


def split_mean(records: Sequence[Record], name: str, weights: Mapping[str, float]) -> float:
    """The mean of a value, every bucket counting as it does in the whole split; plain without their weights."""
    means = {label: mean(finite([r for r in records if r.bucket == label], name)) for label in buckets_of(records)}
    known = {label: value for label, value in means.items() if math.isfinite(value)}
    if not known or not known.keys() <= weights.keys():
        return mean(finite(records, name))
    return sum(weights[label] * value for label, value in known.items()) / sum(weights[label] for label in known)


def timing_table(result: SuiteResult) -> Table:
    """Seconds a case; kept apart because they alone differ when a run is repeated."""
    timed = ((variant, column, [r.seconds for r in records]) for variant, column, records in groups(result))
    lines = [(v, column, str(len(s)), f"{median(s):.2f}", f"{sum(s):.0f}") for v, column, s in timed]
    return Table(
        title="Wall seconds on this machine", header=("variant", "column", "n", "median", "sum"), rows=tuple(lines)
    )


def failure_table(result: SuiteResult) -> Table:
    """What could not be measured: whole variants, then errors of cases by how often they came."""
    lines = [(v.label, "all", "not run", first_line(v.error)) for v in result.variants if v.error]
    for variant, column, records in groups(result):
        errors = [first_line(record.error) for record in records if record.error]
        kinds = sorted(dict.fromkeys(errors), key=lambda text: -errors.count(text))
        lines += [(variant, column, f"{errors.count(kind)} of {len(records)}", kind) for kind in kinds[:5]]
        if len(kinds) > 5:
            rest = sum(errors.count(kind) for kind in kinds[5:])
            lines.append((variant, column, f"{rest} of {len(records)}", "other errors; see records.parquet"))
    return Table(title="Failures", header=("variant", "column", "cases", "error"), rows=tuple(lines))


def published_table(rows: Sequence[Published]) -> Table:
    """The rows of others, as printed there."""
    names = list(dict.fromkeys(name for row in rows for name in row.numbers))
    lines = [
        (row.label, *(_printed(row.numbers.get(name, "")) for name in names), row.source, row.note) for row in rows
    ]
    return Table(title="Published, on other data", header=("row", *names, "source", "note"), rows=tuple(lines))


def groups(result: SuiteResult) -> list[tuple[str, str, list[Record]]]:
    """(variant, column, records), in the order of the suite; records in a fixed order."""
    found = []
    for variant in result.variants:
        for column in result.columns:
            records = sorted((r for r in variant.records if r.column == column), key=lambda record: record.key)
            if records:
                found.append((variant.label, column, records))
    return found


def mean_metrics(records: Sequence[Record]) -> dict[str, float]:
    """``{"clean.strict/5-8": 0.8}``: the mean of every number and flag by column and bucket, and over all.

    A flag that is missing (a failure) counts as false; a number that is missing is left out.
    """
    found: dict[str, float] = {}
    for column in dict.fromkeys(record.column for record in records):
        chosen = [record for record in records if record.column == column]
        prefix = f"{column}." if column else ""
        for bucket in (*buckets_of(chosen), "all"):
            some = [record for record in chosen if bucket in ("all", record.bucket)]
            for name in dict.fromkeys(name for record in chosen for name in record.values):
                kinds = {type(record.values[name]) for record in chosen if record.values.get(name) is not None}
                if kinds == {bool}:
                    found[f"{prefix}{name}/{bucket}"] = mean([float(record.flag(name)) for record in some])
                elif kinds and kinds <= {int, float}:
                    found[f"{prefix}{name}/{bucket}"] = mean(finite(some, name))
            found[f"{prefix}errors/{bucket}"] = float(sum(bool(record.error) for record in some))
            found[f"{prefix}n/{bucket}"] = float(len(some))
    return {name: value for name, value in found.items() if math.isfinite(value)}


def finite(records: Sequence[Record], name: str) -> list[float]:
    """The numbers of that name that are there."""
    return [value for record in records if math.isfinite(value := record.number(name))]


def first_line(text: str) -> str:
    """Without ``|``, which would end a table's cell."""
    return (text.splitlines() or [""])[0].replace("|", "/")[:240]


def _printed(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
