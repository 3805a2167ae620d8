"""The ranked answer to a structure problem: candidates, what the verdict rests on, the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.candidates import GroupTrial
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.refinement import RefinementResult

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One entry of the ranked answer.

    Args:
        refinement: the fit to the whole profile, with the structure it led to (primitive Niggli cell).
        origin: name of the generator that proposed it.
        space_group_number: of the symmetrised structure, 1-230.
        space_group_symbol: Hermann-Mauguin symbol of that group in the setting of the CIF.
        conventional: the structure with all atoms of the conventional cell, in the user's setting where one was given.
        score: what ranking sorted by, lower is better; from the pattern and the candidate alone.
        warnings: sentences for the report (short contacts, atoms hardly seen, ...).
        conventional_cell_su: standard uncertainties of the conventional a b c (A) alpha beta gamma (degrees).
        conventional_coordinate_su: [M, 3] of the conventional fractional coordinates; 0 where fixed.
        conventional_u_su: [M] standard uncertainties of the conventional atoms' Uiso (A^2); 0 where held.
    """

    refinement: RefinementResult
    origin: str
    space_group_number: int
    space_group_symbol: str
    conventional: Crystal
    score: float
    warnings: tuple[str, ...] = ()
    conventional_cell_su: tuple[float, ...] | None = None
    conventional_coordinate_su: FloatArray | None = None
    conventional_u_su: FloatArray | None = None

    @property
    def crystal(self) -> Crystal:
        """The refined structure, primitive cell."""
        return self.refinement.crystal


class Verdict(StrEnum):
    """How far the answer can be trusted, from the pattern alone."""

    SOLVED = "solved"
    PROBABLE = "probable"
    NOT_SOLVED = "not solved"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the verdict rests on.

    Args:
        gof: of the best candidate, against the counting statistics (relative when sigma is an estimate).
        excess: (r_wp of the best) / (r_wp of a fit with free intensities in the same cell), 1 is perfect.
        gap: (score of the best different structure) - (score of the best); infinite when there is none.
        shortest_contact: smallest distance over sum of radii in the best candidate.
        unexplained: share of the peak intensity that even free line intensities in the cell leave over beyond noise.
        reasons: sentences that say what decided.
        misfit: share of the peak intensity that the structure leaves over, or invents, beyond noise.
        freedom: free coordinates of the structure over lines that stand out from the noise.
        oddness: mean cost of its bond valences, 0 where none are known.
    """

    gof: float
    excess: float
    gap: float
    shortest_contact: float
    unexplained: float
    reasons: tuple[str, ...] = ()
    misfit: float = 0.0
    freedom: float = 0.0
    oddness: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Solution:
    """The ranked answer to one structure problem.

    Args:
        candidates: best first; may be empty.
        verdict: solved, probable or not solved.
        evidence: what the verdict rests on; ``None`` without candidates.
        provenance: resolved spec, seed, versions, timings: everything needed to repeat the run.
        notes: sentences for the user (repairs, assumptions, what to try next).
        interrupted: whether the search was cut short and this is the best so far.
        groups: space groups that were searched, the best fit first.
    """

    candidates: Sequence[Candidate]
    verdict: Verdict
    evidence: Evidence | None
    provenance: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    interrupted: bool = False
    groups: tuple[GroupTrial, ...] = ()

    @property
    def best(self) -> Candidate | None:
        """The first candidate, if there is one."""
        return self.candidates[0] if self.candidates else None
