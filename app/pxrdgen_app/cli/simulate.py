"""``pxrdgen simulate``: the powder pattern of a crystal structure, as numbers, a plot and a list of reflections."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pxrdgen.errors import InstrumentError
from pxrdgen_app.cli.pattern_options import INSTRUMENT_HELP, BlockOption, ForceOption

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pxrdgen.values.crystal import Crystal
    from pxrdgen.values.instrument import Instrument
    from pxrdgen_crystallography.diffraction.merged_lines import LineList

    FloatArray = NDArray[np.float64]

MAX_POINTS = 200_000
_STRONGEST_SHOWN = 8
_LARGEST_IN_TITLE = 500


def command(
    structure: Annotated[Path, typer.Argument(help="A CIF of an ordered crystal.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to make.")],
    instrument: Annotated[str, typer.Option("--instrument", "-i", help=INSTRUMENT_HELP)] = "gsas2_default",
    radiation: Annotated[
        str | None,
        typer.Option("--radiation", help="A tube (CuKa, CuKa1, CoKa, MoKa, ...) or a wavelength, in A without a unit."),
    ] = None,
    grid: Annotated[
        tuple[float, float, float], typer.Option("--grid", "-g", help="First and last 2theta and step, in degrees.")
    ] = (5.0, 80.0, 0.01),
    block: BlockOption = None,
    force: ForceOption = False,
) -> None:
    """Calculate the powder pattern of a CIF.

    The folder holds structure.xy (2theta, intensity), structure.png and reflections.csv, one line for each set of
    symmetry-equivalent reflections. It appears complete or not at all.

    Examples:

      pxrdgen simulate quartz.cif --out quartz

      pxrdgen simulate quartz.cif --grid 10 120 0.02 --instrument laboratory --out quartz

      pxrdgen simulate quartz.cif --radiation MoKa --grid 2 50 0.01 --out quartz --force
    """
    from pxrdgen_files.cif import read_cif, structures_note
    from pxrdgen_files.folders import check_output_folder, result_folder

    two_theta = angle_grid(*grid)
    chosen = _instrument(instrument, radiation)
    check_output_folder(out, force=force)
    crystal = read_cif(structure, block=block)
    if note := structures_note(structure, block):
        typer.echo(f"note: {note}", err=True)
    profile, lines = _calculate(crystal, chosen, two_theta)
    with result_folder(out, force=force) as folder:
        _write_profile(folder / "structure.xy", crystal, chosen, two_theta, profile)
        _write_lines(folder / "reflections.csv", lines)
        _write_plot(folder / "structure.png", crystal, chosen, two_theta, profile, lines)
    _summary(out, crystal, lines)


def angle_grid(start: float, stop: float, step: float) -> FloatArray:
    """[G] angles from ``start`` to ``stop`` degrees, both included where the step allows.

    Raises:
        InstrumentError: not finite, outside 0-180, descending, a step that is not positive, more than 200000 points.
    """
    import numpy as np

    got = f"got the grid {start:g} {stop:g} {step:g}"
    if not all(math.isfinite(value) for value in (start, stop, step)):
        raise InstrumentError(f"{got}, expected finite numbers: first and last 2theta and step, in degrees")
    if not 0.0 <= start <= 180.0 or not 0.0 <= stop <= 180.0:
        raise InstrumentError(f"{got}, expected angles within 0 to 180 degrees 2theta")
    if start >= stop:
        raise InstrumentError(f"{got}, which does not ascend; expected the first angle below the last")
    if step <= 0.0:
        raise InstrumentError(f"{got}, expected a step above 0")
    points = (stop - start) / step + 1.0
    if points > MAX_POINTS + 0.5:
        raise InstrumentError(f"{got}, {points:.0f} points; expected at most {MAX_POINTS}: use a larger step")
    if points < 2.0:
        raise InstrumentError(f"{got}, which holds a single point; expected a step no larger than the range")
    grid: FloatArray = start + step * np.arange(math.floor(points + 1e-6), dtype=np.float64)
    return grid


def _instrument(name: str, radiation: str | None) -> Instrument:
    from pxrdgen_files.instprm import chosen_instrument
    from pxrdgen_files.named_instruments import radiation_from

    chosen = chosen_instrument(name)
    if radiation is None:
        return chosen
    tube, note = radiation_from(radiation)
    if note:
        typer.echo(f"note: {note}", err=True)
    return replace(chosen, radiation=tube)


def _calculate(crystal: Crystal, instrument: Instrument, two_theta: FloatArray) -> tuple[FloatArray, LineList]:
    """The profile [G] and the lines within the grid.

    Raises:
        InstrumentError: no reflection lies within the grid.
    """
    import torch
    from rich.console import Console

    from pxrdgen.values.crystal_batch import CrystalBatch
    from pxrdgen_crystallography.diffraction import simulate_profile, simulate_reflections
    from pxrdgen_crystallography.diffraction.merged_lines import merged_lines

    batch = CrystalBatch.from_crystals([crystal], dtype=torch.float64)
    low, high = float(two_theta[0]), float(two_theta[-1])
    with Console(stderr=True).status(f"simulating {len(crystal)} atoms"), torch.no_grad():
        reflections = simulate_reflections(batch, instrument, two_theta_min=low, two_theta_max=high)
        lines = merged_lines(crystal, reflections)
        if not len(lines):
            raise InstrumentError(
                f"got the grid {low:g} to {high:g} degrees, which holds no reflection of this crystal; use a wider one"
            )
        profile = simulate_profile(batch, instrument, torch.from_numpy(two_theta))
    values: FloatArray = profile[0].numpy()
    return values, lines


def _write_profile(
    path: Path, crystal: Crystal, instrument: Instrument, two_theta: FloatArray, profile: FloatArray
) -> None:
    import numpy as np

    wavelengths = " ".join(f"{wavelength:g}" for wavelength in instrument.radiation.wavelengths)
    header = (
        f"simulated from {crystal.name}: {crystal.formula}\n"
        f"instrument {instrument.name}, wavelengths {wavelengths} A\n"
        "2theta (degrees), intensity (arbitrary units)"
    )
    np.savetxt(path, np.column_stack([two_theta, profile]), fmt=("%.5f", "%.6g"), header=header)


def _write_lines(path: Path, lines: LineList) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["h", "k", "l", "d", "two_theta", "multiplicity", "f_squared", "intensity"])
        for row in range(len(lines)):
            indices = lines.hkl[row].tolist()
            position = [f"{lines.d[row]:.6f}", f"{lines.two_theta[row]:.5f}"]
            strength = [f"{lines.f_squared[row]:.6g}", f"{lines.intensity[row]:.6g}"]
            writer.writerow([*indices, *position, int(lines.multiplicity[row]), *strength])


def _write_plot(
    path: Path,
    crystal: Crystal,
    instrument: Instrument,
    two_theta: FloatArray,
    profile: FloatArray,
    lines: LineList,
) -> None:
    from pxrdgen_app.report.formula import formula_text, with_subscripts
    from pxrdgen_app.report.simulated_plot import simulated_png

    formula = with_subscripts(formula_text(crystal)) if len(crystal) <= _LARGEST_IN_TITLE else ""
    title = ", ".join(part for part in (formula, crystal.name) if part)
    radiation = instrument.radiation.name or f"{instrument.radiation.wavelength:g} A"
    path.write_bytes(simulated_png(two_theta, profile, lines, title=title, subtitle=f"{radiation}, {instrument.name}"))


def _summary(out: Path, crystal: Crystal, lines: LineList) -> None:
    import numpy as np

    typer.echo(f"{out}: {len(lines)} lines of {len(crystal)} atoms; the strongest:")
    typer.echo("    h   k   l    2theta         d    intensity")
    for row in np.argsort(-lines.intensity, kind="stable")[:_STRONGEST_SHOWN]:
        indices = " ".join(f"{index:3d}" for index in lines.hkl[row].tolist())
        relative = 100.0 * lines.intensity[row] / lines.intensity.max()
        typer.echo(f"  {indices}  {lines.two_theta[row]:8.3f}  {lines.d[row]:8.4f}  {relative:8.1f} %")
