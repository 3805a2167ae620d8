"""Tables of refinement runs: who came home, how two refiners agree, measured patterns, RMSE before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from pxrdgen_benchmarks.metrics import Count, Rate, wilson
from pxrdgen_benchmarks.refinement_rows import RefinementRow
from pxrdgen_benchmarks.tables import Table

FloatArray = NDArray[np.float64]

#: a refinement came home below these: RMSE in (V / N)^(1/3), goodness of fit.
HOME_RMS, HOME_GOF = 0.02, 1.1
#: bins of the RMSE before refinement.
BINS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
#: RMSE must rise by this much to count as worse.
WORSE = 0.005


def is_home(row: RefinementRow) -> bool:
    """Whether the structure was found again and explains the pattern."""
    return row.rms_after is not None and row.rms_after < HOME_RMS and row.gof is not None and row.gof < HOME_GOF


def home_table(runs: Mapping[str, Sequence[RefinementRow]]) -> Table:
    """One line a refiner and kind of crystal."""
    lines = []
    for name, rows in runs.items():
        for group in ("centrosymmetric", "other"):
            chosen = [row for row in rows if row.part == "simulated" and row.group == group]
            if chosen:
                home = [row for row in chosen if is_home(row)]
                lines.append(
                    (
                        name,
                        group,
                        percent(wilson(Count(hits=len(home), n=len(chosen)))),
                        _median([row.rms_after for row in chosen], 4),
                        _median([row.gof for row in chosen], 3),
                        f"{median(row.seconds for row in chosen):.2f}",
                        f"{median(row.cpu_seconds for row in chosen):.2f}",
                        str(sum(bool(row.error) or row.r_wp is None for row in chosen)),
                    )
                )
    return Table(
        title=f"Came home (RMSE < {HOME_RMS}, GOF < {HOME_GOF}) from a cell off by 0.5 % and atoms off by 0.1 A, "
        "10^4 counts; % [95 % interval] (n)",
        header=("refiner", "crystals", "home", "median RMSE", "median GOF", "median s", "median CPU s", "failed"),
        rows=tuple(lines),
    )


def agreement_table(first: str, second: str, runs: Mapping[str, Sequence[RefinementRow]]) -> Table:
    """How far the two refiners are apart, in standard uncertainties, over crystals that both brought home."""
    ours = {row.key: row for row in runs[first] if row.part == "simulated" and is_home(row)}
    theirs = {row.key: row for row in runs[second] if row.part == "simulated" and is_home(row)}
    lines = []
    for group in ("centrosymmetric", "other"):
        keys = [key for key in ours if key in theirs and key[2] == group]
        pulls = {
            "cell": [pull for key in keys for pull in cell_pulls(ours[key], theirs[key])],
            "coordinates": [pull for key in keys for pull in coordinate_pulls(ours[key], theirs[key])],
        }
        for what, found in pulls.items():
            if found:
                lines.append(
                    (
                        group,
                        what,
                        str(len(keys)),
                        str(len(found)),
                        f"{np.median(found):.2f}",
                        f"{np.quantile(found, 0.9):.2f}",
                        f"{max(found):.2f}",
                        f"{100 * np.mean(np.asarray(found) <= 1.0):.0f}",
                    )
                )
    return Table(
        title=f"{first} against {second}: |difference| over the larger standard uncertainty",
        header=("crystals", "what", "n crystals", "n values", "median", "90 %", "largest", "within 1 su, %"),
        rows=tuple(lines),
    )


def cell_pulls(first: RefinementRow, second: RefinementRow) -> list[float]:
    """|difference| over the larger uncertainty of each free cell parameter."""
    if not (first.cell_su and second.cell_su):
        return []
    su = np.maximum(first.cell_su, second.cell_su)
    free = su > 1e-9
    return list((np.abs(np.array(first.cell) - np.array(second.cell))[free] / su[free]).tolist())


def coordinate_pulls(first: RefinementRow, second: RefinementRow) -> list[float]:
    """The same of each free coordinate, the mean shift of all atoms taken out.

    Both structures keep the group, so their difference is invariant under it and its mean can only be a shift along a
    floating origin.
    """
    if not (first.coordinate_su and second.coordinate_su):
        return []
    delta = np.array(first.coords) - np.array(second.coords)
    delta -= np.rint(delta)
    su = np.maximum(first.coordinate_su, second.coordinate_su)
    free = su > 1e-7
    return list((np.abs(delta - delta.mean(axis=0))[free] / su[free]).tolist())


def measured_refinement_table(runs: Mapping[str, Sequence[RefinementRow]]) -> Table:
    """One line a pattern and refiner."""
    lines = []
    for name, rows in runs.items():
        for row in (row for row in rows if row.part == "measured"):
            su = row.cell_su or (0.0,) * 6
            lines.append(
                (
                    row.id,
                    name,
                    row.error or _number(row.r_wp, 100.0),
                    _number(row.r_wp_without_background, 100.0),
                    _number(row.gof),
                    _number(row.rms_after, 1.0, 4),
                    "  ".join(f"{value:.5f} ({error:.5f})" for value, error in zip(row.cell[:3], su[:3], strict=True)),
                    f"{row.seconds:.1f}",
                )
            )
    lines.sort(key=lambda line: line[0])
    return Table(
        title="Measured patterns, coordinates moved by 0.1 A; Rwp in %, primitive cell in A (su)",
        header=("pattern", "refiner", "Rwp", "Rwp without background", "GOF", "RMSE to reference", "a b c", "s"),
        rows=tuple(lines),
    )


def before_after_table(rows: Sequence[RefinementRow]) -> Table:
    """Figure 6 of the paper, small: one line a bin of the RMSE before refinement."""
    chosen = [row for row in rows if row.part == "candidates" and not row.error]
    edges = list(pairwise(BINS))
    bins = [(f"{low:g}-{high:g}", [r for r in chosen if _inside(r, low, high)]) for low, high in edges]
    bins.append(("no match", [row for row in chosen if row.rms_before is None]))
    lines = []
    for label, members in bins:
        if not members:
            continue
        home = sum(row.rms_after is not None and row.rms_after < HOME_RMS for row in members)
        worse = sum(is_worse(row) for row in members)
        matched = [row.rms_after for row in members if row.rms_after is not None]
        before = [row.rms_before for row in members if row.rms_before is not None]
        lines.append(
            (
                label,
                str(len(members)),
                _median(before, 3),
                _median(matched, 3),
                percent(wilson(Count(hits=home, n=len(members)))),
                percent(wilson(Count(hits=len(members) - len(matched), n=len(members)))),
                percent(wilson(Count(hits=worse, n=len(members)))),
            )
        )
    worse, known = sum(is_worse(row) for row in chosen), [row for row in chosen if row.rms_before is not None]
    total = percent(wilson(Count(hits=worse, n=len(known))))
    lines.append(("all that matched before", str(len(known)), "", "", "", "", total))
    return Table(
        title="RMSE in (V / N)^(1/3) before and after refinement, candidates in P1; % [95 % interval] (n)",
        header=(
            "before",
            "n",
            "median before",
            "median after (matched)",
            "below 0.02 after",
            "no match after",
            "worse",
        ),
        rows=tuple(lines),
    )


def is_worse(row: RefinementRow) -> bool:
    """Whether refinement led away from the truth."""
    if row.rms_before is None:
        return False
    return row.rms_after is None or row.rms_after > row.rms_before + WORSE


def _inside(row: RefinementRow, low: float, high: float) -> bool:
    return row.rms_before is not None and low <= row.rms_before < high


def percent(rate: Rate) -> str:
    """``"46.7 [37, 56] (120)"``."""
    return f"{100 * rate.share:.1f} [{100 * rate.low:.0f}, {100 * rate.high:.0f}] ({rate.n})"


def _median(values: Sequence[float | None], decimals: int) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known):.{decimals}f}" if known else ""


def _number(value: float | None, scale: float = 1.0, decimals: int = 2) -> str:
    return "" if value is None else f"{scale * value:.{decimals}f}"
