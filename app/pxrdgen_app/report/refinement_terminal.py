"""A refinement on the command line: agreement, cell, atoms, what else was refined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pxrdgen_app.report.formula import formula_text, short_symbol
from pxrdgen_app.report.numbers import fixed, percent, with_su
from pxrdgen_app.report.sites import sites
from pxrdgen_app.report.wording import quantity_text
from pxrdgen_solver.refinement.values import Refinement

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

_CELL = ("a", "b", "c", "α", "β", "γ")


def print_refinement(refinement: Refinement, console: Console) -> None:
    """Print the tables and the notes. Text from files is never read as rich markup."""
    console.print(render_refinement(refinement))


def render_refinement(refinement: Refinement) -> RenderableType:
    """Status line, agreement and cell, atoms, parameters, impurities, warnings and notes; fits 80 columns."""
    from rich.console import Group
    from rich.text import Text

    fit, candidate = refinement.fit, refinement.candidate
    words = f"  {formula_text(candidate.conventional)}, {short_symbol(candidate.space_group_symbol)}"
    if fit.message not in ("", "converged"):
        words += f"; {fit.message}"
    status = ("Converged", "bold green") if fit.converged else ("Not converged", "bold red")
    parts: list[RenderableType] = [Text.assemble(status, (words, ""))]
    parts += [Text(line) for line in _agreement(refinement)]
    parts += [Text(), _atoms(refinement)]
    shown = _parameters(refinement)
    if shown:
        parts += [Text(f"  {line}") for line in shown]
    for heading, entries in (("Warnings", candidate.warnings), ("Notes", refinement.notes)):
        if entries:
            parts += [Text(), Text(heading, style="bold"), *(Text(f"  - {entry}") for entry in entries)]
    return Group(*parts)


def _agreement(refinement: Refinement) -> list[str]:
    fit, candidate = refinement.fit, refinement.candidate
    relative = " (relative: sigma is an estimate)" if refinement.noise == "estimated" else ""
    values, errors = candidate.conventional.cell.parameters, candidate.conventional_cell_su or (0.0,) * 6
    cell = [f"{name} {with_su(v, su, 4)}" for name, v, su in zip(_CELL[:3], values[:3], errors[:3], strict=True)]
    angles = [f"{name} {with_su(v, su, 2)}" for name, v, su in zip(_CELL[3:], values[3:], errors[3:], strict=True)]
    return [
        f"  Rwp {percent(fit.r_wp)} ({percent(fit.r_wp_without_background)} without background), "
        f"Rexp {percent(fit.r_exp)}, GOF {fixed(fit.gof, 2)}{relative}",
        f"  {', '.join(cell)} Å",
        f"  {', '.join(angles)}°, V {fixed(candidate.conventional.volume, 2)} Å³",
    ]


def _atoms(refinement: Refinement) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("Site", no_wrap=True)
    table.add_column("Wyckoff", no_wrap=True)
    for name in ("x", "y", "z", "Uiso (Å²)"):
        table.add_column(name, justify="right", no_wrap=True)
    for site in sites(refinement.candidate):
        errors = site.coordinate_su or (0.0, 0.0, 0.0)
        table.add_row(
            site.label,
            f"{site.multiplicity}{site.wyckoff_letter or ''}",
            *(with_su(value, su, 4) for value, su in zip(site.frac_coords, errors, strict=True)),
            with_su(site.u_iso, site.u_iso_su, 4),
        )
    return table


def _parameters(refinement: Refinement) -> list[str]:
    fit = refinement.fit
    lines = []
    for entry in fit.quantities:
        if entry.told:
            words = f"{entry.label} {quantity_text(entry, 4)} {entry.unit}".rstrip()
            if entry.direction is not None:
                words += f" along ({' '.join(map(str, refinement.conventional_axis(entry.direction)))})"
            lines.append(words)
    for phase in fit.impurities:
        name = phase.crystal.name or phase.crystal.formula
        errors = phase.cell_su or (0.0,) * 6
        cell = " ".join(with_su(v, s, 4) for v, s in zip(phase.crystal.cell.parameters[:3], errors[:3], strict=True))
        lines.append(f"impurity {name}: {percent(phase.weight_fraction)} by weight, a b c {cell} Å")
    return lines
