"""Bond valences: how well an arrangement of elements suits the distances between them.

A bond of length d carries exp((R - d) / 0.37 A) of valence (Brown & Altermatt 1985, doi:10.1107/S0108768185002063);
R follows from radii and electronegativities of the two elements (O'Keeffe & Brese 1991, doi:10.1021/ja00009a002).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal

FloatArray = NDArray[np.float64]

#: A; and the longest distance that still counts as a bond (a bond valence of about 0.01).
SOFTNESS, REACH = 0.37, 4.0
#: images of the cell on either side that are looked at.
_IMAGES = 2


@lru_cache(maxsize=64)
def usual_valences(composition: Composition) -> tuple[tuple[int, float], ...]:
    """(atomic number, oxidation number) of the likeliest assignment that balances; empty where none does."""
    from pymatgen.core.composition import Composition as Formula
    from pymatgen.core.periodic_table import Element

    guesses = Formula(composition.reduced()[0].formula).oxi_state_guesses(max_sites=-1)
    return tuple((Element(symbol).Z, float(number)) for symbol, number in guesses[0].items()) if guesses else ()


def bond_valence_sums(crystal: Crystal, valences: FloatArray) -> FloatArray:
    """[N] valence that each atom receives from atoms of the other sign; ``valences`` [N] are oxidation numbers."""
    length = _bond_lengths(crystal.species)
    steps = np.arange(-_IMAGES, _IMAGES + 1)
    images = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    delta = crystal.frac_coords[None, :] - crystal.frac_coords[:, None]
    vectors = (delta - np.rint(delta))[:, :, None, :] + images
    distance = np.linalg.norm(vectors @ crystal.basis, axis=-1)
    strength = np.where(distance < REACH, np.exp((length[:, :, None] - distance) / SOFTNESS), 0.0).sum(axis=2)
    opposite = valences[:, None] * valences[None, :] < 0.0
    return np.asarray((strength * opposite).sum(axis=1))


def valence_errors(crystal: Crystal) -> FloatArray | None:
    """[N] bond-valence sum of each atom less the valence it should have.

    ``None`` where no oxidation numbers balance or an element has no parameters.
    """
    found = dict(usual_valences(Composition.from_species(crystal.species)))
    if not found or any(z not in _parameters() for z in found):
        return None
    valences = np.array([found[int(z)] for z in crystal.species])
    return np.asarray(bond_valence_sums(crystal, valences) - np.abs(valences))


@lru_cache(maxsize=1)
def _parameters() -> dict[int, tuple[float, float]]:
    from pymatgen.analysis.bond_valence import BV_PARAMS

    return {element.Z: (float(entry["r"]), float(entry["c"])) for element, entry in BV_PARAMS.items()}


def _bond_lengths(species: NDArray[np.int64]) -> FloatArray:
    """[N, N] length of a bond of valence one: R = r + r' - r r' (sqrt c - sqrt c')^2 / (c r + c' r')."""
    radius, negativity = (np.array([_parameters()[int(z)][column] for z in species]) for column in (0, 1))
    root = np.sqrt(negativity)
    product = radius[:, None] * radius
    weighted = negativity * radius
    shortening = product * (root[:, None] - root) ** 2 / (weighted[:, None] + weighted)
    return np.asarray(radius[:, None] + radius - shortening)
