"""What ``solve`` and ``demo`` share: progress while the solver works, and the end of a run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pxrdgen_app.cli.output_console import output_console

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from pxrdgen.values.solution import Solution

#: exit codes beside 0: nothing fits; interrupted with the best so far written.
NOT_SOLVED, INTERRUPTED = 3, 130

#: columns where the width is nobody's: a file or a pipe.
_PLAIN_WIDTH = 120

_STAGES = {
    "searching": "searching (Ctrl-C: stop with the best so far)",
    "refining": "refining (Ctrl-C: stop with those that are done)",
}

Progress = Callable[[str, float, float | None], None]


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
        typer.echo("pxrdgen: interrupted before there was a structure; nothing is written", err=True)
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


def finish(
    solution: Solution, out: Path, *, force: bool = False, title: str = "", facts: Mapping[str, str] | None = None
) -> int:
    """Write the folder, print the answer, and return the exit code."""
    from pxrdgen.values.solution import Verdict
    from pxrdgen_app.report.solutions import save_solution
    from pxrdgen_app.report.terminal import print_solution

    written = save_solution(solution, out, force=force, title=title, pattern_facts=facts)
    typer.echo("")
    print_solution(solution, output_console(_PLAIN_WIDTH))
    typer.echo("")
    pages = [f"{out / name}" for name in ("report.html", "candidate_01.cif") if name in written]
    typer.echo(f"wrote {out}{'/: open ' if pages else ''}{', '.join(pages)}")
    if solution.interrupted:
        return INTERRUPTED
    return NOT_SOLVED if solution.verdict is Verdict.NOT_SOLVED else 0
