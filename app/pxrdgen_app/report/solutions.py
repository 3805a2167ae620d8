"""A solution as a folder: checked, written aside, put in place when complete."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from pxrdgen.values.solution import Candidate, Solution
from pxrdgen_app.report.folder import write_solution
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_files.cif_write import cif_text
from pxrdgen_files.folders import result_folder


def save_solution(
    solution: Solution,
    path: str | Path,
    *,
    force: bool = False,
    title: str = "",
    pattern_facts: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Write ``solution`` as a new folder with a CIF a candidate, result.json, plot and report.

    Args:
        path: the folder to make.
        force: replace a folder of that name.
        title: heading of the report and data name in the CIFs.
        pattern_facts: lines about the measurement for the report.

    Returns:
        Names of the files in it.

    Raises:
        OutputError: the folder exists or cannot be written.
    """
    texts = [candidate_cif(candidate, title=title) for candidate in solution.candidates]
    with result_folder(path, force=force) as folder:
        files = write_solution(solution, folder, cif_texts=texts, title=title, pattern_facts=pattern_facts)
    return tuple(file.name for file in files)


def candidate_cif(candidate: Candidate, *, title: str = "") -> str:
    """The CIF of a candidate: conventional cell, operators of its setting, uncertainties, R factors, warnings."""
    fit = candidate.refinement
    factors = {"r_wp": fit.r_wp, "r_p": fit.r_p, "r_exp": fit.r_exp, "gof": fit.gof}
    return cif_text(
        candidate.conventional,
        parse_space_group(candidate.space_group_symbol),
        cell_su=candidate.conventional_cell_su,
        coordinate_su=candidate.conventional_coordinate_su,
        u_iso_su=candidate.conventional_u_su,
        r_factors={name: value for name, value in factors.items() if math.isfinite(value)},
        title=title,
        notes=candidate.warnings,
    )
