"""Peak positions, widths and shapes of a constant-wavelength powder profile (angles in degrees 2theta)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pxrdgen.values.instrument import Instrument

#: how far a peak reaches below and above its position, in full widths (GSAS-II's window).
WINDOW_BELOW, WINDOW_ABOVE = 50.0, 75.0
#: sigma and gamma are kept above these (centidegree^2, centidegree), so that widths stay defined.
MIN_VARIANCE, MIN_LORENTZ = 1e-3, 1e-3


def lorentz_polarization(theta: Tensor, polarization: float) -> Tensor:
    """LP = ((1 - p) cos^2 2theta + p) / (2 sin^2 theta cos theta); theta in radians."""
    cosine = torch.cos(2.0 * theta)
    return ((1.0 - polarization) * cosine * cosine + polarization) / (2.0 * torch.sin(theta) ** 2 * torch.cos(theta))


def gaussian_variance(theta: Tensor, u: Tensor | float, v: Tensor | float, w: Tensor | float) -> Tensor:
    """sigma^2 = U tan^2 theta + V tan theta + W, centidegree^2.

    Caglioti et al. 1958, doi:10.1016/0369-643X(58)90029-X.
    """
    tangent = torch.tan(theta)
    return (u * tangent * tangent + v * tangent + w).clamp_min(MIN_VARIANCE)


def lorentz_width(theta: Tensor, x: Tensor | float, y: Tensor | float) -> Tensor:
    """gamma = X / cos theta + Y tan theta, centidegree (size and strain)."""
    return (x / torch.cos(theta) + y * torch.tan(theta)).clamp_min(MIN_LORENTZ)


def asymmetry_shift(two_theta: Tensor, sh_l: Tensor | float) -> Tensor:
    """Shift, in degrees, that axial divergence gives a peak when (S + H) / L is small.

    -(1 - 1 / sqrt 3) (2theta - 2phi_min) with cos 2phi_min = sqrt(1 + (S + H)^2 / L^2) cos 2theta: the limit of
    Finger, Cox & Jephcoat (1994, doi:10.1107/S0021889894004218), as GSAS-II evaluates it. Written with the sine of the
    difference, q^2 cos 2theta / (sqrt(1 + q^2) sin 2theta + sin 2phi_min) with q = (S + H) / L, which single precision
    resolves.
    """
    if sh_l == 0.0:
        return torch.zeros_like(two_theta)
    radians = torch.deg2rad(two_theta)
    sine, cosine = torch.sin(radians), torch.cos(radians)
    least_sine = (sine * sine - sh_l * sh_l * cosine * cosine).clamp_min(1e-12).sqrt()
    sine_of_shift = sh_l * sh_l * cosine / ((1.0 + sh_l * sh_l) ** 0.5 * sine + least_sine)
    difference = torch.asin(torch.minimum(torch.maximum(sine_of_shift, -sine), sine))
    return -(1.0 - 1.0 / math.sqrt(3.0)) * torch.rad2deg(difference)


def tch_width_and_mixing(variance: Tensor, lorentz: Tensor) -> tuple[Tensor, Tensor]:
    """Full width (degrees) and Lorentz fraction of the Thompson-Cox-Hastings pseudo-Voigt.

    ``variance`` centidegree^2 and ``lorentz`` centidegree, any shape (doi:10.1107/S0021889887087090).
    """
    g = math.sqrt(8.0 * math.log(2.0)) * torch.sqrt(variance)
    h = lorentz
    fifth = g**5 + 2.69269 * g**4 * h + 2.42843 * g**3 * h**2 + 4.47163 * g**2 * h**3 + 0.07842 * g * h**4 + h**5
    width = fifth**0.2
    ratio = h / width
    mixing = 1.36603 * ratio - 0.47719 * ratio**2 + 0.11116 * ratio**3
    return width / 100.0, mixing


def lorentzian(offset: Tensor, width: Tensor) -> Tensor:
    """Area-normalised Lorentzian, 1/degree: ``offset`` and full ``width`` in degrees, broadcast together."""
    scaled = offset * (2.0 / width)
    return (2.0 / (math.pi * width)) / (1.0 + scaled * scaled)


def gaussian(offset: Tensor, width: Tensor) -> Tensor:
    """Area-normalised Gaussian, 1/degree: ``offset`` and full ``width`` in degrees, broadcast together."""
    scaled = offset / width
    height = 2.0 * math.sqrt(math.log(2.0) / math.pi) / width
    return height * torch.exp((-4.0 * math.log(2.0)) * scaled * scaled)


def line_positions(two_theta: Tensor, instrument: Instrument) -> list[tuple[Tensor, float]]:
    """Positions (degrees) of each of the radiation's lines, zero and displacement included, and its weight.

    ``two_theta`` [...] is the first line's Bragg angle; line k lies at + (360 / pi) (d lambda / lambda) tan theta.
    """
    theta = torch.deg2rad(two_theta) / 2.0
    measured = two_theta + asymmetry_shift(two_theta, instrument.sh_l)
    measured = measured + instrument.zero + instrument.displacement * torch.cos(theta)
    first = instrument.radiation.wavelength
    lines = []
    for wavelength, weight in zip(instrument.radiation.wavelengths, instrument.radiation.weights, strict=True):
        split = (360.0 / math.pi) * (wavelength - first) / first
        lines.append((measured + split * torch.tan(theta), weight))
    return lines
