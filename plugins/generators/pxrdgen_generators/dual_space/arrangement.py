"""An arrangement of atoms in a space group, as dual space finds and fits it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pxrdgen.values.group_candidate import GroupCandidate
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.structure_fit.chemistry import OrbitChemistry
from pxrdgen_crystallography.structure_fit.orbit_fit import OrbitFit, fit_orbits
from pxrdgen_crystallography.structure_fit.orbit_model import OrbitMap, OrbitModel, SymmetricReflections
from pxrdgen_generators.dual_space.orbits import Orbit
from pxrdgen_generators.dual_space.reflection_symmetry import ReflectionSymmetry

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Group:
    """A space group under trial.

    Args:
        candidate: with its probability.
        symmetry: acting on all reflections of the target.
        reflections: those it leaves different and present.
    """

    candidate: GroupCandidate
    symmetry: ReflectionSymmetry
    reflections: SymmetricReflections

    @classmethod
    def of(cls, candidate: GroupCandidate, target: IntensityTarget, hkl: Tensor) -> Group:
        """A candidate's operations in the target's cell; ``hkl`` [n, 3] as :class:`ReflectionSymmetry` wants them."""
        rotations, translations = candidate.operations()
        return cls(
            candidate=candidate,
            symmetry=ReflectionSymmetry(hkl, rotations, translations),
            reflections=SymmetricReflections(target, np.asarray(rotations), np.asarray(translations)),
        )

    @property
    def order(self) -> int:
        """Operations in the cell."""
        return self.symmetry.order


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """Fitted atoms.

    Args:
        group: index among those under trial.
        orbits: atoms in the target's order; its constant holds the fitted coordinates.
        texture: [n] factors of the reflections, or ``None``.
        misfit, score: of the fit; the score holds close contacts too.
        criterion: K ln(score^2) + free ln K, lower is better.
    """

    group: int
    orbits: OrbitMap
    texture: Tensor | None
    misfit: float
    score: float
    criterion: float

    @property
    def frac_coords(self) -> FloatArray:
        """[N, 3]."""
        return self.orbits.constant.double().numpy()


def orbit_map(orbits: list[Orbit], label: NDArray[np.int64], elements: int) -> OrbitMap:
    """The labelled orbits as a map from free coordinates (0 here) to atoms in order of element."""
    chosen = [orbits[place] for element in range(elements) for place in np.flatnonzero(label == element)]
    atoms = sum(len(orbit) for orbit in chosen)
    freedom = sum(orbit.moves.shape[2] for orbit in chosen)
    linear, constant = np.zeros((atoms, 3, freedom)), np.zeros((atoms, 3))
    number = np.zeros(atoms, dtype=np.int64)
    row = column = 0
    for place, orbit in enumerate(chosen):
        size, free = len(orbit), orbit.moves.shape[2]
        linear[row : row + size, :, column : column + free] = orbit.moves
        constant[row : row + size] = orbit.points
        number[row : row + size] = place
        row, column = row + size, column + free
    return OrbitMap(
        linear=torch.as_tensor(linear, dtype=torch.float32),
        constant=torch.as_tensor(constant, dtype=torch.float32),
        orbit=torch.as_tensor(number),
    )


def orbits_of(arrangement: Arrangement) -> list[Orbit]:
    """The orbits of an arrangement, in its order."""
    number = arrangement.orbits.orbit.numpy()
    linear = arrangement.orbits.linear.double().numpy()
    found = []
    for place in range(int(number.max()) + 1):
        rows = np.flatnonzero(number == place)
        columns = np.flatnonzero(np.abs(linear[rows]).sum((0, 1)) > 1e-6)
        found.append(
            Orbit(height=0.0, points=arrangement.frac_coords[rows], moves=linear[np.ix_(rows, range(3), columns)])
        )
    return found


class ArrangementFitter:
    """Least squares on arrangements of one target.

    Args:
        target: without hydrogen.
        groups: under trial.
        textures: [T, n] factors that a fit may change to; the first row is none.
    """

    def __init__(self, target: IntensityTarget, groups: list[Group], textures: Tensor) -> None:
        self._target, self._groups, self._textures = target, groups, textures

    def fit(self, group: int, orbits: OrbitMap, texture: Tensor | None, *, steps: int) -> Arrangement:
        """The arrangement after ``steps``."""
        model = OrbitModel(self._groups[group].reflections, orbits, texture)
        fit = fit_orbits(
            model, OrbitChemistry(self._target, orbits), model.start(torch.zeros(1, orbits.freedom)), iterations=steps
        )
        return self._arrangement(group, orbits, texture, fit)

    def refit_texture(self, arrangement: Arrangement, *, worthwhile: float, steps: int) -> Arrangement:
        """The arrangement under the texture that fits it best, where that lowers the misfit to ``worthwhile``."""
        model = OrbitModel(self._groups[arrangement.group].reflections, arrangement.orbits, arrangement.texture)
        parameters = model.start(torch.zeros(1, arrangement.orbits.freedom))
        plain = OrbitModel(self._groups[arrangement.group].reflections, arrangement.orbits)
        misfits, _ = plain.textured_misfits(plain.rescaled(parameters), self._textures)
        best = int(misfits.argmin())
        if float(misfits[best]) >= worthwhile * float(model.misfit(parameters)[0]):
            return arrangement
        texture = None if best == 0 else self._textures[best]
        changed = self.fit(arrangement.group, arrangement.orbits, texture, steps=steps)
        return changed if changed.score < arrangement.score else arrangement

    def _arrangement(self, group: int, orbits: OrbitMap, texture: Tensor | None, fit: OrbitFit) -> Arrangement:
        score = float(fit.score[0])
        groups = self._target.num_groups
        polar = _polar_directions(self._groups[group].symmetry)
        free = max(orbits.freedom - polar, 0)
        return Arrangement(
            group=group,
            orbits=replace(orbits, constant=orbits.coordinates(fit.parameters.free)[0] % 1.0),
            texture=texture,
            misfit=float(fit.misfit[0]),
            score=score,
            criterion=groups * float(np.log(score**2 + 1e-4)) + free * float(np.log(max(groups, 2))),
        )


def _polar_directions(symmetry: ReflectionSymmetry) -> int:
    """Directions in which the origin is free: the eigenvectors that every rotation keeps."""
    return 3 - int(np.linalg.matrix_rank(symmetry.rotations.mean(axis=0) - np.eye(3)))
