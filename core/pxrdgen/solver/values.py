"""What the solve loop hands around: candidates, refinement results, the ranked solution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pxrdgen.crystal import Crystal

if TYPE_CHECKING:
    from torch import Tensor

    from pxrdgen.instrument import Instrument
    from pxrdgen.symmetry.symmetrise import SymmetrisedCrystal

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CandidateBatch:
    """M arrangements of the same atoms in the same cell (the problem's species and basis).

    Args:
        frac_coords: [M, N, 3] fractional coordinates.
        origin: [M] name of the generator each came from.
        prior_score: [M] log-probability-like score of the proposing model, higher is likelier; ``None`` without one.
        freedom: [M] coordinates each arrangement's symmetry leaves free, where the generator knows; else ``None``.
        constraint: for each arrangement the directions [3 N, P] its coordinates may move in (orthonormal columns), or
            ``None`` for all; ``None`` altogether when no arrangement is constrained.
    """

    frac_coords: Tensor
    origin: tuple[str, ...]
    prior_score: Tensor | None = None
    freedom: Tensor | None = None
    constraint: tuple[Tensor | None, ...] | None = None

    def __len__(self) -> int:
        return int(self.frac_coords.shape[0])

    @property
    def constraints(self) -> tuple[Tensor | None, ...]:
        """One entry an arrangement."""
        return self.constraint if self.constraint is not None else (None,) * len(self)

    def select(self, rows: Tensor) -> CandidateBatch:
        """The batch restricted to ``rows`` [K], indices in the order wanted."""
        return replace(
            self,
            frac_coords=self.frac_coords[rows],
            origin=tuple(self.origin[int(row)] for row in rows),
            prior_score=None if self.prior_score is None else self.prior_score[rows],
            freedom=None if self.freedom is None else self.freedom[rows],
            constraint=None if self.constraint is None else tuple(self.constraint[int(row)] for row in rows),
        )


@dataclass(frozen=True, kw_only=True)
class GroupTrial:
    """A space group that was searched, and how far the best arrangement in it came.

    Args:
        space_group_number, space_group_symbol: in the setting that was searched.
        probability: before the search.
        assignments: ways to place the atoms on Wyckoff positions that were tried.
        starts: arrangements drawn or fitted.
        best_misfit: of the grouped intensities, near 0 for the right structure; infinite when nothing was fitted.
        best_score: the same with short contacts penalised.
        best_letters: positions of each element of the best, rising atomic number: ``("4c 4c 8d", "4c", "4c")``.
        freedom: coordinates that the best leaves free.
    """

    space_group_number: int
    space_group_symbol: str
    probability: float
    assignments: int
    starts: int
    best_misfit: float
    best_score: float
    best_letters: tuple[str, ...] = ()
    freedom: int = 0


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The profile a refiner fits, with what preparation and decomposition found out about it.

    Args:
        two_theta, intensity, sigma: [G] the points to fit (ranges and exclusions already applied; gaps are allowed).
        background: [G] first estimate.
        instrument: radiation, and start values of zero, displacement and widths.
        impurities: crystals known to be in the sample besides; a refiner fits their scale, cell and width along with
            the structure. Empty when there are none, or when ``background`` holds their profiles already.
    """

    two_theta: FloatArray
    intensity: FloatArray
    sigma: FloatArray
    background: FloatArray
    instrument: Instrument
    impurities: tuple[Crystal, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RefinementStart:
    """A structure to refine.

    Args:
        crystal: start structure, cell included; ``u_iso`` may be ``None``.
        symmetry: operations the refinement keeps (its ``crystal`` has the same atoms in the same order); ``None``
            for P1.
        cell_fitted: whether the cell has been fitted to this pattern already, so that nobody need search for it.
    """

    crystal: Crystal
    symmetry: SymmetrisedCrystal | None = None
    cell_fitted: bool = False


@dataclass(frozen=True, kw_only=True)
class ProfileCurves:
    """Observed and calculated profile, all [G], in the pattern's own intensity units.

    ``ticks`` [T] are the 2theta positions (degrees) of the first wavelength's reflections, ``impurity_ticks`` those
    of each known impurity.
    """

    two_theta: FloatArray
    observed: FloatArray
    calculated: FloatArray
    background: FloatArray
    sigma: FloatArray
    ticks: FloatArray
    impurity_ticks: tuple[FloatArray, ...] = ()

    @property
    def difference(self) -> FloatArray:
        """[G] observed minus calculated."""
        return self.observed - self.calculated


@dataclass(frozen=True, kw_only=True)
class RefinedImpurity:
    """A known crystal in the sample besides, as the refinement left it.

    Args:
        crystal: as it was given, in its refined cell.
        scale: of the calculated intensities of its primitive cell, in the same units as the structure's.
        scale_su: its standard uncertainty; ``None`` if unknown.
        weight_fraction: scale times the cell's mass, over the sum of all phases: 0-1, of the crystalline part that the
            model holds (Hill & Howard 1987, doi:10.1107/S0021889887086199).
        cell_su: standard uncertainties of a b c (A) alpha beta gamma (degrees), 0 where fixed; ``None`` if unknown.
    """

    crystal: Crystal
    scale: float
    scale_su: float | None = None
    weight_fraction: float = 0.0
    cell_su: tuple[float, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class RefinementResult:
    """One structure fitted to the whole profile. R factors are fractions (0.05 is 5 %), background included.

    r_wp = sqrt(sum w (o - c)^2 / sum w o^2), r_exp = sqrt((points - parameters) / sum w o^2), gof = r_wp / r_exp
    (Toby 2006, doi:10.1154/1.2179804).

    Args:
        crystal: the refined structure with ``u_iso``.
        r_wp, r_p, r_exp, gof: agreement factors; infinite when refinement failed.
        r_wp_without_background: the same with the background subtracted from the observed in the denominator.
        parameters: refined numbers by name (scale, zero, march_dollase, ...); units in the name's entry of the report.
        cell_su: standard uncertainties of a b c (A) alpha beta gamma (degrees), 0 where fixed; ``None`` if unknown.
        coordinate_su: [N, 3] standard uncertainties of the fractional coordinates; ``None`` if unknown.
        curves: profiles for plots; ``None`` when refinement failed.
        converged: whether the shifts became small against their uncertainties.
        message: what happened, one sentence.
        parameter_su: standard uncertainties of refined entries of ``parameters``, by the same names.
        u_iso_su: [N] standard uncertainties of ``crystal.u_iso`` (A^2), 0 where held; ``None`` if unknown.
        num_parameters: numbers refined; 0 if unknown.
        impurities: the known crystals of the measurement, refined, in its order.
    """

    crystal: Crystal
    r_wp: float
    r_p: float
    r_exp: float
    gof: float
    r_wp_without_background: float = float("inf")
    parameters: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    cell_su: tuple[float, ...] | None = None
    coordinate_su: FloatArray | None = None
    curves: ProfileCurves | None = None
    converged: bool = True
    message: str = ""
    parameter_su: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    u_iso_su: FloatArray | None = None
    num_parameters: int = 0
    impurities: tuple[RefinedImpurity, ...] = ()


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
        u_iso: already in ``refinement.crystal``.
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
        freedom: free coordinates of the structure over lines of the pattern.
    """

    gof: float
    excess: float
    gap: float
    shortest_contact: float
    unexplained: float
    reasons: tuple[str, ...] = ()
    misfit: float = 0.0
    freedom: float = 0.0


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
