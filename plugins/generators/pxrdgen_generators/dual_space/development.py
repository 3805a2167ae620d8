"""One start developed: map, orbits, labels, least squares, and a new map from what was found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_generators.dual_space.amplitudes import LARGEST, Amplitudes
from pxrdgen_generators.dual_space.arrangement import Arrangement, ArrangementFitter, Group, orbit_map
from pxrdgen_generators.dual_space.flipping import flip_charges
from pxrdgen_generators.dual_space.labels import Labeller
from pxrdgen_generators.dual_space.maps import FINE, Maps
from pxrdgen_generators.dual_space.orbits import find_orbits

#: dealings of a map, and the noise of all but the first.
DEALINGS, DEALING_NOISE = 2, 0.25
#: least-squares steps of a first arrangement and of later ones, and after a change of texture.
FIRST_STEPS, LATER_STEPS, TEXTURE_STEPS = 7, 12, 8
#: a first score above this is not developed further.
HOPELESS = 0.45
#: a texture must lower the misfit to this share to be taken.
WORTHWHILE = 0.95
#: a cycle must lower the score to this share for another to follow.
PROGRESS = 0.985
#: a score below this leaves nothing to develop.
SOLVED = 0.03
#: times an arrangement is turned back into a map.
MOST_CYCLES = 3
#: symmetric flips from model phases, every second time.
FLIPS, FLIP_THRESHOLD = 15, 0.5


@dataclass(frozen=True, kw_only=True)
class Start:
    """Phases worth developing.

    Args:
        group: index among those under trial.
        amplitudes: [n] obeying the group.
        texture: under which they were found.
        skewness: of their map.
    """

    group: int
    amplitudes: Tensor
    texture: Tensor | None
    skewness: float


class Development:
    """A start on its way; :meth:`advance` until it says that nothing more comes of it."""

    def __init__(self, start: Start, target: IntensityTarget, groups: list[Group], fitter: ArrangementFitter) -> None:
        self._target, self._group, self._index = target, groups[start.group], start.group
        self._fitter = fitter
        self._map, self._texture = start.amplitudes, start.texture
        self._amplitudes = Amplitudes.of(target, start.texture)
        self._fine = Maps(self._amplitudes.hkl, FINE)
        self._coarse = Maps(self._amplitudes.hkl)
        self._cycle = 0
        self.best: Arrangement | None = None

    def advance(self, rng: np.random.Generator) -> bool:
        """One cycle; whether another may help."""
        found = self._arrange(rng)
        if found is None or (self._cycle == 0 and found.score > HOPELESS):
            return False
        changed = self._fitter.refit_texture(found, worthwhile=WORTHWHILE, steps=TEXTURE_STEPS)
        if changed.texture is not found.texture:
            self._texture = changed.texture
            self._amplitudes = Amplitudes.of(self._target, changed.texture)
        before = self.best
        if before is None or changed.score < before.score:
            self.best = changed
        if before is not None and changed.score > PROGRESS * before.score:
            return False
        if changed.score < SOLVED or self._cycle >= MOST_CYCLES:
            return False
        self._map = self._new_map(changed)
        self._cycle += 1
        return True

    def _arrange(self, rng: np.random.Generator) -> Arrangement | None:
        """The best labelling of the map's orbits, fitted."""
        density = self._fine.density(self._map[None])[0].double().numpy()
        atoms = int(self._target.species.numel())
        basis = self._target.basis.double().numpy()
        orbits = find_orbits(density, self._group.symmetry, basis, atoms)
        if not orbits:
            return None
        labeller = Labeller(orbits, self._target, self._group.reflections, self._texture, rng)
        dealt: list[tuple[float, NDArray[np.int64]]] = []
        for number in range(DEALINGS):
            label = labeller.deal(DEALING_NOISE if number else 0.0)
            if label is not None:
                dealt.append(labeller.descend(label))
        if not dealt:
            return None
        _, label = min(dealt, key=lambda pair: pair[0])
        atoms_map = orbit_map(orbits, label, int(self._target.elements.numel()))
        steps = LATER_STEPS if self._cycle else FIRST_STEPS
        return self._fitter.fit(self._index, atoms_map, self._texture, steps=steps)

    def _new_map(self, found: Arrangement) -> Tensor:
        """[n] observed amplitudes under model phases: 2 |Eo| - |Ec|, or a few symmetric flips, in turn."""
        model, observed = model_and_observed(found, self._amplitudes, self._target)
        if self._cycle % 2 == 0:
            return 2.0 * observed - model * (observed.abs().mean() / model.abs().mean().clamp_min(1e-9))
        flipped, _ = flip_charges(
            observed[None],
            self._amplitudes,
            self._coarse,
            cycles=FLIPS,
            threshold=torch.tensor([FLIP_THRESHOLD]),
            weak=0.0,
            symmetry=self._group.symmetry,
            impose=True,
        )
        return flipped[0]


def model_and_observed(
    found: Arrangement, amplitudes: Amplitudes, target: IntensityTarget, kept: NDArray[np.bool_] | None = None
) -> tuple[Tensor, Tensor]:
    """[n] amplitudes of the model (its atoms ``kept`` [N] alone, if given), and the observed ones under its phases."""
    element_of = target.element_of.numpy()
    full = amplitudes.of_atoms(found.frac_coords, element_of)
    part = full if kept is None else amplitudes.of_atoms(found.frac_coords[kept], element_of[kept])
    sums = amplitudes.group_sums((full.abs() ** 2)[None])[0]
    scale = torch.sqrt(amplitudes.intensity / sums.clamp_min(1e-9))[amplitudes.group]
    modulus = (full.abs() * scale).clamp_max(LARGEST)
    return part, torch.polar(modulus, part.angle())
