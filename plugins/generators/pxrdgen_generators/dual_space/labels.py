"""Which orbit of a map is which element: dealt by height, then exchanged while the intensities fit better."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.structure_fit.contact_prior import STRENGTH, usual_contacts
from pxrdgen_crystallography.structure_fit.orbit_model import SymmetricReflections
from pxrdgen_generators.dual_space.orbits import Orbit, least_distances

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: pairs of orbits tried in a sweep, and sweeps, at most.
MOST_PAIRS, MOST_SWEEPS = 500, 30
#: weight of the contact penalty beside misfit^2: contacts of a raw map are rough.
CONTACTS = 0.3
#: exp(-THERMAL s^2) damps the atoms of a map, A^2 (U about 0.008).
THERMAL = 0.65
#: an exchange must lower the objective to this share of itself.
WORTHWHILE = 1.0 - 1e-3
#: steps of the exact deal before it is given up.
DEAL_STEPS = 3000
#: label of an orbit that holds no atoms.
EMPTY = -1


class Labeller:
    """Deals the elements of a target to a list of orbits.

    Args:
        orbits: found in a map.
        target: without hydrogen.
        reflections: of the group.
        texture: [n] factors of the target's reflections, or ``None``.
        rng: of all randomness.
    """

    def __init__(
        self,
        orbits: list[Orbit],
        target: IntensityTarget,
        reflections: SymmetricReflections,
        texture: Tensor | None,
        rng: np.random.Generator,
    ) -> None:
        self._rng = rng
        self._elements = target.elements.numpy()
        self._counts = torch.bincount(target.element_of, minlength=len(self._elements)).tolist()
        self._size = np.array([len(orbit) for orbit in orbits])
        self._height = np.array([orbit.height for orbit in orbits])
        hkl = reflections.hkl.double().numpy()
        waves = [np.exp(2j * np.pi * (hkl @ orbit.points.T)).sum(1) for orbit in orbits]
        self._wave = np.stack(waves).astype(np.complex64)
        damping = np.exp(-THERMAL * reflections.s_squared.double().numpy())
        amplitude = (reflections.normal.double().numpy() * damping[:, None]).T
        #: [E + 1, H'] amplitude of each element, the last of none.
        self._amplitude = np.vstack([amplitude, np.zeros(len(damping))]).astype(np.float32)
        self._factor = reflections.factor_with(texture).numpy()
        group = reflections.group.numpy()
        self._edges = np.flatnonzero(np.r_[True, np.diff(group) > 0])
        self._present = group[self._edges]
        self._observed = target.observed.numpy()
        self._floor, self._weight = target.floor.numpy(), target.weight.numpy()
        self._root = np.sqrt(self._observed + self._floor)
        self._norm = float((self._weight**2 * self._observed).sum())
        self._pair, self._own = self._contact_energies(orbits, target.basis.double().numpy())

    def deal(self, noise: float) -> IntArray | None:
        """[n] element of each orbit, the heaviest to the highest peaks; ``None`` where multiplicities do not add up.

        ``noise`` is the standard deviation of the heights' logarithm, so that dealings differ.
        """
        height = self._height * np.exp(self._rng.normal(0.0, noise, len(self._height))) if noise else self._height
        order = np.argsort(-height).tolist()
        label = np.full(len(order), EMPTY)
        for element in np.argsort(-self._elements).tolist():
            chosen = _exact_deal(order, self._size, self._counts[element])
            if chosen is None:
                return None
            label[chosen] = element
            order = [orbit for orbit in order if orbit not in set(chosen)]
        return label

    def descend(self, label: IntArray) -> tuple[float, IntArray]:
        """Exchange the labels of orbits of equal multiplicity while misfit^2 plus contacts falls; the end of it."""
        label = label.copy()
        every = np.arange(len(label))
        wave = (self._amplitude[label] * self._wave).sum(0)
        first, second = np.triu_indices(len(label), 1)
        equal = self._size[first] == self._size[second]
        first, second = first[equal], second[equal]
        energy = self._energy_of_each(label)
        contacts = float((energy[every, label] + self._own[every, label]).sum()) / 2.0
        current = float(self._misfit_squared(wave[None])[0]) + CONTACTS * contacts
        for _ in range(MOST_SWEEPS):
            differ = label[first] != label[second]
            i, j = first[differ], second[differ]
            if not len(i):
                break
            if len(i) > MOST_PAIRS:
                some = self._rng.choice(len(i), MOST_PAIRS, replace=False)
                i, j = i[some], j[some]
            a, b = label[i], label[j]
            pair = self._pair
            change = energy[i, b] - energy[i, a] + energy[j, a] - energy[j, b]
            change += pair[i, b, j, a] + pair[i, a, j, b] - pair[i, b, j, b] - pair[i, a, j, a]
            waves = wave + (self._amplitude[b] - self._amplitude[a]) * (self._wave[i] - self._wave[j])
            objective = self._misfit_squared(waves) + CONTACTS * (contacts + change)
            best = int(objective.argmin())
            if objective[best] >= current * WORTHWHILE:
                break
            current, wave = float(objective[best]), waves[best]
            label[i[best]], label[j[best]] = b[best], a[best]
            energy = self._energy_of_each(label)
            contacts = float((energy[every, label] + self._own[every, label]).sum()) / 2.0
        return current, label

    def _misfit_squared(self, waves: NDArray[np.complex64]) -> NDArray[np.float32]:
        """[M] of structure factors [M, H'], scale matched to the sum of roots."""
        groups = np.zeros((len(waves), len(self._observed)), dtype=np.float32)
        power = self._factor * (waves.real**2 + waves.imag**2)
        groups[:, self._present] = np.add.reduceat(power, self._edges, axis=1)
        ratio = (np.sqrt(groups) * np.sqrt(self._observed)).sum(1) / np.maximum(groups.sum(1), 1e-12)
        groups *= (ratio**2)[:, None]
        residual = self._weight * (np.sqrt(groups + self._floor) - self._root)
        return np.asarray((residual**2).sum(1) / self._norm)

    def _energy_of_each(self, label: IntArray) -> FloatArray:
        """[n, E + 1] contact penalty of each orbit were it each element, the others as labelled."""
        every = np.arange(len(label))
        return np.asarray(self._pair[:, :, every, label].sum(2) + self._own)

    def _contact_energies(self, orbits: list[Orbit], basis: FloatArray) -> tuple[FloatArray, FloatArray]:
        """[n, E + 1, n, E + 1] penalty of two orbits by their labels, and [n, E + 1] of an orbit with itself."""
        count, elements = len(orbits), len(self._elements)
        distance = np.full((count, count), np.inf)
        for i, orbit in enumerate(orbits):
            for j, other in enumerate(orbits):
                apart = least_distances(other.points, orbit.points[0], basis)
                if i != j:
                    distance[i, j] = apart.min()
                elif len(apart) > 1:
                    distance[i, i] = np.sort(apart)[1]
        distance = np.minimum(distance, distance.T)
        usual = np.zeros((elements + 1, elements + 1))
        usual[:elements, :elements] = usual_contacts(self._elements)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = distance[:, None, :, None] / usual[None, :, None, :]
        overlap = np.where(usual[None, :, None, :] > 0, np.clip(STRENGTH * (1.0 - ratio), 0.0, None), 0.0)
        half = 0.5 * self._size[:, None, None, None] * np.nan_to_num(overlap) ** 2
        every, kinds = np.arange(count), np.arange(elements + 1)
        own = half[every[:, None], kinds, every[:, None], kinds].copy()
        pair = half + half.transpose(2, 3, 0, 1)
        pair[every, :, every, :] = 0.0
        return pair.astype(np.float32), own


def _exact_deal(order: list[int], size: IntArray, wanted: int) -> list[int] | None:
    """The earliest orbits of ``order`` whose sizes add up to ``wanted``."""
    chosen: list[int] = []
    steps = DEAL_STEPS

    def complete(place: int, left: int) -> bool:
        nonlocal steps
        steps -= 1
        if left == 0:
            return True
        if steps < 0:
            return False
        for position in range(place, len(order)):
            if size[order[position]] <= left:
                chosen.append(order[position])
                if complete(position + 1, left - int(size[order[position]])):
                    return True
                chosen.pop()
        return False

    return chosen if complete(0, wanted) else None
