"""|F|^2 of powder reflections, averaged over Friedel mates.

|F|^2 = |sum_j (f0_j + f'_j) e_j|^2 + |sum_j f''_j e_j|^2,  e_j = exp(2 pi i h.x_j) exp(-8 pi^2 U_j s^2).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen_crystallography.scattering.amplitudes import Scattering


def element_table(species: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct elements of each crystal and which atom is which.

    ``species`` [B, N] -> elements [B, E] (0 where padded) and membership [B, N, E] of zeros and ones; padded
    atoms belong to no element.
    """
    size = species.shape[1]
    order = torch.sort(species, dim=1, descending=True).values
    first = torch.ones_like(order, dtype=torch.bool)
    first[:, 1:] = order[:, 1:] != order[:, :-1]
    first &= order > 0
    width = max(int(first.sum(dim=1).max()), 1)
    elements = torch.sort(torch.where(first, order, torch.zeros_like(order)), dim=1, descending=True).values[
        :, : min(width, size)
    ]
    membership = (species[:, :, None] == elements[:, None, :]) & (species > 0)[:, :, None]
    return elements, membership


def structure_factors_squared(
    batch: CrystalBatch, hkl: Tensor, s_squared: Tensor, factors: Scattering, *, default_u_iso: float
) -> Tensor:
    """|F|^2 in electrons^2 of ``hkl`` [B, H, 3] at ``s_squared`` [B, H] (1/A^2): [B, H].

    ``batch.u_iso`` is used where present, else ``default_u_iso`` (A^2) for every atom.
    """
    phase = (2.0 * math.pi * batch.frac_coords) @ hkl.transpose(-1, -2)
    cosine, sine = torch.cos(phase), torch.sin(phase)
    damping = -8.0 * math.pi**2 * s_squared
    if batch.u_iso is not None:
        debye_waller = torch.exp(damping[:, None, :] * batch.u_iso[..., None])
        cosine, sine = cosine * debye_waller, sine * debye_waller
    elements, membership = element_table(batch.species)
    weights = membership.to(phase.dtype)
    if batch.occupancy is not None:
        weights = weights * batch.occupancy[..., None]
    weights = weights.transpose(-1, -2)
    by_element_real, by_element_imaginary = weights @ cosine, weights @ sine
    normal = factors.normal(elements, s_squared)
    anomalous = factors.f_double_prime[elements].unsqueeze(-1)
    total = (
        (normal * by_element_real).sum(1).square()
        + (normal * by_element_imaginary).sum(1).square()
        + (anomalous * by_element_real).sum(1).square()
        + (anomalous * by_element_imaginary).sum(1).square()
    )
    if batch.u_iso is None:
        total = total * torch.exp(2.0 * default_u_iso * damping)
    return total
