"""The Lorentz-polarisation factor, which makes |F|^2 the strength of a powder line."""

from __future__ import annotations

from pxrdgen_crystallography.powder_line.array_functions import Array


def lorentz_polarization(sine: Array, polarization: float) -> Array:
    """LP = ((1 - p) cos^2 2theta + p) / (2 sin^2 theta cos theta) at ``sine`` = sin(theta), below 1.

    International Tables C (2004), 6.2; ``polarization`` is p, the share perpendicular to the plane of diffraction.
    """
    square = sine * sine
    cosine = 1.0 - 2.0 * square
    return ((1.0 - polarization) * (cosine * cosine) + polarization) / (2.0 * square * (1.0 - square) ** 0.5)


def lorentz_polarization_slope(sine: Array, polarization: float) -> Array:
    """d ln LP / d ln sin^2(theta) at ``sine`` = sin(theta)."""
    square = sine * sine
    cosine = 1.0 - 2.0 * square
    polarized = 4.0 * (1.0 - polarization) * square * cosine / ((1.0 - polarization) * (cosine * cosine) + polarization)
    return 0.5 * square / (1.0 - square) - polarized - 1.0
