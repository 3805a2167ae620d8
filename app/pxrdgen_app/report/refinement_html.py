"""``report.html`` of a refinement: agreement, structure, plot, refined parameters with their uncertainties."""

from __future__ import annotations

from collections.abc import Mapping

from pxrdgen_app.report.html import provenance_section, scenes, structure_section
from pxrdgen_app.report.markup import bullets, escape, facts, row, table
from pxrdgen_app.report.numbers import MISSING, fixed, percent, with_su
from pxrdgen_app.report.page import asset, header, page, plot_section, viewer_licence
from pxrdgen_app.report.sites import sites
from pxrdgen_solver.refinement.values import Refinement


def refinement_html(
    refinement: Refinement, *, title: str, pattern_facts: Mapping[str, str] | None = None, plot: bytes | None = None
) -> str:
    """The page as text; it loads nothing.

    Args:
        title: heading.
        pattern_facts: lines about the measurement.
        plot: the Rietveld plot as PNG; left out when ``None``.
    """
    candidates = (refinement.candidate,)
    tables = [sites(refinement.candidate)]
    body = [
        header(title, pattern_facts or {}),
        "<main>",
        _agreement(refinement),
        structure_section(candidates, tables),
        plot_section(plot, ""),
        _impurities(refinement),
        f'<section class="notes"><h2>Notes</h2>{bullets(refinement.notes)}</section>' if refinement.notes else "",
        provenance_section(refinement.provenance),
        "</main>",
        f'<script type="application/json" id="scenes">{scenes(candidates, tables)}</script>',
        viewer_licence(),
    ]
    return page(title, "\n".join(part for part in body if part), [asset("3Dmol-min.js"), asset("report.js")])


def _agreement(refinement: Refinement) -> str:
    fit = refinement.fit
    relative = " (relative: the uncertainties are an estimate)" if refinement.noise == "estimated" else ""
    numbers = (
        ("Rwp", percent(fit.r_wp), "background included"),
        ("Rwp without background", percent(fit.r_wp_without_background), "background subtracted from the observed"),
        ("Rexp", percent(fit.r_exp), f"what noise alone leaves{relative}"),
        ("Goodness of fit", fixed(fit.gof, 2), "Rwp / Rexp"),
        ("Parameters", str(fit.num_parameters or MISSING), "refined"),
    )
    shown = facts(
        ((name, f'{escape(value)}<span class="hint">{escape(hint)}</span>') for name, value, hint in numbers),
        "measures",
    )
    css, mark = ("solved", "\N{CHECK MARK}") if fit.converged else ("unsolved", "\N{MULTIPLICATION SIGN}")
    word = "Converged" if fit.converged else "Not converged"
    return (
        f'<section class="verdict {css}" aria-label="Refinement"><div class="mark" aria-hidden="true">{mark}</div>'
        f'<div class="words"><h2>{word}</h2><p>{escape(fit.message)}</p></div>{shown}</section>'
    )


def _impurities(refinement: Refinement) -> str:
    phases = refinement.fit.impurities
    if not phases:
        return ""
    rows = [
        row(
            (
                escape(phase.crystal.name or phase.crystal.formula),
                percent(phase.weight_fraction),
                *(
                    with_su(value, su, 4)
                    for value, su in zip(phase.crystal.cell.parameters, phase.cell_su or (0.0,) * 6, strict=True)
                ),
            )
        )
        for phase in phases
    ]
    head = ("Crystal", "weight", "<i>a</i>", "<i>b</i>", "<i>c</i> / Å", "α", "β", "γ / °")
    return f"<section><h2>Impurities</h2>{table(head, rows)}</section>"
