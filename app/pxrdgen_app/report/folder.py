"""The result folder: a CIF a candidate, result.json, the Rietveld plot and its numbers, the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pxrdgen.errors import OutputError
from pxrdgen.values.refinement import ProfileCurves
from pxrdgen.values.solution import Solution
from pxrdgen_app.report.formula import formula_text, short_symbol, with_subscripts
from pxrdgen_app.report.html import report_html
from pxrdgen_app.report.json import result_text
from pxrdgen_app.report.rietveld_plot import rietveld_png


def write_solution(
    solution: Solution,
    directory: Path,
    *,
    cif_texts: Sequence[str],
    plots: bool = True,
    title: str = "",
    pattern_facts: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Write everything a user keeps of ``solution`` into an existing ``directory``.

    ``candidate_01.cif`` and so on in ranked order, ``result.json``, ``report.html``; with ``plots`` also
    ``rietveld.png`` and ``rietveld.csv`` (two_theta, observed, calculated, background, difference, sigma) of the
    best candidate, where its refinement gave curves.

    Args:
        solution: what to write.
        directory: exists and is writable; files in the way are replaced.
        cif_texts: one CIF a candidate, same order.
        plots: whether to draw the plot.
        title: heading of the report; the formula of the best candidate when empty.
        pattern_facts: lines about the measurement for the report.

    Returns:
        The files written.

    Raises:
        ValueError: not one CIF a candidate.
        OutputError: a file cannot be written.
    """
    if len(cif_texts) != len(solution.candidates):
        raise ValueError(f"got {len(cif_texts)} CIF texts for {len(solution.candidates)} candidates; give one each")
    best = solution.best
    title = title or (formula_text(best.conventional) if best else "Crystal structure")
    files: dict[str, bytes] = {
        f"candidate_{rank:02d}.cif": text.encode() for rank, text in enumerate(cif_texts, start=1)
    }
    files["result.json"] = result_text(solution).encode()
    plot = None
    if plots and best is not None and best.refinement.curves is not None:
        heading = f"{with_subscripts(formula_text(best.conventional))}   {short_symbol(best.space_group_symbol)}"
        fit = best.refinement
        plot = rietveld_png(best.refinement.curves, title=heading, r_wp=fit.r_wp, gof=fit.gof, sqrt_panel=True)
        files["rietveld.png"] = plot
        files["rietveld.csv"] = curves_csv(best.refinement.curves).encode()
    files["report.html"] = report_html(solution, title=title, pattern_facts=pattern_facts or {}, plot=plot).encode()
    return tuple(_write(directory / name, content) for name, content in files.items())


def _write(path: Path, content: bytes) -> Path:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise OutputError(
            f"got {path}, which cannot be written ({error.strerror}); choose a writable folder"
        ) from error
    return path


def curves_csv(curves: ProfileCurves) -> str:
    """One line a point, a header first."""
    columns = {
        "two_theta": curves.two_theta,
        "observed": curves.observed,
        "calculated": curves.calculated,
        "background": curves.background,
        "difference": curves.difference,
        "sigma": curves.sigma,
    }
    rows = np.column_stack(list(columns.values()))
    lines = [",".join(columns), *(",".join(f"{value:.8g}" for value in row) for row in rows)]
    return "\n".join(lines) + "\n"
