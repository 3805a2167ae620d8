"""``pxrdgen index``: the unit cell behind a measured pattern, as a ranked table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pxrdgen.cli.pattern_options import NumbersTogether, angle_range, first_line
from pxrdgen.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pxrdgen.cells.api import Progress
    from pxrdgen.cells.values import CellAnswer

app = typer.Typer(add_completion=False)

#: exit code when no cell explains the peaks better than chance.
NOTHING_FOUND = 3
#: columns where the width is nobody's: a file or a pipe.
_PLAIN_WIDTH = 150


@app.command("index", cls=NumbersTogether)
def command(
    pattern: Annotated[Path, typer.Argument(help="A pattern file of any format that 'pxrdgen plugins list' reads.")],
    formula: Annotated[
        str | None,
        typer.Option("--formula", "-f", help="Of one formula unit: its volume helps to choose, and gives Z."),
    ] = None,
    z: Annotated[int | None, typer.Option("--z", help="Formula units in the primitive cell, with --formula.")] = None,
    wavelength: Annotated[
        str | None,
        typer.Option("--wavelength", "-w", help="Angstrom, or a tube: CuKa, CuKa1, CoKa, FeKa, CrKa, MoKa, AgKa."),
    ] = None,
    range_: Annotated[
        list[str] | None, typer.Option("--range", metavar="LO HI", help="2theta range to use, degrees; repeatable.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="LO HI", help="2theta range to leave out, degrees; repeatable."),
    ] = None,
    max_volume: Annotated[float, typer.Option("--max-volume", min=20.0, help="Of the primitive cell, A^3.")] = 1500.0,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=30, help="Cells listed at most.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of predictors that draw at random.")] = 0,
    spec: Annotated[
        Path | None, typer.Option("--spec", help="A spec file (YAML) whose cell predictors and scorers are used.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write everything as JSON too.")] = None,
) -> None:
    """Find the unit cell behind a powder pattern.

    Cells are ranked by how much better than chance they explain the peak positions, for the lines they calculate and
    the parameters they leave free. Exit codes: 0 at least one cell, 2 bad input or too few peaks, 3 nothing explains
    the peaks better than chance.

    Examples:

      pxrdgen index pattern.xy

      pxrdgen index scan.xrdml --formula PbSO4 --range 10 70 --out cells.json
    """
    import pxrdgen
    from pxrdgen.cells.report import answer_json, cell_table, details
    from pxrdgen.instrument import radiation_from
    from pxrdgen.io.measurement import notes_of
    from pxrdgen.io.patterns import read_pattern
    from pxrdgen.registry import default_registry
    from pxrdgen.specs import read_spec

    radiation, remark = (None, "") if wavelength is None else radiation_from(wavelength)
    measured = read_pattern(pattern, registry=default_registry(), radiation=radiation)
    typer.echo(first_line(measured, pattern))
    answer = _watched(
        lambda report: pxrdgen.index(
            measured,
            formula,
            z=z,
            ranges=[angle_range(text, "--range") for text in range_ or ()],
            exclude=[angle_range(text, "--exclude") for text in exclude or ()],
            max_volume=max_volume,
            count=count,
            seed=seed,
            spec=None if spec is None else read_spec(spec),
            progress=report,
        )
    )
    if answer.hypotheses:
        from rich.console import Console

        console = Console(file=sys.stdout)
        (console if console.is_terminal else Console(file=sys.stdout, width=_PLAIN_WIDTH)).print(cell_table(answer))
        for line in details(answer.hypotheses[0]):
            typer.echo(line)
    for note in (remark, *notes_of(measured), *answer.notes):
        if note:
            typer.echo(f"note: {note}")
    if out is not None:
        _write(out, answer_json(answer, source=pattern.name, formula=formula))
        typer.echo(f"wrote {out}")
    if not answer.hypotheses:
        raise typer.Exit(NOTHING_FOUND)


def _watched(work: Callable[[Progress], CellAnswer]) -> CellAnswer:
    """The answer, with a spinner that names the stage on a terminal."""
    from rich.console import Console

    with Console(stderr=True).status("finding peaks") as status:
        return work(lambda stage, _: status.update(stage))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"got the output file {path}, which cannot be written ({error.strerror})") from None
