"""Preferred orientation within an assignment: the texture that explains what its best fit leaves over."""

from __future__ import annotations

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.structure_fit.chemistry import OrbitChemistry
from pxrdgen_crystallography.structure_fit.grouped_model import GroupedModel
from pxrdgen_crystallography.structure_fit.orbit_fit import OrbitFit, fit_orbits
from pxrdgen_crystallography.structure_fit.orbit_model import OrbitModel, OrbitParameters, SymmetricReflections
from pxrdgen_crystallography.structure_fit.texture_fit import WORTHWHILE, TextureFit
from pxrdgen_crystallography.wyckoff.coordinates import orbit_map
from pxrdgen_crystallography.wyckoff.positions import CellGroup
from pxrdgen_generators.wyckoff.arm import Arm

#: least-squares steps under a new texture.
ITERATIONS = 12


class Orientation:
    """The textures that a sample may have."""

    def __init__(self, target: IntensityTarget) -> None:
        self._textures = TextureFit(target, GroupedModel(target)).factors

    def improve(self, arm: Arm, group: CellGroup, reflections: SymmetricReflections) -> OrbitFit | None:
        """The arm's best fit under the texture that suits it best; ``None`` if none is worth it."""
        if arm.members is None:
            return None
        orbits = orbit_map(group, arm.orbits)
        one = arm.members.parameters.select(arm.members.score.argsort()[:1])
        misfit, log_scale = OrbitModel(reflections, orbits).textured_misfits(one, self._textures)
        best = int(misfit.argmin())
        if float(misfit[best]) > WORTHWHILE * float(arm.members.misfit.min()):
            return None
        texture = self._textures[best]
        start = OrbitParameters(free=one.free, log_scale=log_scale[best : best + 1], u_iso=one.u_iso)
        model, chemistry = OrbitModel(reflections, orbits, texture), OrbitChemistry(reflections.target, orbits)
        fit = fit_orbits(model, chemistry, start, iterations=ITERATIONS)
        return fit if float(fit.score[0]) < WORTHWHILE * arm.plain_score else None
