"""Energy of hydrogen atoms at fixed donors: short-range attraction and repulsion, and bending.

E = sum q exp(-r / L) / r + C exp((s - r) / b) over pairs that are not of one donor, plus K (cos t - cos t0)^2 over
angles at the donor, in nats. All constants are fitted to 2,394 donors of 1,192 training crystals so that
exp(-E) / sum exp(-E) is largest for the true arrangement among 71 of each donor, its neighbours being true.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen_crystallography.symmetry.contacts import covalent_radii

FloatArray = NDArray[np.float64]

#: A beyond which nothing is felt, and the decay of attraction.
REACH, SCREENING = 6.0, 0.492
#: nats of the repulsion at contact, and its decay in A.
STRENGTH, DECAY = 13.4, 0.275
#: contact of hydrogen with an element, A; with a metal from its covalent radius r by offset + slope r.
_CONTACT = {
    1: 1.277, 5: 1.966, 6: 1.072, 7: 1.533, 8: 0.542, 9: 0.271, 14: 2.539, 15: 2.232, 16: 0.996, 17: 0.703, 33: 1.919,
    34: 1.145, 35: 1.113, 52: 2.571, 53: 1.192,
}  # fmt: skip
_METAL_OFFSET, _METAL_SLOPE = 1.132, 0.709
#: charge that one hydrogen atom turns towards another, nats A.
HYDROGEN_CHARGE = 727.0
#: nats.
BENDING = 143.0


def contact(z: int) -> float:
    """A: distance at which hydrogen is repelled by an element with the full strength."""
    return _CONTACT.get(z) or _METAL_OFFSET + _METAL_SLOPE * float(covalent_radii()[z])


def hydrogen_energy(squared: FloatArray) -> FloatArray:
    """Energy of two hydrogen atoms at squared distance (A^2)."""
    return pair_energy(squared, HYDROGEN_CHARGE, _CONTACT[1])


def hydrogen_slope(squared: FloatArray) -> FloatArray:
    """dE/dr / r of two hydrogen atoms."""
    return pair_slope(squared, HYDROGEN_CHARGE, _CONTACT[1])


def pair_energy(squared: FloatArray, charge: FloatArray | float, sigma: FloatArray | float) -> FloatArray:
    """Energy of each pair at squared distance (A^2); nothing beyond reach."""
    r = np.sqrt(np.maximum(squared, _NEAREST))
    felt = charge * np.exp(-r / SCREENING) / r + STRENGTH * np.exp((sigma - r) / DECAY)
    return np.asarray(np.where(r < REACH, felt, 0.0))


def pair_slope(squared: FloatArray, charge: FloatArray | float, sigma: FloatArray | float) -> FloatArray:
    """dE/dr / r of each pair."""
    r = np.sqrt(np.maximum(squared, _NEAREST))
    coulomb = -charge * np.exp(-r / SCREENING) * (1.0 / r**2 + 1.0 / (r * SCREENING))
    slope = coulomb - STRENGTH / DECAY * np.exp((sigma - r) / DECAY)
    return np.asarray(np.where(r < REACH, slope / r, 0.0))


#: A^2 below which energies rise no more.
_NEAREST = 0.25


@dataclass(frozen=True, kw_only=True)
class Site:
    """A donor as its hydrogen atoms see it.

    Args:
        length: of its bonds to hydrogen, A.
        vectors: [M, 3] to the heavier atoms within reach that are not bonded to it by a covalent bond.
        charges, sigmas: [M] of those.
        bonded: [B, 3] unit vectors to its covalent neighbours.
        bonded_cosine: of the angle those want with hydrogen.
        hydrogen_cosine: of the angle between two hydrogen atoms.
    """

    length: float
    vectors: FloatArray
    charges: FloatArray
    sigmas: FloatArray
    bonded: FloatArray
    bonded_cosine: float
    hydrogen_cosine: float

    def energies(self, directions: FloatArray) -> FloatArray:
        """[K] of arrangements [K, n, 3] of unit vectors among the heavier atoms, bending included."""
        squared = self._squared(directions)
        energy = pair_energy(squared, self.charges, self.sigmas).sum(axis=(1, 2))
        energy += BENDING * ((directions @ self.bonded.T - self.bonded_cosine) ** 2).sum(axis=(1, 2))
        cosines = directions @ np.swapaxes(directions, 1, 2)
        unlike = ~np.eye(directions.shape[1], dtype=bool)
        return np.asarray(energy + 0.5 * BENDING * ((cosines - self.hydrogen_cosine) ** 2 * unlike).sum(axis=(1, 2)))

    def gradient(self, directions: FloatArray) -> FloatArray:
        """[n, 3] derivative of the energy of one arrangement [n, 3] by its unit vectors."""
        squared = self._squared(directions[None])[0]
        slope = pair_slope(squared, self.charges, self.sigmas)
        apart = self.length * directions[:, None, :] - self.vectors
        gradient = self.length * (slope[:, :, None] * apart).sum(axis=1)
        gradient += 2.0 * BENDING * (directions @ self.bonded.T - self.bonded_cosine) @ self.bonded
        cosines = (directions @ directions.T - self.hydrogen_cosine) * ~np.eye(len(directions), dtype=bool)
        return np.asarray(gradient + 2.0 * BENDING * cosines @ directions)

    def _squared(self, directions: FloatArray) -> FloatArray:
        square = self.length**2 + (self.vectors**2).sum(axis=1)
        return np.asarray(square - 2.0 * self.length * directions @ self.vectors.T)
