"""A problem brought to the point where generators are asked: cell fitted, groups ranked, intensities gathered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen.values.problem import StructureProblem
from pxrdgen.values.refinement import Measurement
from pxrdgen_crystallography.decomposition.decompose import Decomposition
from pxrdgen_crystallography.decomposition.known_phases import decompose_with_known_phases
from pxrdgen_crystallography.one_thread import one_thread
from pxrdgen_crystallography.structure_fit.intensities import intensity_target
from pxrdgen_crystallography.structure_fit.visible_atoms import without_unseen_hydrogen
from pxrdgen_solver.space_group.rank import rank_space_groups


@dataclass(frozen=True, kw_only=True)
class Posed:
    """What the steps of the solve loop work with.

    Args:
        prepared: the pattern.
        problem: with the fitted cell, the ranked space groups and notes.
        decomposition: of the pattern into intensities; known impurities are part of its background.
        target: the intensities in groups, for the atoms that are sought: without hydrogen where the pattern does not
            see it.
    """

    prepared: PreparedPattern
    problem: StructureProblem
    decomposition: Decomposition
    target: IntensityTarget

    @property
    def sought(self) -> StructureProblem:
        """The problem of the target's atoms."""
        species = self.target.species.numpy()
        if species.size == self.problem.num_atoms:
            return self.problem
        visible = Composition(tuple((z, count) for z, count in self.problem.composition.counts if z > 1))
        return replace(self.problem, composition=visible, species=species)

    def measurement(self) -> Measurement:
        """What a refiner fits."""
        pattern = self.prepared.pattern
        return Measurement(
            two_theta=pattern.two_theta,
            intensity=pattern.intensity,
            sigma=pattern.uncertainty,
            background=self.decomposition.background,
            instrument=self.decomposition.instrument,
        )


@one_thread()
def pose(prepared: PreparedPattern, problem: StructureProblem, impurities: Sequence[Crystal] = ()) -> Posed:
    """Fit the problem's cell to the pattern and take the pattern apart in it.

    ``impurities`` are crystals known to be in the sample; their profiles are fitted and put down as background.
    """
    decomposition, known = decompose_with_known_phases(prepared, problem.basis, impurities)
    problem = replace(problem, notes=(*problem.notes, *known.notes)).with_basis(decomposition.basis)
    groups = rank_space_groups(prepared, problem, decomposition)
    problem = replace(problem, groups=groups.candidates, notes=(*problem.notes, *groups.notes))
    return Posed(
        prepared=prepared,
        problem=problem,
        decomposition=decomposition,
        target=without_unseen_hydrogen(intensity_target(decomposition, problem.species)),
    )
