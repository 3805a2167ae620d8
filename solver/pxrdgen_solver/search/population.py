"""The candidates of one generator: proposed, fitted, the best kept, disturbed and proposed again."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from pxrdgen.interfaces.structure_generator import StructureGenerator
from pxrdgen.values.candidates import CandidateBatch, GroupTrial
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.problem import StructureProblem
from pxrdgen_solver.search.checked import check_candidates
from pxrdgen_solver.search.fitting import CandidateFitter, joined_batches
from pxrdgen_solver.search.pool import Pool, joined

#: share of its candidates that a generator with cheap proposals draws afresh in a later round.
FRESH = 1 / 3
#: strengths of the disturbance, used in turn.
STRENGTHS = (0.5, 0.35, 0.7)


@dataclass
class Population:
    """What one generator has found, apart from the others so that none crowds another out.

    Args:
        name: that candidates are stamped with.
        problem: what is searched.
        target: its intensities.
        generator: asked to begin with the first round.
        fitter: of the target.
        size: how many are kept.
        pool: the best of this generation; ``None`` before there is one.
        idle: rounds since the best got better.
        failure: why the generator was dropped; empty while it is asked.
    """

    name: str
    problem: StructureProblem
    target: IntensityTarget
    generator: StructureGenerator
    fitter: CandidateFitter = field(repr=False)
    size: int
    pool: Pool | None = field(default=None, repr=False)
    idle: int = 0
    failure: str = ""
    begun: StructureGenerator | None = field(default=None, repr=False)

    @property
    def is_costly(self) -> bool:
        """Whether a proposal costs far more than its fit."""
        return self.generator.abilities.costly

    def trials(self) -> tuple[GroupTrial, ...]:
        """How far each space group came; nothing from a generator that does not go by groups."""
        return () if self.begun is None or self.failure else tuple(self.begun.trials())

    def advance(self, round_number: int, rng: torch.Generator) -> bool:
        """One round; ``False`` if the generator has nothing to propose, or failed and is asked no more."""
        if self.failure:
            return False
        before = self.pool.best_score if self.pool is not None else float("inf")
        try:
            if self.begun is None:
                self.begun = self.generator.begin(self.problem, self.target)
            proposals, texture = self._propose(self.begun, round_number, rng)
        except Exception as error:  # a stranger's component may do anything
            self.failure = f"generator {self.name!r} was dropped: {type(error).__name__}: {error}"
            return False
        if len(proposals) == 0:
            return False
        fitted = self.fitter.fit(proposals, texture)
        kept = fitted if self.pool is None else joined([self.pool, fitted])
        self.pool = self.fitter.with_texture(kept.best(self.size, self.target.num_groups))
        self.idle = 0 if self.pool.best_score < before - 1e-3 * max(before, 0.02) else self.idle + 1
        return True

    def start_afresh(self) -> None:
        """Forget this generation."""
        self.pool, self.idle = None, 0

    def _propose(
        self, generator: StructureGenerator, round_number: int, rng: torch.Generator
    ) -> tuple[CandidateBatch, Tensor | None]:
        """Candidates and the texture [M, H] each begins with, if any.

        It is the generator's own, else newcomers have the best one's and children a parent's.

        Texture belongs to the sample; but where a wrong one hides the answer, it hides it from this population alone.
        """
        problem, target = self.problem, self.target

        def checked(batch: CandidateBatch) -> CandidateBatch:
            return check_candidates(batch, self.name, target)

        able = generator.abilities
        count = self.size * able.proposals_per_candidate
        if self.pool is None:
            first = checked(generator.generate(problem, target, count, rng))
            return first, first.texture
        fresh = count if able.continues else round(FRESH * count) if able.proposals_per_candidate > 1 else 0
        parents = self.pool.fit.parameters
        batches: list[CandidateBatch] = []
        textures: list[Tensor | None] = []

        def begin_under(batch: CandidateBatch, rows: Tensor) -> None:
            inherited = None if parents.texture is None else parents.texture[rows]
            batches.append(batch)
            textures.append(inherited if batch.texture is None else batch.texture)

        if fresh:
            batch = checked(generator.generate(problem, target, fresh, rng))
            begin_under(batch, torch.zeros(len(batch), dtype=torch.long))
        if able.can_renoise and fresh < count:
            best = max(len(self.pool) // 2, 1)
            chosen = torch.randint(best, (count - fresh,), generator=rng)
            strength = STRENGTHS[round_number % len(STRENGTHS)]
            batch = checked(generator.renoise(problem, target, parents.frac_coords[chosen], strength, rng))
            begin_under(batch, chosen)
        return joined_batches(batches, target), _joined_textures(batches, textures)


def _joined_textures(batches: list[CandidateBatch], textures: list[Tensor | None]) -> Tensor | None:
    """[M, H] of all batches, even where one has none; ``None`` where none has any."""
    width = next((texture.shape[1] for texture in textures if texture is not None), None)
    if width is None:
        return None
    parts = zip(batches, textures, strict=True)
    return torch.cat([torch.ones(len(batch), width) if texture is None else texture for batch, texture in parts])
