"""The values that cross borders: frozen, keyword-only, shapes and units in their docstrings.

The names below are imported when first used, because some of them bring torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pxrdgen.lazy import door

if TYPE_CHECKING:
    from pxrdgen.values.candidates import CandidateBatch as CandidateBatch
    from pxrdgen.values.candidates import GroupTrial as GroupTrial
    from pxrdgen.values.cell import UnitCell as UnitCell
    from pxrdgen.values.cells import CellAnswer as CellAnswer
    from pxrdgen.values.cells import CellHypothesis as CellHypothesis
    from pxrdgen.values.cells import CellProblem as CellProblem
    from pxrdgen.values.cells import ConventionalCell as ConventionalCell
    from pxrdgen.values.citation import Citation as Citation
    from pxrdgen.values.composition import Composition as Composition
    from pxrdgen.values.crystal import Crystal as Crystal
    from pxrdgen.values.crystal_batch import CrystalBatch as CrystalBatch
    from pxrdgen.values.group_candidate import GroupCandidate as GroupCandidate
    from pxrdgen.values.instrument import LABORATORY as LABORATORY
    from pxrdgen.values.instrument import Instrument as Instrument
    from pxrdgen.values.instrument import Radiation as Radiation
    from pxrdgen.values.instrument import named_instrument as named_instrument
    from pxrdgen.values.instrument import radiation_from as radiation_from
    from pxrdgen.values.intensity_target import IntensityTarget as IntensityTarget
    from pxrdgen.values.pattern import PowderPattern as PowderPattern
    from pxrdgen.values.pattern_batch import PatternBatch as PatternBatch
    from pxrdgen.values.pattern_batch import PatternFeatures as PatternFeatures
    from pxrdgen.values.pattern_batch import QGrid as QGrid
    from pxrdgen.values.prepared_pattern import PeakList as PeakList
    from pxrdgen.values.prepared_pattern import PreparedPattern as PreparedPattern
    from pxrdgen.values.problem import StructureProblem as StructureProblem
    from pxrdgen.values.refinement import Measurement as Measurement
    from pxrdgen.values.refinement import ProfileCurves as ProfileCurves
    from pxrdgen.values.refinement import RefinedImpurity as RefinedImpurity
    from pxrdgen.values.refinement import RefinedQuantity as RefinedQuantity
    from pxrdgen.values.refinement import RefinementResult as RefinementResult
    from pxrdgen.values.refinement import RefinementStart as RefinementStart
    from pxrdgen.values.solution import Candidate as Candidate
    from pxrdgen.values.solution import Evidence as Evidence
    from pxrdgen.values.solution import Solution as Solution
    from pxrdgen.values.solution import Verdict as Verdict
    from pxrdgen.values.space_group import SpaceGroup as SpaceGroup
    from pxrdgen.values.space_group import parse_space_group as parse_space_group
    from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal as SymmetrisedCrystal

_MODULES = {
    "candidates": "CandidateBatch GroupTrial",
    "cell": "UnitCell",
    "cells": "CellAnswer CellHypothesis CellProblem ConventionalCell",
    "citation": "Citation",
    "composition": "Composition",
    "crystal": "Crystal",
    "crystal_batch": "CrystalBatch",
    "group_candidate": "GroupCandidate",
    "instrument": "Instrument LABORATORY Radiation named_instrument radiation_from",
    "intensity_target": "IntensityTarget",
    "pattern": "PowderPattern",
    "pattern_batch": "PatternBatch PatternFeatures QGrid",
    "prepared_pattern": "PeakList PreparedPattern",
    "problem": "StructureProblem",
    "refinement": "Measurement ProfileCurves RefinedImpurity RefinedQuantity RefinementResult RefinementStart",
    "solution": "Candidate Evidence Solution Verdict",
    "space_group": "SpaceGroup parse_space_group",
    "symmetrised_crystal": "SymmetrisedCrystal",
}
_HOMES = {name: f"{__name__}.{module}" for module, names in _MODULES.items() for name in names.split()}

__all__ = [*_HOMES]
__getattr__ = door(__name__, _HOMES)
