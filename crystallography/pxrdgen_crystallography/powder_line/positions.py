"""Where a line is measured: Bragg angle, wavelengths, zero, displacement and axial divergence (degrees 2theta)."""

from __future__ import annotations

import math

from pxrdgen.values.instrument import Instrument, Radiation
from pxrdgen_crystallography.powder_line.array_functions import Array, functions_of


def asymmetry_shift(two_theta: Array, sh_l: float) -> Array:
    """Shift, in degrees, that axial divergence gives a line when (S + H) / L is small.

    -(1 - 1 / sqrt 3) (2theta - 2phi_min) with cos 2phi_min = sqrt(1 + (S + H)^2 / L^2) cos 2theta: the limit of
    Finger, Cox & Jephcoat (1994, doi:10.1107/S0021889894004218), as GSAS-II evaluates it. Written with the sine of the
    difference, q^2 cos 2theta / (sqrt(1 + q^2) sin 2theta + sin 2phi_min) with q = (S + H) / L, which single precision
    resolves.
    """
    if sh_l == 0.0:
        return two_theta * 0.0
    functions = functions_of(two_theta)
    radians = functions.deg2rad(two_theta)
    sine, cosine = functions.sin(radians), functions.cos(radians)
    least_sine = (sine * sine - sh_l * sh_l * cosine * cosine).clip(min=1e-12) ** 0.5
    sine_of_shift = sh_l * sh_l * cosine / ((1.0 + sh_l * sh_l) ** 0.5 * sine + least_sine)
    difference = functions.asin(functions.minimum(functions.maximum(sine_of_shift, -sine), sine))
    shift: Array = -(1.0 - 1.0 / math.sqrt(3.0)) * functions.rad2deg(difference)
    return shift


def wavelength_splits(radiation: Radiation) -> tuple[float, ...]:
    """(360 / pi) (lambda_k - lambda_1) / lambda_1 of each wavelength k: degrees that go with tan theta."""
    first = radiation.wavelength
    return tuple((360.0 / math.pi) * (wavelength - first) / first for wavelength in radiation.wavelengths)


def line_positions(two_theta: Array, instrument: Instrument) -> list[tuple[Array, float]]:
    """Positions (degrees) of each of the radiation's lines, zero and displacement included, and its weight.

    ``two_theta`` [...] is the first line's Bragg angle; line k lies at + (360 / pi) (d lambda / lambda) tan theta.
    """
    functions = functions_of(two_theta)
    theta = functions.deg2rad(two_theta) / 2.0
    measured = two_theta + asymmetry_shift(two_theta, instrument.sh_l)
    measured = measured + instrument.zero + instrument.displacement * functions.cos(theta)
    tangent = functions.tan(theta)
    splits = wavelength_splits(instrument.radiation)
    return [
        (measured + split * tangent, weight) for split, weight in zip(splits, instrument.radiation.weights, strict=True)
    ]
