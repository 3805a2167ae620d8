"""``result.json`` of a refinement."""

from __future__ import annotations

import json

from pxrdgen_app.report.formula import formula_text
from pxrdgen_app.report.json import RESULT_VERSION, Json, candidate_json, plain
from pxrdgen_solver.refinement.values import Refinement


def refinement_json(refinement: Refinement) -> dict[str, Json]:
    """JSON values: lengths in A, angles in degrees, R factors as fractions, ``null`` for inf and nan."""
    fit = refinement.fit
    candidate = candidate_json(refinement.candidate)
    for key in ("rank", "origin", "score"):
        candidate.pop(key)
    impurities = [
        {
            "name": phase.crystal.name,
            "formula": formula_text(phase.crystal),
            "cell": phase.crystal.cell.parameters,
            "cell_su": phase.cell_su,
            "scale": phase.scale,
            "scale_su": phase.scale_su,
            "weight_fraction": phase.weight_fraction,
        }
        for phase in fit.impurities
    ]
    rest = {
        "version": RESULT_VERSION,
        "kind": "refinement",
        "converged": fit.converged,
        "points": None if fit.curves is None else len(fit.curves.two_theta),
        "num_parameters": fit.num_parameters,
        "noise": refinement.noise,
        "texture_axis": refinement.texture_axis(),
        "impurities": impurities,
        "notes": refinement.notes,
        "provenance": refinement.provenance,
    }
    return {**candidate, **{key: plain(value) for key, value in rest.items()}}


def refinement_text(refinement: Refinement) -> str:
    """:func:`refinement_json` as text, keys sorted, one trailing newline."""
    return json.dumps(refinement_json(refinement), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
