"""``pxrdgen refine``: a known structure fitted to a measured pattern, written into one folder."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pxrdgen.cli.pattern_options import NumbersTogether, angle_range, first_line, pattern_facts

app = typer.Typer(add_completion=False)

#: exit code of a refinement that did not converge.
NOT_CONVERGED = 3
#: columns where the width is nobody's: a file or a pipe.
_PLAIN_WIDTH = 100


@app.command("refine", cls=NumbersTogether)
def command(
    pattern: Annotated[Path, typer.Argument(help="A pattern file of any format that 'pxrdgen plugins list' reads.")],
    structure: Annotated[Path, typer.Argument(help="The structure to refine, a CIF.")],
    refiner: Annotated[
        str | None, typer.Option("--refiner", help="An installed refiner; default: the spec's, else least_squares.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="An option of the refiner; repeatable. See plugins show."),
    ] = None,
    spec: Annotated[Path | None, typer.Option("--spec", help="A spec file (YAML) whose refiner is used.")] = None,
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
    texture: Annotated[
        str | None,
        typer.Option("--texture", metavar="auto|none|H K L", help="March-Dollase axis, in the cell of the CIF."),
    ] = None,
    uiso: Annotated[
        str | None, typer.Option("--uiso", metavar="element|site|overall", help="How Uiso is shared.")
    ] = None,
    background_terms: Annotated[
        str | None, typer.Option("--background-terms", metavar="N|auto", help="Chebyshev terms of the background.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder to make; default: the pattern's name + _refined.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the folder if it exists.")] = False,
) -> None:
    """Fit a known structure to the whole profile of a powder pattern.

    The folder holds refined.cif (with uncertainties, the profile and how it was refined), report.html, rietveld.png,
    rietveld.csv and result.json. Exit codes: 0 converged, 2 bad input, 3 did not converge.

    Examples:

      pxrdgen refine brucite.xy brucite.cif --texture 0 0 1

      pxrdgen refine scan.xrdml anglesite.cif --range 15 90 --uiso site --out anglesite

      pxrdgen refine mixture.xye zirconia.cif --impurity corundum.cif --exclude 43.5 44.2 -w CoKa

      pxrdgen refine pbso4.xy pbso4.cif --set shift=both --set refine_asymmetry=true --background-terms 9
    """
    import pxrdgen
    from pxrdgen.instrument import radiation_from
    from pxrdgen.io.folders import check_output_folder
    from pxrdgen.io.instprm import with_instrument
    from pxrdgen.io.measurement import notes_of
    from pxrdgen.io.patterns import read_pattern
    from pxrdgen.registry import default_registry
    from pxrdgen.report.refinement_folder import save_refinement
    from pxrdgen.report.refinement_terminal import print_refinement

    chosen = _refiner(refiner, set_ or (), spec)
    radiation, remark = (None, "") if wavelength is None else radiation_from(wavelength)
    measured = read_pattern(pattern, registry=default_registry(), radiation=radiation)
    if instrument is not None:
        measured = with_instrument(measured, instrument)
    typer.echo(first_line(measured, pattern))
    for note in (remark, *notes_of(measured)):
        if note:
            typer.echo(f"note: {note}")
    target = _default_folder(pattern) if out is None else out
    check_output_folder(target, force=force)
    excluded = [angle_range(text, "--exclude") for text in exclude or ()]
    with _progress_shown() as progress:
        refinement = pxrdgen.refine(
            measured,
            structure,
            refiner=chosen,
            ranges=[angle_range(text, "--range") for text in range_ or ()],
            exclude=excluded,
            impurity=impurity or (),
            texture=texture,
            u_iso=uiso,
            background_terms=background_terms,
            progress=progress,
        )
    written = save_refinement(
        refinement,
        target,
        refiner=f"pxrdgen {pxrdgen.__version__}, refiner {chosen.plugin}",
        force=force,
        title=structure.stem,
        pattern_facts=pattern_facts(measured, pattern),
        excluded=excluded,
    )
    typer.echo("")
    from rich.console import Console

    console = Console(file=sys.stdout)
    print_refinement(refinement, console if console.is_terminal else Console(file=sys.stdout, width=_PLAIN_WIDTH))
    typer.echo("")
    typer.echo(
        f"wrote {target}/: open {', '.join(str(target / name) for name in written if name.endswith(('.html', '.cif')))}"
    )
    raise typer.Exit(0 if refinement.fit.converged else NOT_CONVERGED)


def _refiner(name: str | None, settings: Any, spec: Path | None) -> Any:
    """The refiner of the spec, or the one named, with the options that were set.

    Raises:
        OptionError: the spec cannot be read, or a setting is not KEY=VALUE.
    """
    import yaml

    from pxrdgen.errors import OptionError
    from pxrdgen.specs import ComponentSpec, PipelineSpec, read_spec

    chosen = (read_spec(spec) if spec is not None else PipelineSpec()).refiner
    if name is not None and name != chosen.plugin:
        chosen = ComponentSpec(plugin=name)
    options = dict(chosen.options)
    for text in settings:
        key, sign, value = text.partition("=")
        try:
            if not sign or not key.strip():
                raise ValueError
            options[key.strip()] = yaml.safe_load(value)
        except (ValueError, yaml.YAMLError):
            raise OptionError(f"got --set {text!r}, expected KEY=VALUE such as --set max_cycles=20") from None
    return ComponentSpec(plugin=chosen.plugin, options=options)


def _default_folder(pattern: Path) -> Path:
    """``brucite_cu_refined`` in the current directory for ``somewhere/brucite_cu.xy``."""
    name = re.sub(r"[^\w.+-]+", "_", pattern.stem).strip("._") or "pattern"
    return Path(f"{name}_refined")


def _progress_shown() -> Any:
    """A spinner on a terminal; elsewhere a line on stderr as each stage begins."""
    from contextlib import contextmanager

    from rich.console import Console

    console = Console(stderr=True)

    @contextmanager
    def shown() -> Any:
        if not console.is_terminal:
            yield lambda stage: typer.echo(stage, err=True)
            return
        with console.status("reading") as status:
            yield lambda stage: status.update(stage)

    return shown()
