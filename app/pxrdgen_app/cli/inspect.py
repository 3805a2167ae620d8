"""``pxrdgen inspect``: what a pattern file holds, as the solver sees it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pxrdgen.errors import OutputError
from pxrdgen_app.cli.measured_pattern import print_notes, read_measured
from pxrdgen_app.cli.pattern_options import (
    ColumnOption,
    ExcludedOption,
    NumbersTogether,
    PatternArgument,
    RangesOption,
    ScanOption,
    WavelengthOption,
    angle_ranges,
)

if TYPE_CHECKING:
    from pxrdgen.values.prepared_pattern import PeakList, PreparedPattern

app = typer.Typer(add_completion=False)


@app.command("inspect", cls=NumbersTogether)
def command(
    pattern: PatternArgument,
    wavelength: WavelengthOption = None,
    scan: ScanOption = None,
    column: ColumnOption = None,
    range_: RangesOption = None,
    exclude: ExcludedOption = None,
    reader: Annotated[str | None, typer.Option("--reader", help="Read with this reader instead of sniffing.")] = None,
    rows: Annotated[
        int, typer.Option("--rows", min=0, help="How many of the strongest peaks to list; 0 lists all.")
    ] = 40,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for pattern.png and peaks.csv; made if it is not there.")
    ] = None,
) -> None:
    """Show what a pattern file holds: range, counts, wavelength, background and peaks.

    Examples:

      pxrdgen inspect pattern.xy

      pxrdgen inspect scan.xrdml --range 10 70 --exclude 38.0 38.6

      pxrdgen inspect synchrotron.xye --wavelength 0.4066 --out looked_at
    """
    from rich.console import Console

    from pxrdgen_crystallography.preparation import prepare

    measured, notes = read_measured(pattern, wavelength=wavelength, reader=reader, scan=scan, column=column)
    ranges, excluded = angle_ranges(range_, "--range"), angle_ranges(exclude, "--exclude")
    console = Console()
    with console.status("fitting peaks and background"):
        prepared = prepare(measured, ranges=ranges, exclude=excluded)
    typer.echo(_summary(prepared))
    if len(prepared.peaks):
        console.print(_table(prepared.peaks, rows))
    print_notes((*notes, *prepared.notes))
    if out is not None:
        _write(prepared, out, pattern.name)
        typer.echo(f"wrote {out / 'pattern.png'} and {out / 'peaks.csv'}")


def _summary(prepared: PreparedPattern) -> str:
    import numpy as np

    from pxrdgen_crystallography.preparation.widths import fwhm_along

    pattern, instrument = prepared.pattern, prepared.instrument
    middle = 0.5 * (pattern.two_theta[0] + pattern.two_theta[-1])
    width = float(fwhm_along(np.array([middle]), instrument)[0])
    return (
        f"{len(prepared.peaks)} peaks; background {prepared.background.min():.4g} to {prepared.background.max():.4g}; "
        f"uncertainties: {prepared.noise_source}; FWHM {width:.3f} degrees at {middle:.0f} degrees "
        f"(U {instrument.u:.2f}, V {instrument.v:.2f}, W {instrument.w:.2f}, "
        f"X {instrument.x:.2f}, Y {instrument.y:.2f})"
    )


def _table(peaks: PeakList, rows: int) -> object:
    import numpy as np
    from rich.table import Table

    shown = np.arange(len(peaks)) if rows == 0 else np.sort(np.argsort(-peaks.area)[:rows])
    title = f"{len(shown)} of {len(peaks)} peaks" if len(shown) < len(peaks) else f"{len(peaks)} peaks"
    table = Table(title=title, box=None, header_style="bold", title_justify="left")
    for heading in ("2theta", "su", "d / A", "I / %", "su", "FWHM"):
        table.add_column(heading, justify="right")
    scale = 100.0 / float(np.max(peaks.area))
    for row in shown:
        table.add_row(
            f"{peaks.two_theta[row]:.4f}",
            f"{peaks.two_theta_su[row]:.4f}",
            f"{peaks.d_spacing[row]:.4f}",
            f"{peaks.area[row] * scale:.2f}",
            f"{peaks.area_su[row] * scale:.2f}",
            f"{peaks.fwhm[row]:.3f}",
        )
    return table


def _write(prepared: PreparedPattern, out: Path, name: str) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"got the output folder {out}, which cannot be made ({error}); choose another") from None
    _write_csv(prepared.peaks, out / "peaks.csv")
    _write_plot(prepared, out / "pattern.png", name)


def _write_csv(peaks: PeakList, path: Path) -> None:
    lines = ["two_theta,two_theta_su,d_spacing,area,area_su,relative_intensity,height,fwhm"]
    relative = peaks.relative_intensity
    for row in range(len(peaks)):
        numbers = (
            f"{peaks.two_theta[row]:.5f}",
            f"{peaks.two_theta_su[row]:.5f}",
            f"{peaks.d_spacing[row]:.6f}",
            f"{peaks.area[row]:.6g}",
            f"{peaks.area_su[row]:.3g}",
            f"{relative[row]:.4g}",
            f"{peaks.height[row]:.6g}",
            f"{peaks.fwhm[row]:.5f}",
        )
        lines.append(",".join(numbers))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_plot(prepared: PreparedPattern, path: Path, name: str) -> None:
    """Pattern, background and peaks; below on a square-root scale, where weak peaks show."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    pattern, peaks = prepared.pattern, prepared.peaks
    x = pattern.two_theta
    figure = Figure(figsize=(12, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 1, sharex=True)
    for panel, root in zip(panels, (False, True), strict=True):
        curves = [pattern.intensity, prepared.calculated, prepared.background]
        observed, calculated, background = (np.sqrt(np.maximum(curve, 0.0)) if root else curve for curve in curves)
        panel.plot(x, observed, ".", ms=1.5, color="0.45", label="observed")
        panel.plot(x, calculated, "-", lw=0.8, color="tab:blue", label="peaks + background")
        panel.plot(x, background, "-", lw=1.2, color="tab:red", label="background")
        low, high = float(np.min(background)), float(np.max(observed))
        tick = np.full(len(peaks), low - 0.04 * (high - low))
        panel.plot(peaks.two_theta, tick, "|", ms=7, color="black", label=f"{len(peaks)} peaks")
        panel.set_ylabel("square root of intensity" if root else "intensity")
        panel.margins(x=0.005)
    panels[0].set_title(name)
    panels[0].legend(loc="upper right", frameon=False)
    panels[1].set_xlabel("2theta / degrees")
    figure.savefig(path, dpi=110)
