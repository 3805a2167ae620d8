"""Space groups ranked by what the pattern, the cell and the composition say of them."""

from __future__ import annotations

import math
from collections import Counter
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import SymmetryError
from pxrdgen.values.group_candidate import GroupCandidate
from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen.values.problem import StructureProblem
from pxrdgen_crystallography.decomposition.decompose import Decomposition
from pxrdgen_crystallography.space_groups.lattice_type import lattice_type
from pxrdgen_crystallography.space_groups.orbits import check_contents, holds_contents, orbit_sizes
from pxrdgen_crystallography.space_groups.placements import Placement, canonical_absences, place, placements
from pxrdgen_crystallography.space_groups.prior import GroupPrior, group_prior
from pxrdgen_crystallography.space_groups.subgroups import LatticeSymmetry, lattice_symmetry
from pxrdgen_crystallography.space_groups.symbols import extinction_symbol
from pxrdgen_crystallography.symmetry.conventional import ENANTIOMORPHS
from pxrdgen_solver.space_group.cell_polish import polish
from pxrdgen_solver.space_group.evidence import GroupEvidence, evidence_of
from pxrdgen_solver.space_group.values import ExtinctionClass, RankedGroups

FloatArray = NDArray[np.float64]

#: weight of the evidence of absences: lines of one zone are not independent, atoms often sit in special places. Set by
#: hand, like the next; the benchmark task ``space_groups`` tells what a change of them does.
ABSENCE_WEIGHT = 0.3
#: the statistics of intensities are bent by heavy atoms and special positions: a difference of x counts as
#: log(1 + STATISTICS_WEIGHT x).
STATISTICS_WEIGHT = 0.1


def rank_space_groups(
    prepared: PreparedPattern, problem: StructureProblem, decomposition: Decomposition
) -> RankedGroups:
    """Every space group that the lattice and the composition allow, with its probability.

    log p = log prior(group | lattice type, numbers of atoms) + log likelihood of the fitted line intensities. All
    symmetries of the lattice are considered, lower ones and nearly fulfilled ones included, in all their settings;
    placements that the exact symmetry of the lattice maps onto each other count once, mirror images too. When the user
    gave a space group, it alone is judged.

    Args:
        decomposition: of the same pattern in the problem's cell; its refined cell is used.

    Raises:
        SymmetryError: the composition cannot be dealt out to the positions of the user's group.
    """
    lattice = lattice_symmetry(decomposition.basis)
    if len(lattice.exact) < len(lattice.rotations):
        # a decomposition ties the parameters of a cell that is nearly symmetric; here they must part if they can
        decomposition = polish(prepared, decomposition, lattice.exact_rotations)
        lattice = lattice_symmetry(decomposition.basis)
    basis = decomposition.basis
    if problem.space_group is not None:
        check_contents(problem.space_group, problem.species)
        placed = [place(problem.space_group, problem.to_user, basis)]
    else:
        placed = [entry for entry in placements(basis, lattice) if holds_contents(entry.space_group, problem.species)]
    if not placed:
        raise SymmetryError(f"got no space group that can hold {problem.composition.formula}; expected at least P 1")
    evidence = evidence_of(prepared, decomposition, problem.species, placed)
    # a cell that is symmetric within its error may be meant to be; both readings of its lattice count
    priors = [
        group_prior(lattice_type(basis, rotations), problem.species)
        for rotations in (lattice.exact_rotations, lattice.rotations)
    ]
    probability = _probabilities(placed, evidence, priors)
    candidates = [_candidate(*entry) for entry in zip(placed, evidence, probability.tolist(), strict=True)]
    order = sorted(range(len(placed)), key=lambda row: -candidates[row].probability)
    return RankedGroups(
        candidates=tuple(candidates[row] for row in order),
        classes=_classes([placed[row] for row in order], [candidates[row] for row in order], lattice),
        notes=_notes(problem, evidence),
    )


def _probabilities(placed: list[Placement], evidence: list[GroupEvidence], priors: list[GroupPrior]) -> FloatArray:
    """[P] posterior; a group that fits into the lattice in several ways shares its prior among them."""
    ways = Counter(placement.space_group.number for placement in placed)
    statistics = np.array([entry.statistics for entry in evidence])
    logs = np.array(
        [
            math.log(mean(prior.probability(placement.space_group.number) for prior in priors))
            - math.log(ways[placement.space_group.number])
            + ABSENCE_WEIGHT * entry.absences
            for placement, entry in zip(placed, evidence, strict=True)
        ]
    )
    logs -= np.log1p(STATISTICS_WEIGHT * (statistics.max() - statistics))
    odds = np.exp(logs - logs.max())
    return np.asarray(odds / odds.sum(), dtype=np.float64)


def _candidate(placement: Placement, evidence: GroupEvidence, probability: float) -> GroupCandidate:
    group = placement.space_group
    return GroupCandidate(
        space_group=group,
        to_conventional=placement.to_conventional,
        probability=probability,
        evidence=evidence.absences,
        extinction_symbol=extinction_symbol(group),
        multiplicities=orbit_sizes(group.number).all_sizes,
        strain=evidence.strain,
        enantiomorph=ENANTIOMORPHS.get(group.number, 0),
        forbidden=len(evidence.forbidden),
    )


def _classes(
    placed: list[Placement], candidates: list[GroupCandidate], lattice: LatticeSymmetry
) -> tuple[ExtinctionClass, ...]:
    """Candidates gathered by crystal family and absences."""
    gathered: dict[tuple[str, bytes], list[GroupCandidate]] = {}
    absences = canonical_absences(placed, lattice)
    for placement, candidate, key in zip(placed, candidates, absences, strict=True):
        system = placement.space_group.crystal_system
        family = "hexagonal" if system == "trigonal" else system
        gathered.setdefault((family, key), []).append(candidate)
    classes = [
        ExtinctionClass(
            symbol=members[0].extinction_symbol,
            probability=sum(member.probability for member in members),
            members=tuple(members),
        )
        for members in gathered.values()
    ]
    return tuple(sorted(classes, key=lambda entry: -entry.probability))


def _notes(problem: StructureProblem, evidence: list[GroupEvidence]) -> tuple[str, ...]:
    if problem.space_group is None or not len(evidence[0].forbidden):
        return ()
    angles = evidence[0].forbidden
    shown = ", ".join(f"{angle:.2f}" for angle in angles[:6]) + (", ..." if len(angles) > 6 else "")
    lines = "1 observed line is" if len(angles) == 1 else f"{len(angles)} observed lines are"
    return (f"{lines} forbidden by {problem.space_group.hm_symbol}: 2theta {shown} degrees",)
