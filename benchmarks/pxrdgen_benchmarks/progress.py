"""What a suite shows while it runs: a bar in a terminal, a line a case elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pxrdgen_benchmarks.jobs import Watch
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.suite_tables import first_line


@contextmanager
def shown_progress(console: Console, headline: str) -> Iterator[Watch]:
    """A watch for a suite; ``headline`` names the value that is shown."""
    if not console.is_terminal:
        yield lambda records, total: console.print(_line(records, total, headline), soft_wrap=True, markup=False)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("")

        def watch(records: Sequence[Record], total: int) -> None:
            said = f"{records[-1].variant} {records[-1].column} {so_far(records, headline)}" if records else ""
            bar.update(task, total=total, completed=len(records), description=said)

        yield watch


def so_far(records: Sequence[Record], headline: str) -> str:
    """``strict 0.52 (21)`` of the last record's variant and column."""
    last = records[-1]
    same = [record for record in records if (record.variant, record.column) == (last.variant, last.column)]
    numbers = [record.number(headline) for record in same if record.values.get(headline) is not None]
    failed = sum(bool(record.error) for record in same)
    mean = f"{sum(numbers) / len(numbers):.3g} ({len(numbers)})" if numbers else "–"
    return f"{headline} {mean}" + (f", {failed} failed" if failed else "")


def _line(records: Sequence[Record], total: int, headline: str) -> str:
    if not records:
        return f"0/{total}"
    last = records[-1]
    value = first_line(last.error) if last.error else f"{headline} {last.values.get(headline)}"
    where = " ".join(part for part in (last.variant, last.column, last.id) if part)
    return f"{len(records)}/{total} {where}: {value}, {last.seconds:.1f} s | {so_far(records, headline)}"
