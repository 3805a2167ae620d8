"""What an intensity is: counts, a rate, attenuated or not. Decided by arithmetic, since headers are often wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def is_whole(values: FloatArray) -> bool:
    """Whether nearly all values are whole numbers, as counts are."""
    tolerance = 1e-3 + 1e-6 * np.abs(values)
    return bool(np.mean(np.abs(values - np.round(values)) < tolerance) > 0.99)


def sigma_of_scaled(intensity: FloatArray, scale: FloatArray | float) -> FloatArray:
    """[G] sigma of an intensity y = counts * s: sqrt(max(y / s, 1)) * s."""
    return np.sqrt(np.maximum(intensity / scale, 1.0)) * scale


def sigma_of_rate(intensity: FloatArray, seconds: float | None) -> FloatArray | None:
    """[G] sigma where intensity times counting time is whole (a rate), ``None`` for counts and where unknown."""
    if seconds is None or not 1e-6 < seconds < 1e7 or is_whole(intensity):
        return None
    return sigma_of_scaled(intensity, 1.0 / seconds) if is_whole(intensity * seconds) else None


def unattenuated(intensity: FloatArray, factor: FloatArray) -> tuple[FloatArray, str]:
    """[G] intensities with the attenuator undone, and a note.

    Files do not say whether the factor is already in the intensity. Where it changes, the true series runs on
    without a jump: of the two readings the one with the smaller jumps in log intensity is taken.
    """
    if np.ptp(factor) == 0 or not (factor > 0).all():
        return intensity, ""
    edges = np.flatnonzero(np.diff(factor) != 0)

    def jump(series: FloatArray) -> float:
        logs = np.log(np.maximum(series, 1.0))
        return float(np.abs(logs[edges + 1] - logs[edges]).sum())

    with np.errstate(all="ignore"):
        product = intensity * factor
        if jump(product) < jump(intensity):
            return product, f"the attenuator (up to {factor.max():g}) was undone: the intensities run on without jumps"
    return intensity, f"the file names an attenuator (up to {factor.max():g}), already undone in the intensities"
