"""``pxrdgen index``: the unit cell behind a measured pattern, as a ranked table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pxrdgen.errors import OutputError
from pxrdgen_app.cli.measured_pattern import print_notes, read_measured
from pxrdgen_app.cli.output_console import output_console
from pxrdgen_app.cli.pattern_options import (
    ColumnOption,
    ExcludedOption,
    InstrumentOption,
    NumbersTogether,
    PatternArgument,
    RangesOption,
    ScanOption,
    WavelengthOption,
    angle_ranges,
)
from pxrdgen_app.cli.watched import progress_shown

app = typer.Typer(add_completion=False)

#: exit code when no cell explains the peaks better than chance.
NOTHING_FOUND = 3
#: columns where the width is nobody's: a file or a pipe.
_PLAIN_WIDTH = 150


@app.command("index", cls=NumbersTogether)
def command(
    pattern: PatternArgument,
    formula: Annotated[
        str | None,
        typer.Option("--formula", "-f", help="Of one formula unit: its volume helps to choose, and gives Z."),
    ] = None,
    z: Annotated[int | None, typer.Option("--z", help="Formula units in the primitive cell, with --formula.")] = None,
    wavelength: WavelengthOption = None,
    scan: ScanOption = None,
    column: ColumnOption = None,
    instrument: InstrumentOption = None,
    range_: RangesOption = None,
    exclude: ExcludedOption = None,
    max_volume: Annotated[float, typer.Option("--max-volume", min=20.0, help="Of the primitive cell, A^3.")] = 3000.0,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=30, help="Cells listed at most.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of predictors that draw at random.")] = 0,
    spec: Annotated[
        Path | None, typer.Option("--spec", help="A spec file (YAML) whose cell predictors and scorers are used.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write everything as JSON too.")] = None,
) -> None:
    """Find the unit cell behind a powder pattern.

    Cells are ranked by how much better than chance they explain the peak positions, for the lines they calculate and
    the parameters they leave free, and by fits to the whole pattern. Hard patterns take a minute or two.
    Exit codes: 0 at least one cell, 2 bad input or too few peaks, 3 nothing explains the peaks better than chance.

    Examples:

      pxrdgen index pattern.xy

      pxrdgen index scan.xrdml --formula PbSO4 --range 10 70 --out cells.json
    """
    import pxrdgen
    from pxrdgen.specs.pipeline import read_spec
    from pxrdgen_app.report.cells import answer_json, cell_table, details

    measured, notes = read_measured(pattern, wavelength=wavelength, instrument=instrument, scan=scan, column=column)
    ranges, excluded = angle_ranges(range_, "--range"), angle_ranges(exclude, "--exclude")
    with progress_shown() as progress:
        answer = pxrdgen.index(
            measured,
            formula,
            z=z,
            ranges=ranges,
            exclude=excluded,
            max_volume=max_volume,
            count=count,
            seed=seed,
            spec=None if spec is None else read_spec(spec),
            progress=progress,
        )
    if answer.hypotheses:
        output_console(_PLAIN_WIDTH).print(cell_table(answer))
        for line in details(answer.hypotheses[0]):
            typer.echo(line)
    print_notes((*notes, *answer.notes))
    if out is not None:
        _write(out, answer_json(answer, source=pattern.name, formula=formula))
        typer.echo(f"wrote {out}")
    if not answer.hypotheses:
        raise typer.Exit(NOTHING_FOUND)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"got the output file {path}, which cannot be written ({error.strerror})") from None
