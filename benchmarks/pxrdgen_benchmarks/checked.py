"""Generators and refiners whose answers are looked over before they are used, so that failures carry a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pxrdgen.errors import BrokenPluginError
from pxrdgen.interfaces.refiner import Refiner
from pxrdgen.interfaces.structure_generator import StructureGenerator
from pxrdgen_benchmarks.posed import check_batch

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from pxrdgen.values.candidates import CandidateBatch, GroupTrial
    from pxrdgen.values.intensity_target import IntensityTarget
    from pxrdgen.values.problem import StructureProblem
    from pxrdgen.values.refinement import Measurement, RefinementResult, RefinementStart
    from pxrdgen_solver.loop.settings import Components


class CheckedGenerator(StructureGenerator):
    """Passes everything on, and refuses what is no answer."""

    def __init__(self, name: str, inner: StructureGenerator) -> None:
        self._name, self._inner = name, inner
        self.abilities = inner.abilities  # type: ignore[misc]  # of this instance, because it is the inner one's

    def begin(self, problem: StructureProblem, target: IntensityTarget) -> StructureGenerator:
        """The inner generator's, looked over too."""
        return CheckedGenerator(self._name, self._inner.begin(problem, target))

    def trials(self) -> Sequence[GroupTrial]:
        """The inner generator's."""
        return self._inner.trials()

    def generate(
        self, problem: StructureProblem, target: IntensityTarget, count: int, rng: torch.Generator
    ) -> CandidateBatch:
        """The inner generator's, looked over."""
        batch = self._inner.generate(problem, target, count, rng)
        check_batch(batch, self._name, problem.num_atoms)
        return batch

    def renoise(
        self,
        problem: StructureProblem,
        target: IntensityTarget,
        frac_coords: Tensor,
        strength: float,
        rng: torch.Generator,
    ) -> CandidateBatch:
        """The inner generator's, looked over."""
        batch = self._inner.renoise(problem, target, frac_coords, strength, rng)
        check_batch(batch, self._name, problem.num_atoms)
        return batch


class CheckedRefiner(Refiner):
    """Passes everything on, and refuses what is no answer."""

    def __init__(self, name: str, inner: Refiner) -> None:
        self._name, self._inner = name, inner
        self.fits_impurities = inner.fits_impurities  # type: ignore[misc]

    def refine(self, measurement: Measurement, starts: Sequence[RefinementStart]) -> Sequence[RefinementResult]:
        """The inner refiner's, looked over.

        Raises:
            BrokenPluginError: not one result a start, other atoms, R factors or coordinates that are no numbers.
        """
        results = self._inner.refine(measurement, starts)
        if len(results) != len(starts):
            raise BrokenPluginError(f"refiner {self._name!r} returned {len(results)} results for {len(starts)} starts")
        for result, start in zip(results, starts, strict=True):
            if not np.array_equal(result.crystal.species, start.crystal.species):
                raise BrokenPluginError(f"refiner {self._name!r} returned other atoms than it was given")
            if np.isnan([result.r_wp, result.gof]).any():
                raise BrokenPluginError(f"refiner {self._name!r} returned an R factor that is not a number")
        return results


def checked(components: Components) -> Components:
    """The same components, each looked over."""
    return replace(
        components,
        generators={name: CheckedGenerator(name, inner) for name, inner in components.generators.items()},
        refiner=CheckedRefiner(type(components.refiner).__name__, components.refiner),
    )
