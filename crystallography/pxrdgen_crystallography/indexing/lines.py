"""The observed lines that a cell has to explain: positions in Q = 1/d^2, the effect of a zero error, trust."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import CellError
from pxrdgen.values.cells import CellProblem
from pxrdgen.values.instrument import CUKA, Radiation
from pxrdgen.values.prepared_pattern import PeakList
from pxrdgen_crystallography.preparation.spectral_lines import echoes

FloatArray = NDArray[np.float64]

#: lines without which no lattice can be told from chance.
FEWEST_LINES = 3
#: lines a cell is judged by, from the lowest angle.
MAX_LINES = 60
#: odds that a peak of full strength, one that barely stands out, and one where a line of the tube would echo a strong
#: peak, belongs to something else.
FOREIGN_STRONG, FOREIGN_WEAK, FOREIGN_ECHO = 0.01, 0.4, 0.9


@dataclass(frozen=True, kw_only=True)
class ObservedLines:
    """Peaks by rising angle.

    Args:
        two_theta, two_theta_su: [L] degrees.
        fwhm: [L] degrees.
        q: [L] 1/d^2, 1/A^2.
        q_by_angle: [L] dQ/d(2theta), 1/A^2 a degree.
        foreign: [L] probability that the line is none of the crystal's (noise, an impurity, an artefact).
        strength: [L] intensity as a share of the strongest.
        wavelength: A.
        low, high: range of the pattern, degrees.
    """

    two_theta: FloatArray
    two_theta_su: FloatArray
    fwhm: FloatArray
    q: FloatArray
    q_by_angle: FloatArray
    foreign: FloatArray
    strength: FloatArray
    wavelength: float
    low: float
    high: float

    def __len__(self) -> int:
        return int(self.q.shape[0])

    def first(self, count: int) -> ObservedLines:
        """The ``count`` lines of lowest angle."""
        return self._rows(slice(0, count))

    def trusted(self, doubt: float, at_least: int) -> ObservedLines:
        """The lines that are foreign with a probability below ``doubt``, or the ``at_least`` most trusted ones."""
        chosen = np.flatnonzero(self.foreign < doubt)
        if chosen.size < at_least:
            chosen = np.sort(np.argsort(self.foreign, kind="stable")[:at_least])
        return self._rows(chosen)

    def _rows(self, rows: slice | NDArray[np.intp]) -> ObservedLines:
        return ObservedLines(
            two_theta=self.two_theta[rows],
            two_theta_su=self.two_theta_su[rows],
            fwhm=self.fwhm[rows],
            q=self.q[rows],
            q_by_angle=self.q_by_angle[rows],
            foreign=self.foreign[rows],
            strength=self.strength[rows],
            wavelength=self.wavelength,
            low=self.low,
            high=self.high,
        )

    def q_at(self, two_theta: FloatArray | float) -> FloatArray:
        """Q of angles in degrees."""
        return np.asarray((2.0 * np.sin(np.radians(two_theta) / 2.0) / self.wavelength) ** 2)


def observed_lines(peaks: PeakList, low: float, high: float, radiation: Radiation = CUKA) -> ObservedLines:
    """The lines of a peak list from a pattern of ``radiation`` that covers ``low`` to ``high`` degrees."""
    theta = np.radians(peaks.two_theta) / 2.0
    q = (2.0 * np.sin(theta) / peaks.wavelength) ** 2
    by_angle = 2.0 * np.sin(2.0 * theta) / peaks.wavelength**2 * np.pi / 180.0
    strength = peaks.area / max(float(np.max(peaks.area, initial=0.0)), 1e-300)
    significance = peaks.area / np.maximum(peaks.area_su, 1e-300)
    # a false peak is weak and barely significant, a foreign one at least weak
    doubt = np.clip(1.0 - np.log(np.maximum(significance, 1e-9) / 4.0) / np.log(10.0), 0.0, 1.0)
    faint = np.clip(-np.log10(np.maximum(strength, 1e-6)) / 2.5, 0.0, 1.0)
    foreign = FOREIGN_STRONG * (FOREIGN_WEAK / FOREIGN_STRONG) ** np.maximum(doubt * faint, 0.85 * faint)
    foreign[echoes(peaks, radiation)] = FOREIGN_ECHO
    return ObservedLines(
        two_theta=peaks.two_theta,
        two_theta_su=peaks.two_theta_su,
        fwhm=peaks.fwhm,
        q=q,
        q_by_angle=by_angle,
        foreign=np.asarray(foreign),
        strength=strength,
        wavelength=peaks.wavelength,
        low=low,
        high=high,
    )


def problem_lines(problem: CellProblem) -> ObservedLines:
    """The lines of a cell problem, at most 60 of lowest angle.

    Raises:
        CellError: too few.
    """
    prepared = problem.prepared
    two_theta = prepared.pattern.two_theta
    if len(prepared.peaks) < FEWEST_LINES:
        raise CellError(
            f"got {len(prepared.peaks)} peaks between {two_theta[0]:.4g} and {two_theta[-1]:.4g} degrees, expected at "
            f"least {FEWEST_LINES} to find a cell, and about 20 for one of low symmetry; measure more"
        )
    return observed_lines(
        prepared.peaks, float(two_theta[0]), float(two_theta[-1]), prepared.instrument.radiation
    ).first(MAX_LINES)
