"""A measured or simulated powder pattern, and the conversion between 2theta and d."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import PatternError
from pxrdgen.values.instrument import Instrument

FloatArray = NDArray[np.float64]


def d_from_two_theta(two_theta: FloatArray, wavelength: float) -> FloatArray:
    """Bragg's law, d = lambda / (2 sin theta); degrees and A."""
    return wavelength / (2.0 * np.sin(np.radians(two_theta) / 2.0))


def two_theta_from_d(d_spacing: FloatArray, wavelength: float) -> FloatArray:
    """Bragg's law, 2theta = 2 asin(lambda / 2d); A and degrees, nan where the line cannot be reached."""
    with np.errstate(invalid="ignore"):
        return np.degrees(2.0 * np.arcsin(wavelength / (2.0 * np.asarray(d_spacing, dtype=np.float64))))


class RadiationSource(StrEnum):
    """Where the wavelength of a pattern comes from."""

    UNKNOWN = "unknown"
    FILE = "file"
    GIVEN = "given"
    ASSUMED = "assumed"
    INSTRUMENT = "instrument"


@dataclass(frozen=True, kw_only=True)
class PowderPattern:
    """Intensity against scattering angle.

    Args:
        two_theta: [G] degrees, strictly increasing, within 0-180.
        intensity: [G] counts or arbitrary units; small negatives are allowed.
        sigma: [G] standard uncertainty of each intensity, above 0; ``None`` when the file gave none.
        instrument: the diffractometer as far as it is known.
        metadata: plain facts for the report (file, format, sample name).
        radiation_source: who said what the wavelength is.
        notes: sentences on what was assumed or repaired.

    Raises:
        PatternError: shapes differ, fewer than 2 points, values not finite, angles not increasing or out of range.
    """

    two_theta: FloatArray
    intensity: FloatArray
    sigma: FloatArray | None = None
    instrument: Instrument = field(default_factory=Instrument)
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    radiation_source: RadiationSource = RadiationSource.UNKNOWN
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "two_theta", np.ascontiguousarray(self.two_theta, dtype=np.float64))
        object.__setattr__(self, "intensity", np.ascontiguousarray(self.intensity, dtype=np.float64))
        if self.sigma is not None:
            object.__setattr__(self, "sigma", np.ascontiguousarray(self.sigma, dtype=np.float64))
        shape = self.two_theta.shape
        same = self.intensity.shape == shape and (self.sigma is None or self.sigma.shape == shape)
        if self.two_theta.ndim != 1 or not same:
            raise PatternError(
                f"got arrays of shapes {shape} and {self.intensity.shape}; expected three of equal length"
            )
        if shape[0] < 2:
            raise PatternError(f"got {shape[0]} point(s), expected at least 2; is this a powder pattern?")
        if not (np.isfinite(self.two_theta).all() and np.isfinite(self.intensity).all()):
            raise PatternError("got angles or intensities that are not finite; remove NaN and infinite values")
        if not (np.diff(self.two_theta) > 0).all():
            raise PatternError("got angles that do not increase; sort them and drop repeated points")
        if self.two_theta[0] < 0 or self.two_theta[-1] > 180:
            raise PatternError(
                f"got 2theta {self.two_theta[0]:g} to {self.two_theta[-1]:g}, expected 0 to 180 degrees; "
                "is the column d or Q?"
            )
        if self.sigma is not None and not (np.isfinite(self.sigma).all() and (self.sigma > 0).all()):
            raise PatternError(
                "got standard uncertainties that are not positive; leave the column out if they are unknown"
            )

    def __len__(self) -> int:
        return int(self.two_theta.shape[0])

    @property
    def step(self) -> float:
        """Median step, in degrees."""
        return float(np.median(np.diff(self.two_theta)))

    @property
    def uncertainty(self) -> FloatArray:
        """[G] sigma from the file, else sqrt(max(I, 1)) where intensities look like counts, else a relative estimate.

        The estimate takes the noise from second differences and lets it grow with sqrt(I), so a goodness of fit
        that rests on it is relative.
        """
        if self.sigma is not None:
            return self.sigma
        if self.looks_like_counts:
            return np.sqrt(np.maximum(self.intensity, 1.0))
        top = float(np.max(np.abs(self.intensity))) or 1.0
        return np.sqrt(np.maximum(self.intensity, 1e-4 * top) * top) * 1e-2

    @property
    def looks_like_counts(self) -> bool:
        """Whether nearly all intensities are whole numbers and the largest is worth the name of a count."""
        whole = np.abs(self.intensity - np.round(self.intensity)) < 1e-6
        return bool(np.max(self.intensity) >= 50 and np.mean(whole) > 0.99)

    def cropped(self, low: float, high: float) -> PowderPattern:
        """The points with low <= 2theta <= high, in degrees.

        Raises:
            PatternError: fewer than 2 points are left.
        """
        keep = (self.two_theta >= low) & (self.two_theta <= high)
        return self.selected(keep, f"the range {low:g} to {high:g}")

    def without(self, low: float, high: float) -> PowderPattern:
        """The points outside low <= 2theta <= high, in degrees.

        Raises:
            PatternError: fewer than 2 points are left.
        """
        keep = (self.two_theta < low) | (self.two_theta > high)
        return self.selected(keep, f"excluding {low:g} to {high:g}")

    def selected(self, keep: NDArray[np.bool_], what: str) -> PowderPattern:
        """The points where ``keep`` [G] holds; ``what`` names the selection in the error."""
        if int(keep.sum()) < 2:
            raise PatternError(
                f"got {what}, which leaves {int(keep.sum())} point(s) of a pattern that covers "
                f"{self.two_theta[0]:g} to {self.two_theta[-1]:g} degrees; choose a range inside it"
            )
        sigma = None if self.sigma is None else self.sigma[keep]
        return replace(self, two_theta=self.two_theta[keep], intensity=self.intensity[keep], sigma=sigma)
