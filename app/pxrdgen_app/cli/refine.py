"""``pxrdgen refine``: a known structure fitted to a measured pattern, written into one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pxrdgen_app.cli.measured_pattern import folder_named_after, pattern_facts, print_notes, read_measured
from pxrdgen_app.cli.output_console import output_console
from pxrdgen_app.cli.pattern_options import (
    BlockOption,
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
)
from pxrdgen_app.cli.watched import progress_shown

app = typer.Typer(add_completion=False)

#: exit code of a refinement that did not converge.
NOT_CONVERGED = 3
#: columns where the width is nobody's: a file or a pipe.
_PLAIN_WIDTH = 100


@app.command("refine", cls=NumbersTogether)
def command(
    pattern: PatternArgument,
    structure: Annotated[Path, typer.Argument(help="The structure to refine, a CIF.")],
    refiner: Annotated[
        str | None, typer.Option("--refiner", help="An installed refiner; default: the spec's, else least_squares.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="An option of the refiner; repeatable. See plugins show."),
    ] = None,
    spec: Annotated[Path | None, typer.Option("--spec", help="A spec file (YAML) whose refiner is used.")] = None,
    instrument: InstrumentOption = None,
    wavelength: WavelengthOption = None,
    scan: ScanOption = None,
    column: ColumnOption = None,
    range_: RangesOption = None,
    exclude: ExcludedOption = None,
    impurity: ImpuritiesOption = None,
    block: BlockOption = None,
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
    force: ForceOption = False,
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
    from pxrdgen_app.report.refinement_folder import save_refinement
    from pxrdgen_app.report.refinement_terminal import print_refinement
    from pxrdgen_files.folders import check_output_folder

    chosen = _refiner(refiner, set_ or (), spec)
    measured, notes = read_measured(pattern, wavelength=wavelength, instrument=instrument, scan=scan, column=column)
    print_notes(notes)
    target = folder_named_after(pattern, "_refined") if out is None else out
    check_output_folder(target, force=force)
    ranges, excluded = angle_ranges(range_, "--range"), angle_ranges(exclude, "--exclude")
    with progress_shown() as progress:
        refinement = pxrdgen.refine(
            measured,
            structure,
            block=block,
            refiner=chosen,
            ranges=ranges,
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
    print_refinement(refinement, output_console(_PLAIN_WIDTH))
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
    from pxrdgen.specs.component import ComponentSpec
    from pxrdgen.specs.pipeline import PipelineSpec, read_spec

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
    return chosen.model_copy(update={"options": options})
