"""``pxrdgen solve``: from a measured pattern and a formula to ranked, refined structures in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pxrdgen_app.cli.measured_pattern import folder_named_after, pattern_facts, print_notes, read_measured
from pxrdgen_app.cli.pattern_options import (
    ColumnOption,
    ExcludedOption,
    ForceOption,
    ImpuritiesOption,
    InstrumentOption,
    NumbersTogether,
    PatternArgument,
    RangesOption,
    ScanOption,
    WavelengthOption,
    angle_ranges,
    cell_option,
)

app = typer.Typer(add_completion=False)


@app.command("solve", cls=NumbersTogether)
def command(
    pattern: PatternArgument,
    formula: Annotated[str, typer.Option("--formula", "-f", help="Of one formula unit, such as CuSO4.5H2O.")],
    z: Annotated[
        int | None,
        typer.Option(
            "--z", help="Formula units in the cell as typed (no cell: the primitive one); several are tried without it."
        ),
    ] = None,
    cell: Annotated[
        str | None,
        typer.Option(
            "--cell",
            metavar="a b c alpha beta gamma",
            help="A and degrees, as an indexing program prints them; found from the pattern without it.",
        ),
    ] = None,
    centring: Annotated[
        str | None, typer.Option("--centring", help="P A B C I F or R; default from the space group, else P.")
    ] = None,
    space_group: Annotated[
        str | None, typer.Option("--space-group", help="Number or symbol with its setting, such as P21/n.")
    ] = None,
    instrument: InstrumentOption = None,
    wavelength: WavelengthOption = None,
    scan: ScanOption = None,
    column: ColumnOption = None,
    range_: RangesOption = None,
    exclude: ExcludedOption = None,
    impurity: ImpuritiesOption = None,
    candidates: Annotated[int | None, typer.Option("--candidates", help="Structures kept while searching.")] = None,
    budget: Annotated[float | None, typer.Option("--budget", help="Seconds of searching at most.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of all randomness.")] = None,
    spec: Annotated[
        Path | None, typer.Option("--spec", help="A spec file (YAML); the options above override it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder to make; default: the pattern's name + _solution.")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Find the crystal structure behind a powder pattern.

    The folder holds a CIF for each candidate, report.html, rietveld.png and result.json. Exit codes: 0 solved or
    probable, 2 bad input, 3 nothing fits, 130 interrupted with the best so far written.

    Examples:

      pxrdgen solve brucite.xy --formula "Mg(OH)2" --cell 3.148 3.148 4.779 90 90 120 --z 1

      pxrdgen solve scan.xy -f PbSO4

      pxrdgen solve scan.xrdml -f PbSO4 --cell "8.48 5.40 6.96 90 90 90" --space-group Pnma --budget 120

      pxrdgen solve synchrotron.xye -f ZrO2 --cell 5.15 5.21 5.32 90 99.2 90 -w 0.4066 --range 4 30 --out zirconia
    """
    import pxrdgen
    from pxrdgen.specs.pipeline import read_spec
    from pxrdgen_app.cli.solving import finish
    from pxrdgen_app.cli.watched import progress_shown
    from pxrdgen_files.folders import check_output_folder

    measured, notes = read_measured(pattern, wavelength=wavelength, instrument=instrument, scan=scan, column=column)
    print_notes(notes)
    target = folder_named_after(pattern, "_solution") if out is None else out
    check_output_folder(target, force=force)
    ranges, excluded = angle_ranges(range_, "--range"), angle_ranges(exclude, "--exclude")
    with progress_shown() as progress:
        solution = pxrdgen.solve(
            measured,
            formula,
            z=z,
            cell=None if cell is None else cell_option(cell),
            centring=centring,
            space_group=space_group,
            ranges=ranges,
            exclude=excluded,
            impurity=impurity or (),
            candidates=candidates,
            budget=budget,
            seed=seed,
            spec=None if spec is None else read_spec(spec),
            progress=progress,
        )
    raise typer.Exit(finish(solution, target, force=force, title=pattern.stem, facts=pattern_facts(measured, pattern)))
