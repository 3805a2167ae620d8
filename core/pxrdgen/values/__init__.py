"""The values that cross borders: frozen, keyword-only, shapes and units in their docstrings.

The names below are imported when first used, because some of them bring torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pxrdgen.lazy import door

if TYPE_CHECKING:
    from pxrdgen.values.candidates import *  # noqa: F403
    from pxrdgen.values.cell import *  # noqa: F403
    from pxrdgen.values.cells import *  # noqa: F403
    from pxrdgen.values.citation import *  # noqa: F403
    from pxrdgen.values.composition import *  # noqa: F403
    from pxrdgen.values.crystal import *  # noqa: F403
    from pxrdgen.values.crystal_batch import *  # noqa: F403
    from pxrdgen.values.group_candidate import *  # noqa: F403
    from pxrdgen.values.instrument import *  # noqa: F403
    from pxrdgen.values.intensity_target import *  # noqa: F403
    from pxrdgen.values.pattern import *  # noqa: F403
    from pxrdgen.values.pattern_batch import *  # noqa: F403
    from pxrdgen.values.prepared_pattern import *  # noqa: F403
    from pxrdgen.values.problem import *  # noqa: F403
    from pxrdgen.values.refinement import *  # noqa: F403
    from pxrdgen.values.solution import *  # noqa: F403
    from pxrdgen.values.space_group import *  # noqa: F403
    from pxrdgen.values.symmetrised_crystal import *  # noqa: F403

__getattr__, _NAMES = door(
    __name__,
    {
        "pxrdgen.values.candidates": "CandidateBatch GroupTrial",
        "pxrdgen.values.cell": "UnitCell",
        "pxrdgen.values.cells": "CellAnswer CellHypothesis CellProblem ConventionalCell",
        "pxrdgen.values.citation": "Citation",
        "pxrdgen.values.composition": "Composition",
        "pxrdgen.values.crystal": "Crystal",
        "pxrdgen.values.crystal_batch": "CrystalBatch",
        "pxrdgen.values.group_candidate": "GroupCandidate",
        "pxrdgen.values.instrument": "Instrument LABORATORY Radiation",
        "pxrdgen.values.intensity_target": "IntensityTarget",
        "pxrdgen.values.pattern": "PowderPattern",
        "pxrdgen.values.pattern_batch": "PatternBatch PatternFeatures QGrid",
        "pxrdgen.values.prepared_pattern": "PeakList PreparedPattern",
        "pxrdgen.values.problem": "StructureProblem",
        "pxrdgen.values.refinement": "Measurement ProfileCurves RefinedImpurity RefinedQuantity RefinementResult"
        " RefinementStart",
        "pxrdgen.values.solution": "Candidate Evidence Solution Verdict",
        "pxrdgen.values.space_group": "SpaceGroup",
        "pxrdgen.values.symmetrised_crystal": "SymmetrisedCrystal",
    },
)
__all__ = [*_NAMES]
