"""Runs on disk compared: which variants of two folders are pairs, and the table of their differences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pxrdgen.errors import DatasetError, OptionError, nearest
from pxrdgen_benchmarks.comparison import Comparison, compared
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.results_file import read_records
from pxrdgen_benchmarks.subsets import load_subset
from pxrdgen_benchmarks.suite_run import RESULTS
from pxrdgen_benchmarks.tables import Table
from pxrdgen_benchmarks.task import load_task


@dataclass(frozen=True, kw_only=True)
class StoredVariant:
    """A variant's records on disk, with what its file says of the run."""

    label: str
    run: dict[str, Any]
    records: tuple[Record, ...]


def stored_variants(folder: Path) -> dict[str, StoredVariant]:
    """The variants of a suite's folder, by label.

    Raises:
        DatasetError: it holds no results.
    """
    files = sorted((folder / RESULTS).glob("*.jsonl"))
    if not files:
        raise DatasetError(f"got {folder}, which holds no results; expected a folder that 'pxrdgen bench' wrote")
    found = {}
    for file in files:
        head, records = read_records(file)
        run: Any = head["run"]
        label = str(run.get("variant", file.stem)) if isinstance(run, dict) else file.stem
        found[label] = StoredVariant(label=label, run=run, records=tuple(records))
    return found


def comparison_table(first: str, second: str, value: str | None, *, seed: int = 0) -> Table:
    """B against A, one line a pair of variants and column.

    Raises:
        DatasetError: a folder holds no results, or the two have no case in common.
        OptionError: an unknown variant or value, variants that cannot be paired.
    """
    pairs = _pairs(_chosen(first), _chosen(second))
    lines = []
    for a, b in pairs:
        name = value or load_task(str(a.run["task"])).headline
        known = {key for record in (*a.records, *b.records) for key in record.values}
        if name not in known:
            raise OptionError(
                f"got the value {name!r}, expected one of {', '.join(sorted(known))}{nearest(name, known)}"
            )
        found = compared(a.records, b.records, name, weights=_weights(a.run), seed=seed)
        lines += [(a.label, b.label, *_cells(comparison, name)) for comparison in found]
    if not lines:
        raise DatasetError(f"got {first} and {second}, which have no case in common")
    return Table(
        title=f"B = {second} against A = {first}: difference with its 95 % bootstrap interval, paired test",
        header=("A", "B", "column", "value", "n", "A", "B", "B - A", "interval", "only A", "only B", "p"),
        rows=tuple(lines),
    )


def _cells(found: Comparison, value: str) -> tuple[str, ...]:
    flags = found.only_a >= 0
    scale, unit = (100.0, " %") if flags else (1.0, "")

    def said(number: float) -> str:
        return f"{scale * number:.1f}{unit}" if flags else f"{number:.4g}"

    interval = f"[{said(found.low)}, {said(found.high)}]"
    only = (str(found.only_a), str(found.only_b)) if flags else ("", "")
    numbers = (said(found.a), said(found.b), said(found.difference), interval)
    return (found.column, value, str(found.n), *numbers, *only, f"{found.p:.3g}")


def _chosen(text: str) -> dict[str, StoredVariant]:
    """``FOLDER`` or ``FOLDER:VARIANT``."""
    if Path(text).is_dir():
        return stored_variants(Path(text))
    folder, _, label = text.partition(":")
    variants = stored_variants(Path(folder))
    if label not in variants:
        raise OptionError(
            f"got the variant {label!r} of {folder}, expected one of {', '.join(variants)}{nearest(label, variants)}"
        )
    return {label: variants[label]}


def _pairs(
    first: dict[str, StoredVariant], second: dict[str, StoredVariant]
) -> list[tuple[StoredVariant, StoredVariant]]:
    if len(first) == len(second) == 1:
        return list(zip(first.values(), second.values(), strict=True))
    common = [label for label in first if label in second]
    if not common:
        raise OptionError(
            f"got the variants {', '.join(first)} and {', '.join(second)}, none in common; choose with FOLDER:VARIANT"
        )
    return [(first[label], second[label]) for label in common]


def _weights(run: dict[str, Any]) -> dict[str, float]:
    data = run.get("data", {})
    return dict(load_subset(data["subset"]).weights) if isinstance(data, dict) and data.get("subset") else {}
