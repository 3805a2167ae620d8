"""Progress of a command while it works: a bar on a terminal, else a line on stderr as each stage begins."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from pxrdgen_solver.progress import Progress

#: exit code of what the user interrupted.
INTERRUPTED = 130

_STAGES = {
    "searching": "searching (Ctrl-C: stop with the best so far)",
    "refining": "refining (Ctrl-C: stop with those that are done)",
}


@contextmanager
def progress_shown() -> Iterator[Progress]:
    """A bar on a terminal; elsewhere one line on stderr as each stage begins."""
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support")  # torch on the state of its own code
            if not console.is_terminal:
                yield _Lines()
                return
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[best]}"),
            )
            with Bar(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
                yield _OnBar(bar, bar.add_task("preparing the pattern", total=1.0, best=""))
    except KeyboardInterrupt:
        typer.echo("pxrdgen: interrupted before there was an answer; nothing is written", err=True)
        raise typer.Exit(INTERRUPTED) from None


class _OnBar:
    def __init__(self, bar: Bar, task: TaskID) -> None:
        self._bar, self._task = bar, task

    def __call__(self, stage: str, share: float, best: float | None) -> None:
        self._bar.update(self._task, description=_STAGES.get(stage, stage), completed=share)
        if best is not None:
            self._bar.update(self._task, best=f"best {best:.4f}")


class _Lines:
    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, stage: str, share: float, best: float | None) -> None:
        del share
        if stage == self._stage:
            return
        self._stage = stage
        typer.echo(stage if best is None else f"{stage} (best {best:.4f})", err=True)
