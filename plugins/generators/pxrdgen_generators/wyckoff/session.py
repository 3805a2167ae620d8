"""The search over space groups, assignments and free coordinates, a slice at a time where it promises most.

Every pair of group and assignment is an arm. Optimal search theory (Stone 1975) says which comes next: the one with the
largest gain in the probability of having found the structure for the time it takes, where the probability of an arm
falls with every start that found nothing, and rises with the fit of what it found.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import Tensor

from pxrdgen.values.candidates import CandidateBatch, GroupTrial
from pxrdgen.values.group_candidate import GroupCandidate
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.problem import StructureProblem
from pxrdgen_crystallography.lattice.lattice_symmetry import lattice_point_group
from pxrdgen_crystallography.structure_fit.orbit_fit import OrbitFit
from pxrdgen_crystallography.structure_fit.orbit_model import OrbitMap, SymmetricReflections
from pxrdgen_crystallography.wyckoff.coordinates import orbit_map
from pxrdgen_crystallography.wyckoff.plausibility import AssignmentPrior, PlausibleAssignment
from pxrdgen_crystallography.wyckoff.positions import CellGroup, cell_group, letters_of
from pxrdgen_generators.random_symmetry import coordinate_rotations
from pxrdgen_generators.wyckoff.arm import Arm, joined, run_slice
from pxrdgen_generators.wyckoff.orientation import Orientation

NAME = "wyckoff"
#: The numbers below weigh arms against each other; all were set by hand with the search itself, none by a benchmark.
#: Chance that one start of an arm with P free coordinates finds its best: EASE exp(-P / REACH).
EASE, REACH = 0.6, 4.0
#: a fit with score s speaks for its arm like (TYPICAL / s)^WEIGHT.
TYPICAL, WEIGHT = 0.3, 4.0
#: each time an arm's best is found again, it is this much less likely that there is a better one (logarithm).
FOUND_AGAIN = 1.5
#: an arm whose best score is at most this many times the best of all, or the typical one, is tried with textures.
ORIENTED = 1.3
#: the ranking of groups is surer of itself on measured patterns than it is right: its logarithm counts by so much, as
#: in the starts of ``dual_space``.
TEMPER = 0.5
#: size of the random part of an arm's promise, so that parallel searches take different ways.
NOISE = 0.5


@dataclass(frozen=True, kw_only=True)
class _Group:
    cell: CellGroup
    prior: AssignmentPrior
    assignments: Iterator[PlausibleAssignment]
    log_probability: float
    probability: float


class WyckoffSession:
    """What the generator knows about one problem."""

    def __init__(self, problem: StructureProblem, target: IntensityTarget) -> None:
        self._target = target
        basis = target.basis.double().numpy()
        lattice = coordinate_rotations(lattice_point_group(basis, tolerance=5e-3))
        self._counts = torch.bincount(target.element_of, minlength=target.elements.numel()).tolist()
        self._groups = _groups(problem, target.elements.tolist(), self._counts, basis, lattice)
        self._reflections: dict[int, SymmetricReflections] = {}
        self._ticket = count()
        self._queue: list[tuple[float, int, Arm]] = []
        self.arms: list[Arm] = []
        self._orientation = Orientation(target)
        self._best_score = math.inf
        for index in range(len(self._groups)):
            self._open_next(index, None)

    def run(self, work: float, rng: torch.Generator) -> list[tuple[Arm, OrbitFit]]:
        """Spend about ``work`` operations; arms with what they found new."""
        found: list[tuple[Arm, OrbitFit]] = []
        while work > 0 and self._queue:
            _, _, arm = heapq.heappop(self._queue)
            if arm.starts == 0:
                self.arms.append(arm)
                self._open_next(arm.group, rng)
            before = arm.plain_score
            cell, reflections = self._groups[arm.group].cell, self._reflections_of(arm.group)
            fit, spent = run_slice(arm, cell, reflections, rng)
            work -= spent
            if fit is not None:
                oriented = self._orient(arm, before)
                found.append((arm, fit if oriented is None else joined(oriented, fit)))
            if not arm.exhausted:
                self._push(arm, rng)
        return found

    def _orient(self, arm: Arm, before: float) -> OrbitFit | None:
        """The fit of an arm that has come nearly as far as the best one, under the texture that improves it, if any."""
        if arm.plain_score >= before or arm.plain_score > ORIENTED * max(self._best_score, TYPICAL):
            return None
        found = self._orientation.improve(arm, self._groups[arm.group].cell, self._reflections_of(arm.group))
        if found is not None and (arm.oriented is None or float(found.score[0]) < float(arm.oriented.score[0])):
            arm.oriented = found
        self._best_score = min(self._best_score, arm.best_score)
        return found

    def batch(self, found: Sequence[tuple[Arm, OrbitFit]], most: int) -> CandidateBatch:
        """The best of what was found as candidates, at most ``most``, two of an arm."""
        groups = self._target.num_groups
        entries = []
        for arm, fit in found:
            for row in fit.score.argsort()[:2].tolist():
                score = float(fit.score[row])
                criterion = groups * math.log(score**2 + 1e-5) + arm.freedom * math.log(max(groups, 2))
                entries.append((criterion, arm, fit.parameters.free[row]))
        entries.sort(key=lambda entry: entry[0])
        maps = [orbit_map(self._groups[arm.group].cell, arm.orbits) for _, arm, _ in entries[:most]]
        coords = [
            orbits.coordinates(free[None])[0] % 1.0 for orbits, (_, _, free) in zip(maps, entries[:most], strict=True)
        ]
        size = int(self._target.species.numel())
        return CandidateBatch(
            frac_coords=torch.stack(coords) if coords else torch.zeros(0, size, 3),
            origin=(NAME,) * len(coords),
            freedom=torch.tensor([arm.freedom for _, arm, _ in entries[:most]], dtype=torch.long),
            constraint=tuple(_directions(orbits) for orbits in maps),
        )

    def trials(self) -> tuple[GroupTrial, ...]:
        """How far each space group came, the best fit first."""
        result = []
        for index, group in enumerate(self._groups):
            arms = [arm for arm in self.arms if arm.group == index]
            best = min(arms, key=lambda arm: arm.best_score, default=None)
            result.append(
                GroupTrial(
                    space_group_number=group.cell.space_group.number,
                    space_group_symbol=group.cell.space_group.hm_symbol,
                    probability=group.probability,
                    assignments=len(arms),
                    starts=sum(arm.starts for arm in arms),
                    best_misfit=best.best_misfit if best is not None else math.inf,
                    best_score=best.best_score if best is not None else math.inf,
                    best_letters=letters_of(group.cell.families, best.orbits) if best is not None else (),
                    freedom=best.freedom if best is not None else 0,
                )
            )
        return tuple(sorted(result, key=lambda trial: (trial.best_score, -trial.probability)))

    def _open_next(self, index: int, rng: torch.Generator | None) -> None:
        group = self._groups[index]
        entry = next(group.assignments, None)
        if entry is None:
            return
        columns = sum(group.cell.families[i].freedom for chosen in entry.orbits for i in chosen)
        arm = Arm(
            group=index,
            orbits=entry.orbits,
            freedom=max(columns - group.cell.polar_directions, 0),
            log_prior=group.log_probability + entry.log_probability,
        )
        self._push(arm, rng)

    def _push(self, arm: Arm, rng: torch.Generator | None) -> None:
        promise = self._promise(arm)
        if rng is not None:
            promise += NOISE * float(torch.randn((), generator=rng))
        heapq.heappush(self._queue, (-promise, next(self._ticket), arm))

    def _promise(self, arm: Arm) -> float:
        """Log of the gain in probability of success for the time of one slice."""
        chance = EASE * math.exp(-arm.freedom / REACH)
        missed = arm.starts * math.log1p(-chance)
        gain = math.log(-math.expm1(arm.slice_size * math.log1p(-chance)))
        evidence = 0.0
        if math.isfinite(arm.best_score):
            evidence = WEIGHT * math.log(TYPICAL / max(arm.best_score, 0.02))
        cost = math.log(20.0 + arm.slice_size * len(self._reflections_of(arm.group)) * 1e-3)
        return arm.log_prior + missed + gain + evidence - FOUND_AGAIN * arm.hits - cost

    def _reflections_of(self, index: int) -> SymmetricReflections:
        known = self._reflections.get(index)
        if known is None:
            cell = self._groups[index].cell
            known = self._reflections[index] = SymmetricReflections(self._target, cell.rotations, cell.translations)
        return known


def _directions(orbits: OrbitMap) -> Tensor:
    """[3 N, P] orthonormal columns that span the moves of an assignment's atoms."""
    return torch.linalg.qr(orbits.linear.flatten(0, -2)).Q


def _groups(
    problem: StructureProblem,
    elements: Sequence[int],
    counts: Sequence[int],
    basis: np.ndarray,
    lattice: np.ndarray,
) -> list[_Group]:
    """Groups that have places for the composition; the user's alone where none have been ranked."""
    candidates = problem.groups
    if not candidates and problem.space_group is not None:
        candidates = (GroupCandidate.given(problem.space_group, problem.to_user),)
    found = []
    for candidate in candidates:
        cell = cell_group(candidate.space_group, candidate.to_conventional)
        prior = AssignmentPrior(cell, elements, counts, basis, lattice)
        if prior.possible():
            found.append((candidate, cell, prior))
    norm = sum(candidate.probability for candidate, _, _ in found) or 1.0
    return [
        _Group(
            cell=cell,
            prior=prior,
            assignments=iter(prior),
            log_probability=TEMPER * math.log(max(candidate.probability / norm, 1e-12)),
            probability=candidate.probability,
        )
        for candidate, cell, prior in found
    ]
