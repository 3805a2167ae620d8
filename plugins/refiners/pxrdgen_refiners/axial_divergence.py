"""Low-angle asymmetry: what axial divergence makes of a peak (Finger, Cox & Jephcoat 1994, 10.1107/S0021889894004218).

For a sample and a detector slit of equal height, with q = (S + H) / L, rays of a line at 2theta arrive at 2phi with
cos 2phi = sqrt(1 + t^2) cos 2theta, 0 <= t <= q, and density proportional to

    (q - t) / ((1 + t^2) sin 2phi) dt,

which is smooth in t, so that a few Gauss-Legendre nodes carry the convolution. Below ``SMALL`` peaks are only shifted,
by what GSAS-II makes of small divergences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.instrument import Instrument
from pxrdgen_crystallography.powder_line.positions import asymmetry_shift

FloatArray = NDArray[np.float64]

#: (S + H) / L up to which a shift is all there is.
SMALL = 0.005
#: a line is convolved where its rays spread over more than this share of its width; elsewhere it is shifted.
LEAST_SPREAD = 0.08
#: points within this many spreads and widths of a line are convolved; to those beyond, the rays' mean is as good.
NEAR_SPREADS, NEAR_WIDTHS = 3.0, 1.0
#: largest spread over the width, and the nodes that are enough up to there.
NODES = ((1.0, 6), (3.0, 10), (8.0, 20), (math.inf, 32))


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """Rays of K lines.

    Args:
        shift: [K] mean shift of each line, degrees, negative towards the beam at low angles.
        shift_slope: [K] its derivative by the Bragg angle 2theta.
        shift_by_divergence: [K] its derivative by q^2, degrees; of their mean for convolved ones.
        bent: [K] which lines are convolved, at points within ``near`` [K] degrees.
        offset: [J, K] shifts of the nodes from the mean, degrees.
        weight: [J, K] adding up to 1 over J.
        offset_slope, weight_slope: [J, K] derivatives of the whole shift and of the weight by q^2.
    """

    shift: FloatArray
    shift_slope: FloatArray
    shift_by_divergence: FloatArray
    bent: NDArray[np.bool_]
    near: FloatArray
    offset: FloatArray
    weight: FloatArray
    offset_slope: FloatArray
    weight_slope: FloatArray


def divergence_of(theta: FloatArray, instrument: Instrument, width: FloatArray) -> Divergence:
    """Of lines at Bragg angles ``theta`` [K] (radians) with full widths ``width`` [K] (degrees)."""
    q = instrument.sh_l
    if q <= SMALL:
        return _shifted(theta, q)
    spread = np.abs(_rays(theta, q, np.ones(1)).offset[0])
    widest = float((spread / width).max(initial=0.0))
    count = next(nodes for limit, nodes in NODES if widest <= limit)
    places, weights = np.polynomial.legendre.leggauss(count)
    rays = _rays(theta, q, 0.5 * (places + 1.0), weights)
    mean = (rays.weight * rays.offset).sum(axis=0)
    return Divergence(
        shift=mean,
        shift_slope=(rays.weight * rays.by_bragg).sum(axis=0),
        shift_by_divergence=(rays.weight * rays.offset_slope + rays.weight_slope * rays.offset).sum(axis=0),
        bent=spread > LEAST_SPREAD * width,
        near=NEAR_SPREADS * spread + NEAR_WIDTHS * width,
        offset=rays.offset - mean,
        weight=rays.weight,
        offset_slope=rays.offset_slope,
        weight_slope=rays.weight_slope,
    )


def _shifted(theta: FloatArray, q: float) -> Divergence:
    two_theta = 2.0 * theta
    root = math.sqrt(1.0 + q * q)
    bent = np.clip(root * np.cos(two_theta), -1.0 + 1e-12, 1.0 - 1e-12)
    slope = -(1.0 - 1.0 / math.sqrt(3.0)) * (1.0 - root * np.sin(two_theta) / np.sqrt(1.0 - bent**2))
    none = np.zeros((0, theta.size))
    shift = asymmetry_shift(np.degrees(two_theta), q)
    return Divergence(
        shift=shift,
        shift_slope=slope,
        shift_by_divergence=shift / max(q * q, 1e-12),
        bent=np.zeros(theta.size, dtype=bool),
        near=np.zeros(theta.size),
        offset=none,
        weight=none,
        offset_slope=none,
        weight_slope=none,
    )


@dataclass(frozen=True)
class _Rays:
    offset: FloatArray
    weight: FloatArray
    offset_slope: FloatArray
    weight_slope: FloatArray
    by_bragg: FloatArray


def _rays(theta: FloatArray, q: float, places: FloatArray, weights: FloatArray | None = None) -> _Rays:
    """Rays at t = q ``places`` [J]."""
    u, two_theta = places[:, None], 2.0 * theta[None, :]
    t_squared = (q * u) ** 2
    root = np.sqrt(1.0 + t_squared)
    cosine = np.clip(root * np.cos(two_theta), -1.0 + 1e-9, 1.0 - 1e-9)
    sine = np.sqrt(1.0 - cosine**2)
    offset = np.arccos(cosine) - two_theta
    # d 2phi / d q^2: -sin 2phi d 2phi = cos 2theta u^2 / (2 sqrt(1 + t^2)) d q^2
    slope = -np.cos(two_theta) * u**2 / (2.0 * root * sine)
    density = (np.ones(len(places)) if weights is None else weights)[:, None] * (1.0 - u) / ((1.0 + t_squared) * sine)
    total = np.maximum(density.sum(axis=0), 1e-300)
    weight = density / total
    by_density = -(u**2) / (1.0 + t_squared) - cosine / sine * slope
    return _Rays(
        offset=np.degrees(offset),
        weight=weight,
        offset_slope=np.degrees(slope),
        weight_slope=weight * (by_density - (weight * by_density).sum(axis=0)),
        by_bragg=root * np.sin(two_theta) / sine - 1.0,
    )
