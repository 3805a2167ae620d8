"""The folder of a refinement: refined.cif, result.json, report.html, rietveld.png and rietveld.csv."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from pxrdgen_app.report.folder import curves_csv
from pxrdgen_app.report.formula import formula_text, short_symbol, with_subscripts
from pxrdgen_app.report.refinement_html import refinement_html
from pxrdgen_app.report.refinement_json import refinement_text
from pxrdgen_app.report.rietveld_plot import rietveld_png
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_files.cif_powder import with_powder_items
from pxrdgen_files.cif_write import cif_text
from pxrdgen_files.folders import result_folder
from pxrdgen_solver.refinement.values import Refinement


def save_refinement(
    refinement: Refinement,
    path: str | Path,
    *,
    refiner: str,
    force: bool = False,
    title: str = "",
    pattern_facts: Mapping[str, str] | None = None,
    excluded: Sequence[tuple[float, float]] = (),
) -> tuple[str, ...]:
    """Write everything of ``refinement`` as a new folder, complete or not at all.

    Args:
        path: the folder to make.
        refiner: the program, for the CIF.
        force: replace a folder of that name.
        title: heading of the report and data name of the CIF; the formula when empty.
        pattern_facts: lines about the measurement for the report.
        excluded: 2theta ranges (degrees) left out, for the CIF.

    Returns:
        Names of the files in it.

    Raises:
        OutputError: the folder exists or cannot be written.
    """
    fit, candidate = refinement.fit, refinement.candidate
    title = title or formula_text(candidate.conventional)
    plot = None
    files: dict[str, bytes] = {"refined.cif": refined_cif(refinement, refiner, title, excluded).encode()}
    files["result.json"] = refinement_text(refinement).encode()
    if fit.curves is not None:
        heading = f"{with_subscripts(formula_text(candidate.conventional))}   "
        heading += short_symbol(candidate.space_group_symbol)
        plot = rietveld_png(fit.curves, title=heading, r_wp=fit.r_wp, gof=fit.gof, sqrt_panel=True)
        files["rietveld.png"] = plot
        files["rietveld.csv"] = curves_csv(fit.curves).encode()
    files["report.html"] = refinement_html(refinement, title=title, pattern_facts=pattern_facts, plot=plot).encode()
    with result_folder(path, force=force) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
    return tuple(files)


def refined_cif(
    refinement: Refinement, refiner: str, title: str = "", excluded: Sequence[tuple[float, float]] = ()
) -> str:
    """The CIF: conventional cell, operators of its setting, uncertainties, agreement, radiation, range and profile."""
    fit, candidate = refinement.fit, refinement.candidate
    factors = {"r_wp": fit.r_wp, "r_p": fit.r_p, "r_exp": fit.r_exp, "gof": fit.gof}
    text = cif_text(
        candidate.conventional,
        parse_space_group(candidate.space_group_symbol),
        cell_su=candidate.conventional_cell_su,
        coordinate_su=candidate.conventional_coordinate_su,
        u_iso_su=candidate.conventional_u_su,
        r_factors={name: value for name, value in factors.items() if math.isfinite(value)},
        title=title,
        notes=candidate.warnings,
    )
    return with_powder_items(
        text,
        fit,
        refinement.measurement.instrument,
        refiner=refiner,
        axis=refinement.texture_axis(),
        excluded=excluded,
    )
