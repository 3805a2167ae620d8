"""Reflections of a batch of crystals, as the simulation hands them on."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ReflectionList:
    """Reflections of B crystals, half a sphere each, padded to H; padded entries are 0 (d is 1).

    Args:
        hkl: [B, H, 3] Miller indices.
        d: [B, H] spacing, A.
        two_theta: [B, H] Bragg angle of the first wavelength, degrees, without zero or displacement.
        multiplicity: [B, H] 2 for each listed reflection (itself and its Friedel mate).
        f_squared: [B, H] |F|^2, electrons^2, Friedel average.
        intensity: [B, H] m |F|^2 LP / V of the first wavelength.
        mask: [B, H] bool.
    """

    hkl: Tensor
    d: Tensor
    two_theta: Tensor
    multiplicity: Tensor
    f_squared: Tensor
    intensity: Tensor
    mask: Tensor
