"""Proposers of structures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from pxrdgen.values.candidates import CandidateBatch, GroupTrial
    from pxrdgen.values.intensity_target import IntensityTarget
    from pxrdgen.values.problem import StructureProblem


@dataclass(frozen=True, kw_only=True)
class GeneratorAbilities:
    """What a generator can do, for the solve loop.

    Args:
        can_renoise: :meth:`StructureGenerator.renoise` can start from a given structure (select-and-renoise rounds).
        proposals_per_candidate: asked for in a round, per candidate that is kept: more from cheap generators.
        continues: every round asks for new candidates, because the generator goes on where it ended.
        keeps_space_group: every candidate obeys the space group the user gave, if any; where one generator does, the
            others are not asked.
        costly: a proposal costs far more than its fit. A search asks others first, this one once they had a fair try.
        least_atoms: in smaller cells, hydrogen not counted, a search asks others, where there are any.
    """

    can_renoise: bool = False
    proposals_per_candidate: int = 1
    continues: bool = False
    keeps_space_group: bool = False
    costly: bool = False
    least_atoms: int = 1


class StructureGenerator(ABC):
    """Proposes arrangements of the atoms of a composition in a given cell."""

    #: what the solve loop asks before it asks for candidates.
    abilities: ClassVar[GeneratorAbilities] = GeneratorAbilities()

    def begin(self, problem: StructureProblem, target: IntensityTarget) -> StructureGenerator:
        """What the solve loop asks for candidates of one problem: the generator itself, or one with a memory for it."""
        del problem, target
        return self

    def trials(self) -> Sequence[GroupTrial]:
        """How far each space group came that was searched; nothing for a generator that does not go by groups."""
        return ()

    @abstractmethod
    def generate(
        self, problem: StructureProblem, target: IntensityTarget, count: int, rng: torch.Generator
    ) -> CandidateBatch:
        """``count`` candidates, fewer only from one that searches; all randomness comes from ``rng``."""

    def renoise(
        self,
        problem: StructureProblem,
        target: IntensityTarget,
        frac_coords: Tensor,
        strength: float,
        rng: torch.Generator,
    ) -> CandidateBatch:
        """New candidates near the given ones [M, N, 3]; ``strength`` 0 returns them, 1 forgets them."""
        raise NotImplementedError(f"{type(self).__name__} cannot start from a given structure; see its abilities")
