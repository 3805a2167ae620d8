"""What ``solve`` and ``demo`` share: the end of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pxrdgen_app.cli.output_console import output_console
from pxrdgen_app.cli.watched import INTERRUPTED

if TYPE_CHECKING:
    from pxrdgen.values.solution import Solution

#: exit code where nothing fits.
NOT_SOLVED = 3

#: columns where the width is nobody's: a file or a pipe.
_PLAIN_WIDTH = 120


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
