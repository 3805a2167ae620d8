"""Figures of suites, drawn with matplotlib into PNG files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pxrdgen_benchmarks.metrics import Count, mean, wilson
from pxrdgen_benchmarks.suite_tables import groups

if TYPE_CHECKING:
    from pxrdgen_benchmarks.suite_result import SuiteResult

#: dots per inch.
_DPI = 130
_LONGEST_LABEL = 42


@contextmanager
def axes(path: Path, *, width: float = 6.4, height: float = 4.0, columns: int = 1) -> Iterator[Any]:
    """Axes (a list of them for several columns) of a figure that is saved when the block ends."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    drawn = figure.subplots(1, columns)
    yield drawn
    figure.savefig(path, dpi=_DPI)


def draw_bars(result: SuiteResult, values: Mapping[str, str], label: str, path: Path) -> None:
    """Rates of flags in percent with 95 % intervals, a group of bars a variant and column."""
    found = groups(result)
    with axes(path, width=max(8.0, 4.0 + 0.7 * len(found))) as ax:
        width = 0.8 / len(values)
        for place, (name, said) in enumerate(values.items()):
            rates = [wilson(Count(hits=sum(r.flag(name) for r in some), n=len(some))) for _, _, some in found]
            at = [index + (place - (len(values) - 1) / 2) * width for index in range(len(found))]
            shares = [100 * rate.share for rate in rates]
            errors = [
                [100 * (rate.share - rate.low) for rate in rates],
                [100 * (rate.high - rate.share) for rate in rates],
            ]
            ax.bar(at, shares, width, yerr=errors, capsize=2, label=said, error_kw={"linewidth": 0.8})
        ax.set_xticks(range(len(found)), [_short(v, c) for v, c, _ in found], rotation=35, ha="right", fontsize=8)
        ax.set_ylim(0, 100)
        ax.set_ylabel(label)
        _legend_beside(ax)


def draw_against_option(result: SuiteResult, option: str, values: Mapping[str, str], label: str, path: Path) -> None:
    """Rates against a number of the spec, a line for what else differs and each kind of hit."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for variant in result.measured:
        x = _at(variant.spec, option)
        if not isinstance(x, int | float):
            continue
        rest = ", ".join(part for part in variant.label.split(", ") if not part.endswith(f"={x:g}"))
        for column in result.columns:
            some = [record for record in variant.records if record.column == column]
            for name, said in values.items():
                if some:
                    rate = 100 * mean([float(record.flag(name)) for record in some])
                    key = ", ".join(part for part in (rest, column if len(result.columns) > 1 else "", said) if part)
                    lines.setdefault(key, []).append((float(x), rate))
    draw_lines({name: sorted(points) for name, points in lines.items()}, option.split(".")[-1], label, path)


def draw_lines(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    x: str,
    y: str,
    path: Path,
    *,
    log: bool = False,
    log_y: bool = False,
) -> None:
    """Named lines of points."""
    with axes(path, width=9.0) as ax:
        for name, points in lines.items():
            ax.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name[:_LONGEST_LABEL])
        ax.set_xlabel(x)
        ax.set_ylabel(y)
        if log:
            ax.set_xscale("log")
        if log_y:
            ax.set_yscale("log")
        ax.grid(alpha=0.3)
        if lines:
            _legend_beside(ax)


def draw_histograms(sets: Mapping[str, Sequence[float]], x: str, path: Path, *, log: bool = True) -> None:
    """Distributions over the same bins; on a logarithmic axis values below its start are put into the first bin."""
    import numpy as np

    bins = np.logspace(-4, 0, 33) if log else np.linspace(*_span(sets), 33)
    with axes(path) as ax:
        for name, values in sets.items():
            if values:
                ax.hist(np.clip(values, bins[0], bins[-1]), bins, alpha=0.55, label=f"{name} (n = {len(values)})")
        if log:
            ax.set_xscale("log")
        ax.set_xlabel(x)
        ax.set_ylabel("structures")
        ax.legend(fontsize=8)


def draw_heatmaps(maps: Mapping[str, Any], path: Path) -> None:
    """Square matrices of cosines side by side (figure 2 a, b)."""
    with axes(path, width=3.6 * len(maps) + 0.6, height=3.8, columns=len(maps)) as drawn:
        image = None
        for ax, (name, matrix) in zip([drawn] if len(maps) == 1 else drawn, maps.items(), strict=True):
            image = ax.imshow(matrix, vmin=-1, vmax=1, cmap="RdBu_r")
            ax.set_title(name[:_LONGEST_LABEL], fontsize=8)
            ax.set_xlabel("crystal")
            ax.set_ylabel("pattern")
        if image is not None:
            image.axes.figure.colorbar(image, ax=drawn, shrink=0.8, label="cosine")


def _legend_beside(ax: Any) -> None:
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _at(spec: Mapping[str, Any], path: str) -> Any:
    here: Any = spec
    for step in path.split("."):
        here = here[int(step)] if isinstance(here, list) else here.get(step) if isinstance(here, dict) else None
    return here


def _short(variant: str, column: str) -> str:
    text = f"{variant} {column}".strip()
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


def _span(sets: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    values = [value for some in sets.values() for value in some if math.isfinite(value)] or [0.0, 1.0]
    return min(values), max(max(values), min(values) + 1e-9)
