"""The reflections of a cell, gathered into lines that stay together whatever the symmetry lets the cell do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen_crystallography.decomposition.lines import bragg_angles, lines_of, reciprocal_metric_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: reflections this close (degrees) in two cells share a line.
SAME = 2e-4
#: strain of the second cell, larger than any the refinement makes.
TEST_STRAIN = 0.02


@dataclass(frozen=True, kw_only=True)
class Reflections:
    """Half a sphere of reflections.

    Args:
        hkl: [H, 3] Miller indices, sorted by line.
        starts: [K] first row of each line; lines are in order of rising angle.
        outside: [K] whether the line lies beyond the ends of the pattern.
    """

    hkl: FloatArray
    starts: IntArray
    outside: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.starts.size)

    def total(self, values: FloatArray) -> FloatArray:
        """Sum of ``values`` [H, ...] over the members of each line: [K, ...]."""
        return np.add.reduceat(values, self.starts, axis=0)


def reflections_of(
    basis: FloatArray, strains: FloatArray, wavelength: float, span: tuple[float, float], margin: tuple[float, float]
) -> Reflections:
    """Reflections with 2theta in ``span`` (degrees), ``margin`` degrees beyond it included.

    Members of a line coincide in the cell itself and in one deformed by every allowed strain [Q, 3, 3] at once.
    """
    low, high = max(span[0] - margin[0], 0.5), min(span[1] + margin[1], 179.0)
    hkl = lines_of(basis, wavelength, low, high).hkl
    if not len(hkl):
        return Reflections(hkl=np.zeros((0, 3)), starts=np.zeros(0, dtype=np.int64), outside=np.zeros(0, dtype=bool))
    # incommensurate coefficients: no two strains cancel by accident
    mixture: FloatArray = np.einsum("q,qij->ij", TEST_STRAIN * np.cos(1.7 * np.arange(len(strains)) + 0.4), strains)
    angle = bragg_angles(hkl, reciprocal_metric_of(basis), wavelength)
    strained = np.asarray(basis @ (np.eye(3) + mixture))
    test = bragg_angles(hkl, reciprocal_metric_of(strained), wavelength)
    group = _gathered(angle, np.zeros(len(hkl), dtype=np.int64))
    group = _gathered(test, group)
    order = np.argsort(group, kind="stable")
    hkl, group, angle = hkl[order], group[order], angle[order]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    by_angle = np.argsort(angle[starts], kind="stable")
    stops = np.append(starts[1:], len(hkl))
    rows = np.concatenate([np.arange(starts[k], stops[k]) for k in by_angle])
    sizes = (stops - starts)[by_angle]
    position = angle[starts][by_angle]
    return Reflections(
        hkl=hkl[rows],
        starts=np.cumsum(sizes) - sizes,
        outside=(position < span[0]) | (position > span[1]),
    )


def _gathered(angle: FloatArray, group: IntArray) -> IntArray:
    """Groups split wherever neighbours within them differ by more than ``SAME``."""
    order = np.lexsort((angle, group))
    new = np.zeros(len(order), dtype=np.int64)
    new[1:] = (np.diff(angle[order]) > SAME) | (np.diff(group[order]) != 0)
    labels = np.empty_like(new)
    labels[order] = np.cumsum(new)
    return labels
