"""The generator ``dual_space``: phases by charge flipping, atoms by least squares, and round again."""

from __future__ import annotations

from typing import Self, final

import torch

from pxrdgen.interfaces.structure_generator import GeneratorAbilities, StructureGenerator
from pxrdgen.values.candidates import CandidateBatch, GroupTrial
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.problem import StructureProblem
from pxrdgen_generators.dual_space.options import DualSpaceOptions
from pxrdgen_generators.dual_space.session import DualSpaceSession

#: in smaller cells wyckoff is done before a round of phases is: on 6 training crystals of 14-20 atoms (perturbed, 12 s)
#: both pools solved the same 5, this one in 0.8 of the time.
LEAST_ATOMS = 12


@final
class DualSpace(StructureGenerator):
    """Solves for phases instead of positions, so that its cost hardly grows with the number of atoms.

    Bound to a problem by :meth:`begin` it remembers what it has found: every round goes on where the last ended.
    """

    abilities = GeneratorAbilities(continues=True, keeps_space_group=True, least_atoms=LEAST_ATOMS)

    def __init__(self, options: DualSpaceOptions, session: DualSpaceSession | None = None) -> None:
        self._options, self._session = options, session

    def begin(self, problem: StructureProblem, target: IntensityTarget) -> Self:
        """The generator with a memory for one problem."""
        return type(self)(self._options, DualSpaceSession(problem, target, self._options))

    def generate(
        self, problem: StructureProblem, target: IntensityTarget, count: int, rng: torch.Generator
    ) -> CandidateBatch:
        """At most ``count`` fitted candidates, the best of one more round."""
        session = self._session or DualSpaceSession(problem, target, self._options)
        return session.batch(session.run(rng), count, rng)

    def trials(self) -> tuple[GroupTrial, ...]:
        """How far each space group came."""
        return self._session.trials() if self._session is not None else ()
