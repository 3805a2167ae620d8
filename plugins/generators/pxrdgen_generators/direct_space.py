"""Direct-space search: random arrangements to start from, and kicks to get out of wrong ones."""

from __future__ import annotations

import torch
from torch import Tensor

from pxrdgen.interfaces.structure_generator import GeneratorAbilities, StructureGenerator
from pxrdgen.values.candidates import CandidateBatch
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.problem import StructureProblem
from pxrdgen_generators.kicks import kick
from pxrdgen_generators.options import DirectSpaceOptions
from pxrdgen_generators.random_starts import RandomStarts
from pxrdgen_generators.random_symmetry import RandomGroup


class DirectSpace(StructureGenerator):
    """Random starts without any learning; the solve loop's least squares does the rest.

    In the tradition of direct-space methods (Harris et al. 1994, doi:10.1021/ja00087a087; FOX, Favre-Nicolin & Cerny
    2002, doi:10.1107/S0021889802015236), with least squares in place of Monte-Carlo steps.
    """

    abilities = GeneratorAbilities(can_renoise=True, proposals_per_candidate=4)

    def __init__(self, options: DirectSpaceOptions) -> None:
        self._options = options

    def generate(
        self, problem: StructureProblem, target: IntensityTarget, count: int, rng: torch.Generator
    ) -> CandidateBatch:
        """``count`` random arrangements, the less crowded of many drawn, most in the problem's group if it has one."""
        group = _group_of(problem)
        share = self._options.symmetric_share if group is None else self._options.given_group_share
        coords, freedom = RandomStarts(target, group).draw(count, share, rng)
        return CandidateBatch(frac_coords=coords, origin=("direct_space",) * count, freedom=freedom)

    def renoise(
        self,
        problem: StructureProblem,
        target: IntensityTarget,
        frac_coords: Tensor,
        strength: float,
        rng: torch.Generator,
    ) -> CandidateBatch:
        """One kicked child of each structure [M, N, 3]; the structures themselves at strength 0."""
        del problem
        coords = frac_coords if strength == 0.0 else kick(frac_coords, target, strength, rng)
        return CandidateBatch(frac_coords=coords, origin=("direct_space",) * len(coords))


def _group_of(problem: StructureProblem) -> RandomGroup | None:
    """The operations of the space group the user gave, in the primitive cell."""
    if problem.space_group is None:
        return None
    rotations, translations = problem.space_group.operations_in(problem.to_user)
    return RandomGroup(rotations=rotations, translations=translations)
