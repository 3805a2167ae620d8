"""A fitted arrangement mended: some light orbits left out, the rest's difference map searched for better places."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_generators.dual_space.amplitudes import Amplitudes
from pxrdgen_generators.dual_space.arrangement import Arrangement, ArrangementFitter, Group, orbit_map, orbits_of
from pxrdgen_generators.dual_space.development import TEXTURE_STEPS, model_and_observed
from pxrdgen_generators.dual_space.labels import EMPTY, Labeller
from pxrdgen_generators.dual_space.maps import FINE, Maps
from pxrdgen_generators.dual_space.orbits import Orbit, find_orbits, least_distances

#: A; a peak this near to an atom of the model is that atom.
SAME_PLACE = 0.3
#: chance that an orbit is left out: the lightest half the time, the heaviest a tenth of it.
OMITTED = 0.5


def improve(
    found: Arrangement,
    target: IntensityTarget,
    groups: list[Group],
    fitter: ArrangementFitter,
    rng: np.random.Generator,
) -> Arrangement | None:
    """A better arrangement in the same group, if this trial finds one."""
    group = groups[found.group]
    own = orbits_of(found)
    number = found.orbits.orbit.numpy()
    element = [int(target.element_of[np.searchsorted(number, place)]) for place in range(len(own))]
    dropped = _dropped(target.elements.double().numpy()[element], rng)
    amplitudes = Amplitudes.of(target, found.texture)
    part, observed = model_and_observed(found, amplitudes, target, kept=~dropped[number])
    # a Fourier map, a 2 Fo - Fc map or a difference map
    kind = rng.random()
    calculated = torch.polar(part.abs(), observed.angle())
    density = observed if kind < 0.3 else 2.0 * observed - calculated if kind < 0.7 else observed - calculated
    basis = target.basis.double().numpy()
    values = Maps(amplitudes.hkl, FINE).density(density[None])[0].double().numpy()
    new = find_orbits(values, group.symmetry, basis, int(target.species.numel()), surplus=1.2)
    label = [*element]
    orbits = [*own]
    for orbit in new:
        if min(float(least_distances(other.points, orbit.points[0], basis).min()) for other in own) > SAME_PLACE:
            orbits.append(orbit)
            label.append(EMPTY)
        if len(orbits) >= 2 * len(own) + 8:
            break
    start = _disturbed(np.array(label), orbits, dropped, rng)
    labeller = Labeller(orbits, target, group.reflections, found.texture, rng)
    _, ended = labeller.descend(start)
    if np.array_equal(ended[: len(own)], element):
        return None
    mended = fitter.fit(
        found.group, orbit_map(orbits, ended, int(target.elements.numel())), found.texture, steps=TEXTURE_STEPS
    )
    return mended if mended.score < found.score else None


def _dropped(weight: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which orbits are left out, light ones rather; at least one, never all."""
    lightness = np.clip((weight.max() - weight) / max(float(weight.max() - weight.min()), 1.0), 0.2, 1.0)
    dropped = rng.random(len(weight)) < OMITTED * lightness * rng.uniform(0.3, 1.2)
    if not dropped.any():
        dropped[rng.integers(len(weight))] = True
    if dropped.all():
        dropped[int(weight.argmax())] = False
    return np.asarray(dropped)


def _disturbed(
    label: NDArray[np.int64], orbits: list[Orbit], dropped: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Half the time the orbits left out move to new peaks, now and then two orbits change places."""
    size = np.array([len(orbit) for orbit in orbits])
    if rng.random() < 0.5:
        for place in np.flatnonzero(dropped):
            free = [i for i in range(len(dropped), len(orbits)) if size[i] == size[place] and label[i] == EMPTY]
            if free:
                chosen = free[min(int(rng.exponential(1.5)), len(free) - 1)]
                label[chosen], label[place] = label[place], EMPTY
    if rng.random() < 0.3:
        first = int(rng.integers(len(orbits)))
        others = np.flatnonzero((size == size[first]) & (label != label[first]))
        if len(others):
            second = int(rng.choice(others))
            label[first], label[second] = label[second], label[first]
    return label
