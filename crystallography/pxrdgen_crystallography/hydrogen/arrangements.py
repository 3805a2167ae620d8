"""Arrangements of n hydrogen atoms around a donor, in every orientation that its site symmetry allows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: orientations tried: about 0.3 rad apart.
_ORIENTATIONS = 1500
#: cosine between an image and the atom it falls on, before averaging: less than half a tetrahedral angle.
_NEAR = 0.65


def oriented(number: int, angle: float, stabiliser: FloatArray) -> FloatArray:
    """[K, number, 3] unit vectors, closed under the stabiliser [k, 3, 3]; ``angle`` (degrees) between any two.

    Every orientation of a grid is averaged over the site symmetry: the mean over s of s applied to the vector that s
    carries nearest. Orientations far from symmetric are dropped.
    """
    vectors = np.einsum("kij,nj->kni", _rotations(_ORIENTATIONS), _template(number, angle))
    if len(stabiliser) == 1:
        return np.asarray(vectors)
    total = np.zeros_like(vectors)
    fits = np.ones(len(vectors), dtype=bool)
    for operation in stabiliser:
        images = vectors @ operation.T
        cosines = np.einsum("kni,kmi->knm", images, vectors)
        partner = cosines.argmax(axis=2)
        fits &= cosines.max(axis=2).min(axis=1) > _NEAR
        fits &= (np.sort(partner, axis=1) == np.arange(number)).all(axis=1)
        np.put_along_axis(total, partner[:, :, None], np.take_along_axis(total, partner[:, :, None], 1) + images, 1)
    vectors = total[fits]
    vectors = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
    keep = np.array([_closed(arrangement, stabiliser) for arrangement in vectors], dtype=bool)
    vectors = vectors[keep]
    keys = np.sort(np.rint(vectors @ np.array([1.0, 10.1, 103.7]) * 20.0), axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    return np.asarray(vectors[np.sort(first)])


def _closed(arrangement: FloatArray, stabiliser: FloatArray) -> bool:
    cosines = np.einsum("sij,nj,mi->snm", stabiliser, arrangement, arrangement)
    return bool((cosines.max(axis=2) > 1.0 - 1e-9).all())


def _template(number: int, angle: float) -> FloatArray:
    """[number, 3] unit vectors evenly round z (four: a tetrahedron), ``angle`` between neighbours."""
    if number == 1:
        return np.array([[0.0, 0.0, 1.0]])
    if number == 4:
        return np.asarray(np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3.0))
    turn = 2.0 * np.pi * np.arange(number) / number
    # cos(angle) = c^2 + (1 - c^2) cos(2 pi / n) with c the cosine to the axis
    across = np.sqrt((1.0 - np.cos(np.radians(angle))) / (1.0 - np.cos(turn[1])))
    across = min(across, 1.0)
    along = np.full(number, np.sqrt(1.0 - across**2))
    return np.stack([across * np.cos(turn), across * np.sin(turn), along], axis=1)


@lru_cache(maxsize=2)
def _rotations(count: int) -> FloatArray:
    """[count, 3, 3] even rotations: the super-Fibonacci spiral (Alexa 2022, doi:10.1109/CVPR52688.2022.00811)."""
    step = np.arange(count) + 0.5
    inner, outer = np.sqrt(step / count), np.sqrt(1.0 - step / count)
    first, second = 2.0 * np.pi * step / np.sqrt(2.0), 2.0 * np.pi * step / 1.533751168755204288118041
    x, y, z, w = inner * np.sin(first), inner * np.cos(first), outer * np.sin(second), outer * np.cos(second)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.asarray(np.moveaxis(np.array(rows), -1, 0))
