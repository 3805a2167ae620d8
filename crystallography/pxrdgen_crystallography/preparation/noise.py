"""How uncertain each point is: from the file, from counting statistics, or measured on the scatter of the points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.pattern import PowderPattern

FloatArray = NDArray[np.float64]

#: A pattern without visible noise (a simulation) is treated as if its highest point held this many counts.
NOISE_FREE_COUNTS = 1e6


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Variance of a point as a function of its expected intensity: gain * expected + floor.

    Using the expected intensity instead of the observed one keeps weak fits unbiased at low counts.

    Args:
        gain: intensity units a count is worth; 1 for counts.
        floor: variance at zero intensity, squared intensity units, above 0.
        file_variance: [G] variances from the file, used instead; ``None`` when the file gave none.
        source: ``"file"``, ``"counting"`` or ``"estimated"``.
        note: a sentence for the report, empty for the ordinary case.
    """

    gain: float
    floor: float
    file_variance: FloatArray | None = None
    source: str = "counting"
    note: str = ""

    def variance(self, expected: FloatArray) -> FloatArray:
        """[G] variance of points whose expected intensity is ``expected`` [G]."""
        if self.file_variance is not None:
            return self.file_variance
        return np.maximum(self.gain * expected, 0.0) + self.floor

    def variance_at(self, two_theta: FloatArray, where: FloatArray, expected: FloatArray) -> FloatArray:
        """[P] variance at the angles ``where`` [P] of a pattern measured at ``two_theta`` [G]; ``expected`` [P]."""
        if self.file_variance is not None:
            return np.asarray(np.interp(where, two_theta, self.file_variance))
        return np.maximum(self.gain * expected, 0.0) + self.floor


def _scatter(pattern: PowderPattern) -> tuple[FloatArray, FloatArray]:
    """Local level [B] and variance [B] of the calmer half of the points, from second differences.

    A second difference of independent points has six times their variance and does not see slopes. Extreme
    differences within a bin (flanks of sharp peaks) are trimmed.
    """
    y = pattern.intensity
    difference = (y[2:] - 2.0 * y[1:-1] + y[:-2]) / np.sqrt(6.0)
    level = np.convolve(y, np.ones(9) / 9.0, mode="same")[1:-1] if y.shape[0] >= 11 else y[1:-1]
    order = np.argsort(level)
    calm = order[: max(order.shape[0] * 6 // 10, 3)]
    levels, variances = [], []
    for part in np.array_split(calm, max(1, min(12, calm.shape[0] // 40))):
        squares = np.sort(difference[part] ** 2)
        kept = squares[: max(1, int(0.95 * squares.shape[0]))]
        # The mean of the lowest 95 % of chi-square(1) variates is 0.76.
        levels.append(float(np.mean(level[part])))
        variances.append(float(np.mean(kept)) / 0.76)
    return np.asarray(levels), np.asarray(variances)


def estimate_noise(pattern: PowderPattern) -> Noise:
    """The noise of a pattern: the file's sigma, Poisson statistics of counts, or what the scatter of the points shows.

    Counts whose scatter disagrees with Poisson statistics by more than a factor 1.6 in variance (scaled, averaged or
    smoothed data) get the measured gain.
    """
    if pattern.sigma is not None:
        width = min(7, len(pattern))
        padded = np.pad(pattern.sigma**2, width // 2, mode="edge")
        smooth = np.convolve(padded, np.ones(width) / width, mode="valid")[: len(pattern)]
        return Noise(gain=0.0, floor=float(np.min(smooth)), file_variance=smooth, source="file")
    levels, variances = _scatter(pattern)
    top = max(float(np.max(pattern.intensity)), 1e-300)
    positive = levels > 1e-9 * top
    gain = float(np.median(variances[positive] / levels[positive])) if positive.any() else 0.0
    if pattern.looks_like_counts:
        if 1.0 / 1.6 < gain < 1.6 or not positive.any() or float(np.median(levels[positive])) < 2.0:
            return Noise(gain=1.0, floor=0.3)
        note = f"the points scatter {np.sqrt(gain):.2g} times as much as counts do; the measured scatter is used"
        return Noise(gain=gain, floor=0.3 * gain, source="estimated", note=note)
    least = top / NOISE_FREE_COUNTS
    if gain < least:
        note = f"no noise is visible; taken for {NOISE_FREE_COUNTS:g} counts at the highest point, so fits are relative"
        return Noise(gain=least, floor=least * 1e-4 * top, source="estimated", note=note)
    note = "neither counts nor uncertainties are given; the noise is estimated from the scatter of the points"
    return Noise(gain=gain, floor=max(gain, least) * 1e-4 * top, source="estimated", note=note)
