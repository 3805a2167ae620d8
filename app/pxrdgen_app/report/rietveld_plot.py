"""The Rietveld plot: observed, calculated, background, reflections and difference in one figure.

Colours are Okabe & Ito's (doi:10.1038/nmeth.1618), told apart with any colour vision; each curve also differs in
mark or line style.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pxrdgen.errors import OutputError
from pxrdgen.values.refinement import ProfileCurves
from pxrdgen.values.solution import FloatArray
from pxrdgen_app.report.numbers import fixed, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK = "#1f2630"
_MUTED = "#6b7480"
_OBSERVED = "#1f2630"
_CALCULATED = "#d55e00"
_BACKGROUND = "#7a8594"
_DIFFERENCE = "#0072b2"
_TICKS = "#007a5a"
_IMPURITY_TICKS = "#cc79a7"
_EXCLUDED = "#eef0f3"
_FONT = ["DejaVu Sans"]


def write_rietveld_plot(
    curves: ProfileCurves,
    path: Path,
    *,
    title: str = "",
    r_wp: float | None = None,
    gof: float | None = None,
    sqrt_panel: bool = False,
) -> None:
    """Write the figure of :func:`rietveld_png` to ``path``.

    Raises:
        OutputError: the file cannot be written.
    """
    image = rietveld_png(curves, title=title, r_wp=r_wp, gof=gof, sqrt_panel=sqrt_panel)
    try:
        path.write_bytes(image)
    except OSError as error:
        raise OutputError(f"got {path}, which cannot be written ({error}); choose a writable folder") from error


def rietveld_png(
    curves: ProfileCurves,
    *,
    title: str = "",
    r_wp: float | None = None,
    gof: float | None = None,
    sqrt_panel: bool = False,
    dpi: int = 200,
) -> bytes:
    """The figure as PNG, 9 inches wide.

    Args:
        curves: what to draw.
        title: left of the title block, as plain text (a formula, a space group).
        r_wp, gof: right of the title block; r_wp a fraction. Left out when ``None`` or not finite.
        sqrt_panel: adds a panel with square-root intensities, where weak reflections can be judged.
        dpi: dots per inch.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 6.9 if sqrt_panel else 5.0), dpi=dpi, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    if sqrt_panel:
        main, root = figure.subplots(2, 1, sharex=True, height_ratios=[2.6, 1.0])
        _draw_profile(main, curves)
        _draw_root(root, curves)
        bottom = root
    else:
        main = bottom = figure.subplots()
        _draw_profile(main, curves)
    bottom.set_xlabel("2θ (degrees)", fontfamily=_FONT, fontsize=10, color=_INK)
    main.set_xlim(float(curves.two_theta[0]), float(curves.two_theta[-1]))
    _title_block(main, title, r_wp, gof)
    figure.align_ylabels()
    return _encode(figure)


def _encode(figure: Figure) -> bytes:
    stream = BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": "pxrdgen"})
    return stream.getvalue()


def _title_block(axes: Axes, title: str, r_wp: float | None, gof: float | None) -> None:
    # parse_math is off everywhere: a dollar sign in a file's sample name is a dollar sign
    axes.set_title(
        title, loc="left", fontsize=12, fontweight="bold", color=_INK, fontfamily=_FONT, pad=10, parse_math=False
    )
    parts = []
    if r_wp is not None and np.isfinite(r_wp):
        parts.append(f"$R_\\mathrm{{wp}}$ = {percent(r_wp)}")
    if gof is not None and np.isfinite(gof):
        parts.append(f"GOF = {fixed(gof, 2)}")
    axes.set_title("     ".join(parts), loc="right", fontsize=11, color=_INK, fontfamily=_FONT, pad=10)


def _gaps(two_theta: FloatArray) -> FloatArray:
    """[K] indices of points followed by an excluded range: steps far above the median."""
    steps = np.diff(two_theta)
    return np.flatnonzero(steps > 8.0 * np.median(steps)).astype(np.float64)


