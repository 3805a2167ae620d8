"""A calculated powder pattern as a figure: profile, reflection ticks, indices of the strongest lines."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pxrdgen_crystallography.diffraction.merged_lines import LineList

FloatArray = NDArray[np.float64]

_INK = "#1f2630"
_MUTED = "#6b7480"
_CURVE = "#0072b2"
_TICKS = "#007a5a"
_LABELS = 14
#: Labels keep this fraction of the width between them.
_SPACING = 0.014


def simulated_png(
    two_theta: FloatArray, profile: FloatArray, lines: LineList, *, title: str = "", subtitle: str = "", dpi: int = 200
) -> bytes:
    """The figure as PNG, 9 inches wide; intensities relative to the strongest point.

    Args:
        two_theta: [G] degrees.
        profile: [G] intensity, any unit.
        lines: for ticks and labels.
        title, subtitle: plain text, left and right above the figure.
        dpi: dots per inch.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.6), dpi=dpi, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    main, ticks = figure.subplots(2, 1, sharex=True, height_ratios=[14.0, 1.0])
    relative = 100.0 * profile / (float(profile.max()) or 1.0)
    main.plot(two_theta, relative, color=_CURVE, lw=0.9)
    main.set_ylim(-1.5, 116.0)
    main.set_xlim(float(two_theta[0]), float(two_theta[-1]))
    main.set_yticks([0, 20, 40, 60, 80, 100])
    main.set_ylabel("relative intensity (%)", fontsize=10, color=_INK)
    main.set_title(title, loc="left", fontsize=12, fontweight="bold", color=_INK, parse_math=False)
    main.set_title(subtitle, loc="right", fontsize=9, color=_MUTED, parse_math=False)
    main.tick_params(which="both", bottom=False)
    main.tick_params(labelsize=9, colors=_INK)
    for side in ("top", "right", "bottom"):
        main.spines[side].set_visible(False)
    _label_strongest(main, two_theta, relative, lines)
    ticks.vlines(lines.two_theta, 0.0, 1.0, color=_TICKS, lw=0.6)
    ticks.set_ylim(0.0, 1.0)
    ticks.set_yticks([])
    ticks.set_xlabel("2θ (degrees)", fontsize=10, color=_INK)
    ticks.minorticks_on()
    ticks.tick_params(labelsize=9, colors=_INK)
    for side in ("top", "right", "left"):
        ticks.spines[side].set_visible(False)
    stream = BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": "pxrdgen"})
    return stream.getvalue()


def _label_strongest(axes: Axes, two_theta: FloatArray, relative: FloatArray, lines: LineList) -> None:
    """Indices above the strongest lines, strongest first, none on top of another."""
    gap = _SPACING * float(two_theta[-1] - two_theta[0])
    placed: list[float] = []
    for row in np.argsort(-lines.intensity, kind="stable")[: 4 * _LABELS]:
        angle = float(lines.two_theta[row])
        if any(abs(angle - other) < gap for other in placed):
            continue
        near = np.abs(two_theta - angle) <= 0.2
        height = float(relative[near].max()) if near.any() else 0.0
        axes.annotate(
            index_text(lines.hkl[row].tolist()),
            (angle, height),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=90,
            fontsize=7.5,
            color=_INK,
        )
        placed.append(angle)
        if len(placed) == _LABELS:
            return


def index_text(hkl: list[int]) -> str:
    """Miller indices with bars over negatives, apart where one has two digits, as mathtext."""
    parts = [rf"\bar{{{-index}}}" if index < 0 else str(index) for index in hkl]
    return "$" + (r"\,".join(parts) if max(map(abs, hkl)) > 9 else "".join(parts)) + "$"
