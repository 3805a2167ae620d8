"""The classical figures of merit of an indexed pattern.

M_N = Q_N / (2 <|dQ|> C_N), de Wolff 1968, doi:10.1107/S002188986800508X; F_N = (1 / <|d2theta|>) (N / C_N), Smith &
Snyder 1979, doi:10.1107/S002188987901178X; C_N counts the different lines calculated up to the N-th observed one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pxrdgen_crystallography.indexing.likelihood import calculated_angles
from pxrdgen_crystallography.indexing.lines import ObservedLines
from pxrdgen_crystallography.lattice.bravais import BravaisLattice

FloatArray = NDArray[np.float64]

#: degrees: positions are not believed better than this.
BEST_ERROR = 0.0005
#: a line this far (in its widths, and at least this many degrees) from every calculated one is unindexed.
NEAR_WIDTHS, NEAR_DEGREES = 0.4, 0.02


def figures_of_merit(
    lattice: BravaisLattice, parameters: FloatArray, zero: float, lines: ObservedLines, count: int = 20
) -> tuple[float, float, NDArray[np.bool_]]:
    """M_N and F_N over the first N = ``count`` lines (fewer where there are fewer), and which of all lines are indexed.

    Lines that are not indexed enter no mean but their number counts against N.
    """
    high = float(lines.two_theta[-1]) + 0.3
    angles = calculated_angles(lattice, parameters, lines.wavelength, max(lines.low - 0.3, 0.5), high) + zero
    if angles.size == 0:
        return 0.0, 0.0, np.zeros(len(lines), dtype=bool)
    place = np.clip(np.searchsorted(angles, lines.two_theta), 1, max(angles.size - 1, 1))
    beside = np.clip(np.stack([place - 1, place]), 0, angles.size - 1)
    error = np.abs(lines.two_theta - angles[beside]).min(axis=0)
    indexed = error <= np.maximum(NEAR_WIDTHS * lines.fwhm, NEAR_DEGREES)
    first = lines.first(count)
    good = indexed[: len(first)]
    if not good.any():
        return 0.0, 0.0, indexed
    calculated = max(int((angles <= float(first.two_theta[-1]) + 0.02).sum()), int(good.sum()))
    by_angle = np.maximum(error[: len(first)][good], BEST_ERROR)
    by_q = by_angle * first.q_by_angle[good]
    share = float(good.mean())
    m = share * float(first.q[-1]) / (2.0 * float(by_q.mean()) * calculated)
    f = float(good.sum()) / (float(by_angle.mean()) * calculated)
    return m, f, indexed
