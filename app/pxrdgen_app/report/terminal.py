"""A solution on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pxrdgen.values.solution import Candidate, Solution, Verdict
from pxrdgen_app.report.formula import formula_text, short_symbol
from pxrdgen_app.report.groups import HEAD, searched, summary, trial_rows
from pxrdgen_app.report.numbers import fixed, percent
from pxrdgen_app.report.wording import FALLBACK_ADVICE, headline, meaning

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

#: columns that the whole table needs.
_FULL_WIDTH = 118

#: space groups that are listed.
_GROUPS = 6

_STYLES = {Verdict.SOLVED: "bold green", Verdict.PROBABLE: "bold yellow", Verdict.NOT_SOLVED: "bold red"}


def print_solution(solution: Solution, console: Console, *, limit: int = 10) -> None:
    """Print the verdict, the ``limit`` best candidates and the notes."""
    console.print(render_solution(solution, limit=limit, narrow=console.width < _FULL_WIDTH))


def render_solution(solution: Solution, *, limit: int = 10, narrow: bool = False) -> RenderableType:
    """Verdict line with its reasons, ranked table, warnings of the best, notes.

    ``narrow`` puts the cell in one column of two lines and leaves the origin out, for 80 columns.

    Text from files is never read as rich markup.
    """
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [_verdict(solution)]
    if solution.evidence is not None:
        parts += [Text(f"  {reason}") for reason in solution.evidence.reasons]
    if solution.candidates:
        parts += [Text(), _ranked(solution.candidates[:limit], narrow)]
        hidden = len(solution.candidates) - limit
        if hidden > 0:
            parts.append(Text(f"  and {hidden} more in result.json", style="dim"))
    best = solution.best
    if best is not None and best.warnings:
        parts += [Text(), Text("Warnings for candidate 1", style="bold")]
        parts += [Text(f"  - {warning}") for warning in best.warnings]
    if searched(solution.groups):
        parts += [Text(), Text(summary(solution.groups, _GROUPS), style="bold"), _groups(solution, narrow)]
    unsolved = solution.verdict is Verdict.NOT_SOLVED
    notes = solution.notes or ((FALLBACK_ADVICE,) if unsolved else ())
    if notes:
        parts += [Text(), Text("Notes and what to try next" if unsolved else "Notes", style="bold")]
        parts += [Text(f"  - {note}") for note in notes]
    return Group(*parts)


def _groups(solution: Solution, narrow: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = len(HEAD) - 1 if narrow else len(HEAD)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column(HEAD[0], no_wrap=True)
    for name in HEAD[1:-1]:
        table.add_column(name, justify="right", no_wrap=True)
    if not narrow:
        table.add_column(HEAD[-1], overflow="fold")
    for row in trial_rows(solution.groups, _GROUPS):
        table.add_row(*(Text(cell) for cell in (row.group, *row.cells)[:shown]))
    return table


def _verdict(solution: Solution) -> Text:
    from rich.text import Text

    return Text.assemble((headline(solution), _STYLES[solution.verdict]), ("  " + meaning(solution), ""))


def _ranked(candidates: Sequence[Candidate], narrow: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("", "Formula", "Space group"):
        table.add_column(name, no_wrap=True)
    cell_columns = ("Cell (Å, °)",) if narrow else ("a", "b", "c (Å)", "α", "β", "γ (°)")
    for name in ("Rwp", "GOF", *cell_columns):
        table.add_column(name, justify="right", no_wrap=True)
    if not narrow:
        table.add_column("Origin", overflow="fold")
    table.add_column("Score", justify="right", no_wrap=True)
    for rank, candidate in enumerate(candidates, start=1):
        cell = candidate.conventional.cell
        lengths = [fixed(length, 4) for length in (cell.a, cell.b, cell.c)]
        angles = [fixed(angle, 2) for angle in (cell.alpha, cell.beta, cell.gamma)]
        where = [" ".join(lengths) + "\n" + " ".join(angles)] if narrow else [*lengths, *angles]
        table.add_row(
            str(rank),
            formula_text(candidate.conventional),
            Text(f"{short_symbol(candidate.space_group_symbol)} ({candidate.space_group_number})"),
            percent(candidate.refinement.r_wp),
            fixed(candidate.refinement.gof, 2),
            *where,
            *([] if narrow else [Text(candidate.origin)]),
            fixed(candidate.score, 4),
        )
    return table
