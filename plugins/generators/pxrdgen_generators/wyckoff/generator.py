"""The generator ``wyckoff``: assignments of atoms to Wyckoff positions, fitted within their symmetry."""

from __future__ import annotations

from typing import Self

import torch

from pxrdgen.interfaces.structure_generator import GeneratorAbilities, StructureGenerator
from pxrdgen.values.candidates import CandidateBatch, GroupTrial
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.problem import StructureProblem
from pxrdgen_generators.options import WyckoffOptions
from pxrdgen_generators.wyckoff.session import WyckoffSession

#: least-squares evaluations that a round of the solve loop spends on one candidate it keeps.
ROUND = 66.0
#: operations of the shortest round.
LEAST_WORK = 3.0e6


class Wyckoff(StructureGenerator):
    """Searches each space group the pattern allows over the assignments of its Wyckoff positions.

    Bound to a problem by :meth:`begin` it remembers what it has tried: every round goes on where the last ended.
    """

    abilities = GeneratorAbilities(continues=True, keeps_space_group=True)

    def __init__(self, options: WyckoffOptions, session: WyckoffSession | None = None) -> None:
        self._options, self._session = options, session

    def begin(self, problem: StructureProblem, target: IntensityTarget) -> Self:
        """The generator with a memory for one problem."""
        return type(self)(self._options, WyckoffSession(problem, target))

    def generate(
        self, problem: StructureProblem, target: IntensityTarget, count: int, rng: torch.Generator
    ) -> CandidateBatch:
        """At most ``count`` fitted candidates, the best of one more round; few or none when the search is done."""
        session = self._session or WyckoffSession(problem, target)
        size = float(target.hkl.shape[0] * target.species.numel())
        found = session.run(max(self._options.share * ROUND * count * size, LEAST_WORK), rng)
        return session.batch(found, max(count // 2, 1))

    def trials(self) -> tuple[GroupTrial, ...]:
        """How far each space group came."""
        return self._session.trials() if self._session is not None else ()
