"""``pxrdgen solve``: from a measured pattern and a formula to ranked, refined structures in a folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from pxrdgen.cli.pattern_options import (
    NumbersTogether,
    angle_range,
    cell_option,
    first_line,
    pattern_facts,
)

app = typer.Typer(add_completion=False)


@app.command("solve", cls=NumbersTogether)
def command(
    pattern: Annotated[Path, typer.Argument(help="A pattern file of any format that 'pxrdgen plugins list' reads.")],
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
    instrument: Annotated[
        str | None,
        typer.Option("--instrument", "-i", help="gsas2_default, laboratory, or a .instprm or .prm file."),
    ] = None,
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
    impurity: Annotated[
        list[Path] | None,
        typer.Option("--impurity", metavar="CIF", help="A crystal in the sample besides; repeatable."),
    ] = None,
    candidates: Annotated[int | None, typer.Option("--candidates", help="Structures kept while searching.")] = None,
    budget: Annotated[float | None, typer.Option("--budget", help="Seconds of searching.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of all randomness.")] = None,
    spec: Annotated[
        Path | None, typer.Option("--spec", help="A spec file (YAML); the options above override it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder to make; default: the pattern's name + _solution.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the folder if it exists.")] = False,
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
    from pxrdgen.cli.solving import finish, progress_shown
    from pxrdgen.instrument import radiation_from
    from pxrdgen.io.folders import check_output_folder
    from pxrdgen.io.instprm import with_instrument
    from pxrdgen.io.measurement import notes_of
    from pxrdgen.io.patterns import read_pattern
    from pxrdgen.registry import default_registry
    from pxrdgen.specs import read_spec

    radiation, remark = (None, "") if wavelength is None else radiation_from(wavelength)
    measured = read_pattern(pattern, registry=default_registry(), radiation=radiation)
    if instrument is not None:
        measured = with_instrument(measured, instrument)
    typer.echo(first_line(measured, pattern))
    for note in (remark, *notes_of(measured)):
        if note:
            typer.echo(f"note: {note}")
    target = default_folder(pattern) if out is None else out
    check_output_folder(target, force=force)
    ranges = [angle_range(text, "--range") for text in range_ or ()]
    excluded = [angle_range(text, "--exclude") for text in exclude or ()]
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


def default_folder(pattern: Path) -> Path:
    """``brucite_cu_solution`` in the current directory for ``somewhere/brucite_cu.xy``."""
    name = re.sub(r"[^\w.+-]+", "_", pattern.stem).strip("._") or "pattern"
    return Path(f"{name}_solution")
