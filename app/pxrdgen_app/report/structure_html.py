"""One candidate on the page: key facts, atoms, refined parameters, warnings."""

from __future__ import annotations

import math

from pxrdgen.values.elements import SYMBOLS
from pxrdgen.values.refinement import RefinementResult
from pxrdgen.values.solution import Candidate
from pxrdgen_app.report.formula import formula_units
from pxrdgen_app.report.markup import bullets, escape, facts, formula_html, row, space_group_html, table
from pxrdgen_app.report.numbers import MISSING, fixed, percent, with_su
from pxrdgen_app.report.sites import Site
from pxrdgen_app.report.wording import quantity_text

_AXES = ("<i>a</i>", "<i>b</i>", "<i>c</i>")
_ANGLES = ("α", "β", "γ")


def structure_html(candidate: Candidate, sites: tuple[Site, ...], index: int) -> str:
    """The article of candidate ``index`` (0 is the best and the only one visible at first)."""
    hidden = "" if index == 0 else " hidden"
    warnings = bullets(candidate.warnings)
    return (
        f'<article data-candidate="{index}"{hidden}>'
        f"{_key_facts(candidate)}"
        f"{f'<div class=warnings><h3>Warnings</h3>{warnings}</div>' if warnings else ''}"
        f"{_site_table(sites)}"
        f"{_parameters(candidate)}"
        f"{_refined_cell(candidate)}"
        "</article>"
    )


def _key_facts(candidate: Candidate) -> str:
    crystal, fit = candidate.conventional, candidate.refinement
    su = candidate.conventional_cell_su or (0.0,) * 6
    values = crystal.cell.parameters
    lengths = " ".join(f"<span>{_AXES[i]} = {with_su(values[i], su[i], 4)}</span>" for i in range(3))
    angles = " ".join(f"<span>{_ANGLES[i]} = {with_su(values[3 + i], su[3 + i], 3)}</span>" for i in range(3))
    pairs = [
        ("Formula", f"{formula_html(crystal)}, <i>Z</i> = {formula_units(crystal)}"),
        ("Space group", f"{space_group_html(candidate.space_group_symbol)} (No. {candidate.space_group_number})"),
        ("Cell / Å", f'<span class="six">{lengths}</span>'),
        ("Angles / °", f'<span class="six">{angles}</span>'),
        ("Volume", f"{fixed(crystal.volume, 2)} Å³"),
        (
            "R factors",
            f"R<sub>wp</sub> {percent(fit.r_wp)}, R<sub>p</sub> {percent(fit.r_p)}, "
            f"R<sub>exp</sub> {percent(fit.r_exp)}{_without_background(fit)}",
        ),
        ("Goodness of fit", fixed(fit.gof, 2)),
        ("Refinement", escape(fit.message or ("converged" if fit.converged else "did not converge"))),
    ]
    return facts(pairs)


def _without_background(fit: RefinementResult) -> str:
    if not math.isfinite(fit.r_wp_without_background):
        return ""
    return f'<span class="hint">R<sub>wp</sub> without background {percent(fit.r_wp_without_background)}</span>'


def _site_table(sites: tuple[Site, ...]) -> str:
    rows = []
    for site in sites:
        su = site.coordinate_su or (0.0, 0.0, 0.0)
        wyckoff = f"{site.multiplicity}<i>{escape(site.wyckoff_letter)}</i>" if site.wyckoff_letter else MISSING
        cells = (
            escape(site.label),
            wyckoff,
            *(with_su(value, error, 4) for value, error in zip(site.frac_coords, su, strict=True)),
            with_su(site.u_iso, site.u_iso_su, 4),
        )
        rows.append(row(cells, text_columns=2))
    head = ("Site", "Wyckoff", "<i>x</i>", "<i>y</i>", "<i>z</i>", "U<sub>iso</sub> / Å²")
    note = (
        "<p class=small>Conventional cell, one atom a site. Standard uncertainties in brackets where refined.</p>"
        if any(site.wyckoff_letter for site in sites)
        else "<p class=small>Conventional cell, all atoms. Standard uncertainties in brackets where refined.</p>"
    )
    return f"<h3>Atoms</h3>{table(head, rows, text_columns=2)}{note}"


def _parameters(candidate: Candidate) -> str:
    rows = []
    for entry in candidate.refinement.quantities:
        label = escape(entry.label)
        if entry.direction is not None:
            label += f" along ({' '.join(map(str, entry.direction))}) of the primitive cell"
        rows.append(row((label, quantity_text(entry), escape(entry.unit)), text_columns=1))
    if not rows:
        return ""
    body = table(("Parameter", "Value", "Unit"), rows)
    return f"<details><summary>Refined parameters ({len(rows)})</summary>{body}</details>"


def _refined_cell(candidate: Candidate) -> str:
    """The primitive cell as refined, with the uncertainties exactly as the refinement gave them."""
    crystal, fit = candidate.crystal, candidate.refinement
    cell_su = fit.cell_su or (0.0,) * 6
    lengths = ", ".join(
        with_su(value, su, 4) for value, su in zip(crystal.cell.parameters[:3], cell_su[:3], strict=True)
    )
    angles = ", ".join(
        with_su(value, su, 3) for value, su in zip(crystal.cell.parameters[3:], cell_su[3:], strict=True)
    )
    rows = []
    for index in range(len(crystal)):
        errors = (0.0, 0.0, 0.0) if fit.coordinate_su is None else fit.coordinate_su[index]
        cells = (
            SYMBOLS[int(crystal.species[index])],
            *(with_su(float(x), float(su), 4) for x, su in zip(crystal.frac_coords[index], errors, strict=True)),
            fixed(None if crystal.u_iso is None else float(crystal.u_iso[index]), 4),
        )
        rows.append(row(cells))
    head = ("Atom", "<i>x</i>", "<i>y</i>", "<i>z</i>", "U<sub>iso</sub> / Å²")
    return (
        f"<details><summary>Primitive cell as refined ({len(crystal)} atoms)</summary>"
        f"<p class=small>{lengths} Å; {angles}°</p>{table(head, rows)}</details>"
    )