def _broken(two_theta: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The curve with a nan inside each excluded range, so that no line bridges it."""
    after = _gaps(two_theta).astype(np.int64) + 1
    return np.insert(two_theta, after, np.nan), np.insert(values, after, np.nan)


def _style(axes: Axes, curves: ProfileCurves) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_MUTED)
        axes.spines[side].set_linewidth(0.8)
    axes.tick_params(colors=_INK, labelsize=9, width=0.8, length=4, labelfontfamily=_FONT[0])
    axes.minorticks_on()
    axes.tick_params(which="minor", length=2, width=0.6, color=_MUTED)
    for index in _gaps(curves.two_theta).astype(np.int64):
        axes.axvspan(
            float(curves.two_theta[index]), float(curves.two_theta[index + 1]), color=_EXCLUDED, linewidth=0, zorder=0
        )


def _draw_profile(axes: Axes, curves: ProfileCurves) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    _style(axes, curves)
    low = float(min(curves.observed.min(), curves.background.min(), 0.0))
    top = float(max(curves.observed.max(), curves.calculated.max()))
    height = (top - low) or 1.0
    scale = 10 ** int(np.floor(np.log10(max(top, 1e-30)))) if top >= 1e5 or top < 1e-2 else 1
    tick_row = low - 0.055 * height
    swing = float(np.ptp(curves.difference))
    rows = len(curves.impurity_ticks)
    offset = tick_row - (0.075 + 0.045 * rows) * height - max(float(curves.difference.max()), 0.02 * height)

    axes.plot(
        curves.two_theta, curves.observed, linestyle="none", marker="o", markersize=2.0, markerfacecolor="none",
        markeredgecolor=_OBSERVED, markeredgewidth=0.5, label="observed", zorder=2,
    )  # fmt: skip
    axes.plot(*_broken(curves.two_theta, curves.calculated), color=_CALCULATED, lw=1.0, label="calculated", zorder=3)
    axes.plot(
        *_broken(curves.two_theta, curves.background),
        color=_BACKGROUND,
        lw=0.9,
        ls=(0, (4, 2)),
        label="background",
        zorder=3,
    )
    axes.axhline(offset, color=_MUTED, lw=0.5, ls=(0, (1, 2)), zorder=1)
    axes.plot(
        *_broken(curves.two_theta, curves.difference + offset), color=_DIFFERENCE, lw=0.7, label="difference", zorder=2
    )
    for row, ticks in enumerate((curves.ticks, *curves.impurity_ticks)):
        shown = ticks[(ticks >= curves.two_theta[0]) & (ticks <= curves.two_theta[-1])]
        if shown.size:
            axes.plot(
                shown, np.full(shown.size, tick_row - 0.045 * row * height), linestyle="none", marker="|",
                markersize=7, markeredgewidth=0.8, color=_IMPURITY_TICKS if row else _TICKS,
                label=("impurity" if row == 1 else None) if row else "reflections", zorder=2,
            )  # fmt: skip
    axes.set_ylim(offset + min(float(curves.difference.min()), 0.0) - 0.05 * height - 0.02 * swing, top + 0.06 * height)
    # the intensity axis ends where the reflections and the difference begin
    marks = MaxNLocator(nbins=6).tick_values(low, top)
    axes.yaxis.set_major_locator(
        FixedLocator([mark for mark in marks if low - 1e-9 * height <= mark <= top + 0.06 * height])
    )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / scale:g}"))
    axes.spines["left"].set_bounds(min(low, 0.0), top + 0.06 * height)
    axes.yaxis.set_minor_locator(NullLocator())
    exponent = "" if scale == 1 else f" / 10{_superscript(round(np.log10(scale)))}"
    axes.set_ylabel(f"intensity{exponent}", fontfamily=_FONT, fontsize=10, color=_INK, y=0.64)
    axes.legend(
        loc="upper right", frameon=True, framealpha=0.9, edgecolor="none", facecolor="white", borderpad=0.3,
        labelcolor=_INK, handlelength=1.6, prop={"family": _FONT, "size": 8.5},
    )  # fmt: skip


def _draw_root(axes: Axes, curves: ProfileCurves) -> None:
    _style(axes, curves)
    observed, calculated, background = (
        np.sqrt(np.maximum(values, 0.0)) for values in (curves.observed, curves.calculated, curves.background)
    )
    axes.plot(
        curves.two_theta, observed, linestyle="none", marker="o", markersize=1.6, markerfacecolor="none",
        markeredgecolor=_OBSERVED, markeredgewidth=0.45, zorder=2,
    )  # fmt: skip
    axes.plot(*_broken(curves.two_theta, calculated), color=_CALCULATED, lw=0.9, zorder=3)
    axes.plot(*_broken(curves.two_theta, background), color=_BACKGROUND, lw=0.8, ls=(0, (4, 2)), zorder=3)
    floor = float(min(observed.min(), background.min()))
    ceiling = float(max(observed.max(), calculated.max()))
    axes.set_ylim(floor - 0.06 * (ceiling - floor or 1.0), ceiling + 0.06 * (ceiling - floor or 1.0))
    axes.set_ylabel("√intensity", fontfamily=_FONT, fontsize=10, color=_INK)


def _superscript(number: int) -> str:
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
