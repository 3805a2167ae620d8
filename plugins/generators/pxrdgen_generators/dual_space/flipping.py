"""Charge flipping of many random starts at once (Oszlanyi & Suto 2004, doi:10.1107/S0108767303027569)."""

from __future__ import annotations

import torch
from torch import Tensor

from pxrdgen_generators.dual_space.amplitudes import Amplitudes
from pxrdgen_generators.dual_space.maps import Maps
from pxrdgen_generators.dual_space.reflection_symmetry import ReflectionSymmetry


def random_phases(amplitudes: Amplitudes, count: int, rng: torch.Generator) -> Tensor:
    """[count, n] the evenly shared amplitudes under random phases."""
    angle = 2.0 * torch.pi * torch.rand(count, len(amplitudes), generator=rng)
    return torch.polar(amplitudes.start.expand_as(angle).contiguous(), angle)


def flip_charges(
    start: Tensor,
    amplitudes: Amplitudes,
    maps: Maps,
    *,
    cycles: int,
    threshold: Tensor,
    weak: float,
    symmetry: ReflectionSymmetry | None = None,
    impose: bool = False,
) -> tuple[Tensor, Tensor]:
    """Amplitudes [M, n] after ``cycles``, and the skewness [M] of their maps, which tells structure from noise.

    In each cycle the density below ``threshold`` [M] standard deviations changes sign, and the amplitudes of the result
    are scaled to the measured intensities. The share ``weak`` of the weakest reflections keeps its calculated
    amplitudes; without an imposed symmetry their phases are turned by 90 degrees (Oszlanyi & Suto 2005,
    doi:10.1107/S0108767304027746).

    Args:
        symmetry: its extinct reflections are zero; with ``impose`` amplitudes are averaged over it.
    """
    absent = None if symmetry is None else symmetry.absent
    current = symmetry.symmetrise(start) if symmetry is not None and impose else start
    modulus = amplitudes.project(current)
    current = _with_modulus(current, modulus)
    mean = torch.zeros(start.shape[0])
    for _ in range(cycles):
        density = maps.density(current, mean)
        edge = threshold * density.std(dim=(1, 2, 3))
        flipped = torch.where(density < edge[:, None, None, None], -density, density)
        calculated, mean = maps.amplitudes(flipped)
        if absent is not None:
            calculated = calculated.masked_fill(absent, 0.0)
        if symmetry is not None and impose:
            calculated = symmetry.symmetrise(calculated)
        modulus = amplitudes.project(calculated)
        current = _with_modulus(calculated, modulus)
        if weak:
            limit = torch.quantile(modulus, weak, dim=1, keepdim=True)
            kept = calculated if impose else calculated * 1j
            current = torch.where(modulus < limit, kept, current)
    current = _with_modulus(current, amplitudes.project(current))
    density = maps.density(current)
    scaled = density / density.std(dim=(1, 2, 3), keepdim=True)
    return current, (scaled**3).mean(dim=(1, 2, 3))


def _with_modulus(amplitudes: Tensor, modulus: Tensor) -> Tensor:
    return amplitudes * (modulus / amplitudes.abs().clamp_min(1e-9))
