"""What a benchmark shows while it runs: a bar in a terminal, a line a case elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pxrdgen_benchmarks.row import Row
from pxrdgen_benchmarks.runner import Watch
from pxrdgen_benchmarks.tables import running_rates


@contextmanager
def shown_progress(console: Console, summary: Callable[[Sequence[Row]], str] = running_rates) -> Iterator[Watch]:
    """A watch for the runner; ``summary`` says how it goes so far."""
    if not console.is_terminal:
        yield lambda rows, total: console.print(_line(rows, total, summary), soft_wrap=True, markup=False)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("")

        def watch(rows: Sequence[Row], total: int) -> None:
            bar.update(task, total=total, completed=len(rows), description=summary(rows))

        yield watch


def _line(rows: Sequence[Row], total: int, summary: Callable[[Sequence[Row]], str]) -> str:
    if not rows:
        return f"0/{total}"
    row = rows[-1]
    matched = "strict" if row.strict else "published" if row.published else "miss"
    later = "" if matched == "strict" or not row.any_strict else " (strict lower down)"
    so_far = summary([other for other in rows if other.column == row.column])
    return (
        f"{len(rows)}/{total} {row.id} {row.column} {row.num_atoms} atoms: {matched}{later}, "
        f"{row.error or row.verdict}, {row.seconds:.1f} s | {so_far}"
    )
