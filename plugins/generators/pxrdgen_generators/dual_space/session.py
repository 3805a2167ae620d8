"""What dual space knows about one problem: groups, textures, and the best arrangements so far."""

from __future__ import annotations

import math

import numpy as np
import torch

from pxrdgen.values.candidates import CandidateBatch, GroupTrial
from pxrdgen.values.group_candidate import GroupCandidate
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.problem import StructureProblem
from pxrdgen_crystallography.structure_fit.visible_atoms import without_hydrogen
from pxrdgen_generators.dual_space.amplitudes import Amplitudes
from pxrdgen_generators.dual_space.arrangement import Arrangement, ArrangementFitter, Group
from pxrdgen_generators.dual_space.development import Development, Start
from pxrdgen_generators.dual_space.flipping import flip_charges, random_phases
from pxrdgen_generators.dual_space.handing_over import candidates_of
from pxrdgen_generators.dual_space.improvement import improve
from pxrdgen_generators.dual_space.maps import Maps
from pxrdgen_generators.dual_space.options import DualSpaceOptions
from pxrdgen_generators.dual_space.origins import find_origins, shifted
from pxrdgen_generators.dual_space.texture_prior import TexturePrior

#: groups less probable than this are not tried, nor more than so many.
PROBABLE, MOST_GROUPS = 2e-4, 16
#: without symmetry the phases must find everything: P1 is asked this much less often than its probability says.
SHARE_OF_P1 = 0.05
#: range of the flipping threshold, standard deviations of the density, and of the flips of a start.
THRESHOLDS, FLIPS = (0.6, 1.15), (3, 200)
#: share of the weakest reflections that keep calculated amplitudes: with a group imposed or not, and in the short run
#: from an origin found.
WEAK, WEAK_AFTER_ORIGIN = 0.2, 0.1
#: flips with the group imposed once its origin was found.
FLIPS_AFTER_ORIGIN = 50
#: arrangements that a session remembers, of which two of one group and score are one.
MEMORY, SAME_SCORE = 30, 0.01


