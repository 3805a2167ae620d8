"""How close atoms come, in units of the sum of their covalent radii (Cordero et al. 2008, doi:10.1039/b801115j)."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import SYMBOLS

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Pairs held in memory at once by :func:`shortest_contacts_batch`.
_CHUNK = 4_000_000


def shortest_contacts(crystal: Crystal) -> float:
    """Smallest distance / (r_i + r_j) over all pairs of atoms and periodic images; about 1 for a covalent bond."""
    return float(shortest_contacts_batch(crystal.species, crystal.basis, crystal.frac_coords[None])[0])


def shortest_contacts_batch(species: IntArray, basis: FloatArray, frac_coords: FloatArray) -> FloatArray:
    """[M] the same for M arrangements of the same atoms in the same cell.

    Args:
        species: [N] atomic numbers.
        basis: [3, 3] rows in A, any cell.
        frac_coords: [M, N, 3], wrapped or not.
    """
    reduced, images = _reduced_images(basis)
    coords = np.asarray(frac_coords, dtype=np.float64) @ basis @ np.linalg.inv(reduced)
    radius = covalent_radii()[species]
    first, second = np.triu_indices(len(species), k=1)
    lengths = np.linalg.norm(images, axis=1)
    own = float(lengths[lengths > 1e-9].min() / (2.0 * radius.max()))
    shortest = np.full(len(coords), own)
    if len(first) == 0:
        return shortest
    step = max(1, _CHUNK // (len(first) * len(images)))
    for start in range(0, len(coords), step):
        part = coords[start : start + step]
        delta = part[:, first] - part[:, second]
        delta = (delta - np.rint(delta)) @ reduced
        # |d + t|^2 = |d|^2 + 2 d.t + |t|^2 spares a temporary of all image vectors.
        squared = (delta**2).sum(-1)[..., None] + 2.0 * delta @ images.T + lengths**2
        ratio = np.sqrt(np.maximum(squared.min(axis=-1), 0.0)) / (radius[first] + radius[second])
        shortest[start : start + step] = np.minimum(own, ratio.min(axis=1))
    return shortest


def neighbour_distances(crystal: Crystal, count: int) -> FloatArray:
    """[N, S, count] distances (A) from each atom to its nearest of each of the S species (rising), near ones first."""
    reduced, images = _reduced_images(crystal.basis)
    coords = crystal.frac_coords @ crystal.basis @ np.linalg.inv(reduced)
    delta = coords[:, None, :] - coords[None, :, :]
    vectors = ((delta - np.rint(delta)) @ reduced)[:, :, None, :] + images
    distance = np.linalg.norm(vectors, axis=-1)
    distance[distance < 1e-9] = np.inf
    numbers = np.unique(crystal.species)
    nearest = np.empty((len(crystal), len(numbers), count))
    for column, number in enumerate(numbers):
        flat = distance[:, crystal.species == number].reshape(len(crystal), -1)
        nearest[:, column] = np.sort(np.partition(flat, count - 1, axis=1)[:, :count], axis=1)
    return nearest


@lru_cache(maxsize=1)
def covalent_radii() -> FloatArray:
    """[119] covalent radii in A by atomic number, index 0 unused; 1.5 beyond curium, where none were measured."""
    import gemmi

    return np.array([0.0, *(gemmi.Element(number).covalent_r for number in range(1, len(SYMBOLS)))])


def _reduced_images(basis: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A reduced basis of the lattice, and the [27, 3] translations that suffice for nearest images in it."""
    _, transform = UnitCell.from_basis(basis).niggli()
    reduced = transform @ basis
    steps = np.array(list(product((-1, 0, 1), repeat=3)), dtype=np.float64)
    return reduced, steps @ reduced
