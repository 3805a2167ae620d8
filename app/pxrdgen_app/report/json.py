"""``result.json``: a solution as plain, finite JSON, every number of every candidate."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import TypeAlias

import numpy as np

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import SYMBOLS
from pxrdgen.values.refinement import RefinementResult
from pxrdgen.values.solution import Candidate, Evidence, Solution
from pxrdgen_app.report.formula import formula_text, formula_units
from pxrdgen_app.report.sites import Site, sites

#: Version of the layout below; keys may be added without raising it.
RESULT_VERSION = 1

_CELL_NAMES = ("a", "b", "c", "alpha", "beta", "gamma")
_LIFTED = ("spec", "versions", "seed", "citations")

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


def result_json(solution: Solution) -> dict[str, Json]:
    """The solution as JSON values: lengths in A, angles in degrees, R factors as fractions, ``null`` for inf and nan.

    ``spec``, ``versions``, ``seed`` and ``citations`` are lifted out of the provenance; the rest of it stays under
    ``provenance``.
    """
    lifted = {key: plain(solution.provenance.get(key)) for key in _LIFTED}
    rest = {key: value for key, value in solution.provenance.items() if key not in _LIFTED}
    best = solution.best
    return {
        "version": RESULT_VERSION,
        **lifted,
        "verdict": solution.verdict.value,
        "interrupted": solution.interrupted,
        "formula": None if best is None else formula_text(best.conventional),
        "evidence": None if solution.evidence is None else _evidence(solution.evidence),
        "notes": plain(solution.notes),
        "space_groups": [plain(trial) for trial in solution.groups],
        "candidates": [candidate_json(candidate, rank) for rank, candidate in enumerate(solution.candidates, start=1)],
        "provenance": plain(rest),
    }


def result_text(solution: Solution) -> str:
    """:func:`result_json` as text, keys sorted, one trailing newline."""
    return json.dumps(result_json(solution), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def plain(value: object) -> Json:
    """Any value as JSON: arrays become lists, numbers finite or ``None``, everything unknown its text."""
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        # file names may hold bytes that are no UTF-8; they become question marks
        return value.encode("utf-8", "replace").decode("utf-8")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(plain(str(key))): plain(entry) for key, entry in value.items()}
    if isinstance(value, PurePath):
        return plain(str(value))
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        entries = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [plain(entry) for entry in entries]
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    return plain(str(value))


def _evidence(evidence: Evidence) -> Json:
    return plain(
        {
            "gof": evidence.gof,
            "excess": evidence.excess,
            "gap": evidence.gap,
            "shortest_contact": evidence.shortest_contact,
            "unexplained": evidence.unexplained,
            "misfit": evidence.misfit,
            "freedom": evidence.freedom,
            "oddness": evidence.oddness,
            "reasons": evidence.reasons,
        }
    )


def candidate_json(candidate: Candidate, rank: int = 1) -> dict[str, Json]:
    """One candidate with its fit, its primitive and its conventional cell."""
    return {
        key: plain(value)
        for key, value in {
            "rank": rank,
            "origin": candidate.origin,
            "score": candidate.score,
            "formula": formula_text(candidate.conventional),
            "space_group_number": candidate.space_group_number,
            "space_group_symbol": candidate.space_group_symbol,
            "warnings": candidate.warnings,
            "refinement": _refinement(candidate.refinement),
            "primitive": {
                **_crystal(candidate.crystal, candidate.refinement.cell_su),
                "atoms": _atoms(candidate.crystal, candidate.refinement.coordinate_su),
            },
            "conventional": {
                **_crystal(candidate.conventional, candidate.conventional_cell_su),
                "sites": [_site(site) for site in sites(candidate)],
                "atoms": _atoms(candidate.conventional, candidate.conventional_coordinate_su),
            },
        }.items()
    }


def _refinement(refinement: RefinementResult) -> dict[str, object]:
    return {
        "r_wp": refinement.r_wp,
        "r_p": refinement.r_p,
        "r_exp": refinement.r_exp,
        "gof": refinement.gof,
        "r_wp_without_background": refinement.r_wp_without_background,
        "parameters": refinement.parameters,
        "parameter_su": refinement.parameter_su,
        "directions": {entry.name: entry.direction for entry in refinement.quantities if entry.direction is not None},
        "converged": refinement.converged,
        "message": refinement.message,
    }


def _crystal(crystal: Crystal, cell_su: tuple[float, ...] | None) -> dict[str, object]:
    return {
        "cell": _cell(crystal.cell),
        "cell_su": None if cell_su is None else dict(zip(_CELL_NAMES, cell_su, strict=True)),
        "volume": crystal.volume,
        "formula_units_z": formula_units(crystal),
        "basis": crystal.basis,
    }


def _cell(cell: UnitCell) -> dict[str, float]:
    return dict(zip(_CELL_NAMES, cell.parameters, strict=True))


def _atoms(crystal: Crystal, coordinate_su: np.typing.NDArray[np.float64] | None) -> list[dict[str, object]]:
    return [
        {
            "symbol": SYMBOLS[int(crystal.species[row])],
            "frac_coords": crystal.frac_coords[row],
            "coordinate_su": None if coordinate_su is None else coordinate_su[row],
            "u_iso": None if crystal.u_iso is None else float(crystal.u_iso[row]),
        }
        for row in range(len(crystal))
    ]


def _site(site: Site) -> dict[str, object]:
    return {
        "label": site.label,
        "symbol": site.symbol,
        "multiplicity": site.multiplicity,
        "wyckoff_letter": site.wyckoff_letter,
        "frac_coords": site.frac_coords,
        "coordinate_su": site.coordinate_su,
        "u_iso": site.u_iso,
        "u_iso_su": site.u_iso_su,
    }