class DualSpaceSession:
    """Rounds of starts and their development; every round goes on with the best of all before it.

    Args:
        problem: with its ranked space groups.
        target: its intensities.
        options: how much a round does.
    """

    def __init__(self, problem: StructureProblem, target: IntensityTarget, options: DualSpaceOptions) -> None:
        self._options, self._whole = options, target
        self._target = without_hydrogen(target)
        hkl = Amplitudes.of(self._target).hkl
        candidates = problem.groups
        if not candidates and problem.space_group is not None:
            candidates = (GroupCandidate.given(problem.space_group, problem.to_user),)
        probable = [candidate for candidate in candidates if candidate.probability > PROBABLE][:MOST_GROUPS]
        self._groups = [Group.of(candidate, self._target, hkl) for candidate in probable]
        self._trials = [0] * len(self._groups)
        chance = np.array([group.candidate.probability for group in self._groups])
        chance = np.sqrt(np.where([group.order == 1 for group in self._groups], SHARE_OF_P1 * chance, chance))
        self._chance = chance / chance.sum() if len(chance) else chance
        self._textures = TexturePrior(self._target, self._groups[0].symmetry) if self._groups else None
        self._found: list[Arrangement] = []
        if self._textures is not None:
            plain = torch.ones(1, self._textures.factors.shape[1])
            self._fitter = ArrangementFitter(
                self._target, self._groups, torch.cat([plain, self._textures.factors[self._textures.ratios != 1.0]])
            )

    def run(self, rng: torch.Generator) -> list[Arrangement]:
        """One round; the arrangements it found or made better, the best first."""
        if self._textures is None:
            return []
        dice = np.random.default_rng(int(torch.randint(2**62, (1,), generator=rng)))
        new = self._develop(self._starts(dice, rng), dice)
        self._remember(new)
        better = self._improve(dice)
        self._remember(better)
        return sorted([*better, *new], key=lambda entry: entry.criterion)

    def batch(self, found: list[Arrangement], most: int, rng: torch.Generator) -> CandidateBatch:
        """The best of what was found as candidates, at most ``most``."""
        return candidates_of(found[:most], self._whole, self._target, rng)

    def trials(self) -> tuple[GroupTrial, ...]:
        """How far each space group came."""
        return tuple(self._trial(number) for number in range(len(self._groups)))

    def _trial(self, number: int) -> GroupTrial:
        candidate = self._groups[number].candidate
        best = min((entry for entry in self._found if entry.group == number), key=lambda e: e.score, default=None)
        return GroupTrial(
            space_group_number=candidate.space_group.number,
            space_group_symbol=candidate.space_group.hm_symbol,
            probability=candidate.probability,
            assignments=0,
            starts=self._trials[number],
            best_misfit=math.inf if best is None else best.misfit,
            best_score=math.inf if best is None else best.score,
            freedom=0 if best is None else best.orbits.freedom,
        )

    def _starts(self, dice: np.random.Generator, rng: torch.Generator) -> list[Start]:
        """The most skewed of many flipped random phases, all under one texture."""
        options = self._options
        texture = self._textures.draw(dice) if self._textures is not None else None
        amplitudes = Amplitudes.of(self._target, texture)
        maps = Maps(amplitudes.hkl)
        threshold = torch.as_tensor(dice.uniform(*THRESHOLDS, size=options.tries), dtype=torch.float32)
        phases = random_phases(amplitudes, options.tries, rng)
        number = int(dice.choice(len(self._groups), p=self._chance))
        symmetry = self._groups[number].symmetry
        if dice.random() >= options.without_group or all(group.order == 1 for group in self._groups):
            cycles = int(math.exp(dice.uniform(math.log(FLIPS[0]), math.log(FLIPS[1]))))
            flipped, skewness = flip_charges(
                phases,
                amplitudes,
                maps,
                cycles=cycles,
                threshold=threshold,
                weak=WEAK,
                symmetry=symmetry,
                impose=True,
            )
            self._trials[number] += options.tries
            best = torch.argsort(skewness, descending=True)[: options.kept].tolist()
            return [
                Start(group=number, amplitudes=flipped[row], texture=texture, skewness=float(skewness[row]))
                for row in best
            ]
        flipped, skewness = flip_charges(
            phases, amplitudes, maps, cycles=FLIPS[1], threshold=threshold, weak=WEAK, symmetry=symmetry
        )
        best = torch.argsort(skewness, descending=True)[: options.kept]
        return self._with_origins(flipped[best], amplitudes, maps, texture, dice)

    def _with_origins(
        self,
        flipped: torch.Tensor,
        amplitudes: Amplitudes,
        maps: Maps,
        texture: torch.Tensor | None,
        dice: np.random.Generator,
    ) -> list[Start]:
        """Maps without symmetry, each in the few groups it obeys best, flipped on under them."""
        agreements = []
        for number, group in enumerate(self._groups):
            if group.order == 1:
                continue
            shift, agreement = find_origins(flipped, maps, group.symmetry, amplitudes.hkl)
            merit = agreement + 0.02 * math.log2(group.order) + 0.2 * math.log10(max(group.candidate.probability, 1e-4))
            agreements += [(float(merit[row]), row, number, shift[row]) for row in range(len(flipped))]
        starts = []
        for row in range(len(flipped)):
            own = sorted((entry for entry in agreements if entry[1] == row), key=lambda entry: -entry[0])
            for _, _, number, shift in own[: self._options.groups_a_map]:
                symmetry = self._groups[number].symmetry
                moved = symmetry.symmetrise(shifted(flipped[row], amplitudes.hkl, shift)[None])
                threshold = torch.as_tensor(dice.uniform(0.6, 1.0, size=1), dtype=torch.float32)
                ended, skewness = flip_charges(
                    moved,
                    amplitudes,
                    maps,
                    cycles=FLIPS_AFTER_ORIGIN,
                    threshold=threshold,
                    weak=WEAK_AFTER_ORIGIN,
                    symmetry=symmetry,
                    impose=True,
                )
                self._trials[number] += 1
                starts.append(Start(group=number, amplitudes=ended[0], texture=texture, skewness=float(skewness[0])))
        return sorted(starts, key=lambda start: -start.skewness)[: round(1.6 * self._options.kept)]

    def _develop(self, starts: list[Start], dice: np.random.Generator) -> list[Arrangement]:
        """One cycle of each start, the best of them to their end."""
        begun: list[tuple[Development, bool]] = []
        for start in starts:
            development = Development(start, self._target, self._groups, self._fitter)
            goes_on = development.advance(dice)
            if development.best is not None:
                begun.append((development, goes_on))
        begun.sort(key=lambda pair: pair[0].best.criterion if pair[0].best is not None else math.inf)
        for place, (development, goes_on) in enumerate(begun):
            while goes_on and place < self._options.recycled:
                goes_on = development.advance(dice)
        return [development.best for development, _ in begun if development.best is not None]

    def _improve(self, dice: np.random.Generator) -> list[Arrangement]:
        """The best few of all, mended as long as that works."""
        better = []
        for found in self._found[: self._options.improved]:
            best, misses = found, 0
            while misses < self._options.patience:
                mended = improve(best, self._target, self._groups, self._fitter, dice)
                best, misses = (best, misses + 1) if mended is None else (mended, 0)
            if best is not found:
                better.append(best)
        return better

    def _remember(self, new: list[Arrangement]) -> None:
        kept: list[Arrangement] = []
        for entry in sorted([*self._found, *new], key=lambda found: found.criterion):
            if all(
                other.group != entry.group or abs(other.score - entry.score) > SAME_SCORE * entry.score
                for other in kept
            ):
                kept.append(entry)
        self._found = kept[:MEMORY]
