"""A pattern ready for indexing and structure solution, with its peak list."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.instrument import Instrument
from pxrdgen.values.pattern import PowderPattern, d_from_two_theta

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PeakList:
    """Bragg peaks of the first wavelength, by increasing angle.

    Args:
        two_theta, two_theta_su: [P] degrees, with the pattern's zero error in them.
        height: [P] above background, pattern units.
        area, area_su: [P] integrated intensity, pattern units times degrees.
        fwhm: [P] degrees.
        wavelength: of the first line, A.
    """

    two_theta: FloatArray
    two_theta_su: FloatArray
    height: FloatArray
    area: FloatArray
    area_su: FloatArray
    fwhm: FloatArray
    wavelength: float

    def __len__(self) -> int:
        return int(self.two_theta.shape[0])

    @property
    def d_spacing(self) -> FloatArray:
        """[P] in A."""
        return d_from_two_theta(self.two_theta, self.wavelength)

    @property
    def relative_intensity(self) -> FloatArray:
        """[P] area over the largest, in percent."""
        return 100.0 * self.area / max(float(np.max(self.area, initial=0.0)), 1e-300)

    def select(self, keep: NDArray[np.bool_]) -> PeakList:
        """The peaks where ``keep`` [P] holds."""
        return replace(
            self,
            two_theta=self.two_theta[keep],
            two_theta_su=self.two_theta_su[keep],
            height=self.height[keep],
            area=self.area[keep],
            area_su=self.area_su[keep],
            fwhm=self.fwhm[keep],
        )


@dataclass(frozen=True, kw_only=True)
class PreparedPattern:
    """A pattern ready for indexing and structure solution.

    Args:
        pattern: repaired and cropped, with ``sigma`` filled in and the instrument below.
        background, background_su: [G] in the pattern's units.
        peaks: Bragg peaks of the first wavelength.
        calculated: [G] background and fitted peaks.
        instrument: the pattern's, with U, V, W, X, Y from its own peaks where there are at least three.
        noise_source: ``"file"``, ``"counting"`` or ``"estimated"``; goodness of fit is relative for the last.
        notes: sentences for the report.
    """

    pattern: PowderPattern
    background: FloatArray
    background_su: FloatArray
    peaks: PeakList
    calculated: FloatArray
    instrument: Instrument
    noise_source: str
    notes: tuple[str, ...] = ()
