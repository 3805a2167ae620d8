"""Where the origin of a group lies in a map that knows no symmetry, and how well the map obeys the group there."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pxrdgen_generators.dual_space.maps import Maps
from pxrdgen_generators.dual_space.reflection_symmetry import ReflectionSymmetry

FloatArray = NDArray[np.float64]


def find_origins(amplitudes: Tensor, maps: Maps, symmetry: ReflectionSymmetry, hkl: Tensor) -> tuple[Tensor, Tensor]:
    """[M, 3] shift of each map onto the group's origin, and [M] agreement there, 1 for a map that obeys the group.

    C(u) = sum over operations and h of E(hR) E*(h) exp(-2 pi i h t) exp(2 pi i (h - hR) u), by one transform.
    """
    grid = tuple(2 * size for size in maps.grid)
    count = amplitudes.shape[0]
    spectrum = torch.zeros(count, math.prod(grid), dtype=torch.complex64)
    norm = torch.zeros(count)
    identity = np.eye(3, dtype=np.int64)
    for g, rotation in enumerate(symmetry.rotations):
        if np.array_equal(rotation, identity):
            continue
        image = torch.as_tensor(symmetry.image[g])
        value = amplitudes[:, image.clamp_min(0)]
        value = torch.where(torch.as_tensor(symmetry.turned[g]), value.conj(), value)
        angle = torch.as_tensor(-symmetry.phase[g])
        turn = torch.polar(torch.ones_like(angle), angle).to(torch.complex64)
        product = value * amplitudes.conj() * turn * (image >= 0)
        apart = hkl - torch.as_tensor(symmetry.images[g])
        place = ((apart[:, 0] % grid[0]) * grid[1] + apart[:, 1] % grid[1]) * grid[2] + apart[:, 2] % grid[2]
        spectrum.index_add_(1, place, product)
        norm += product.abs().sum(1)
    agreement = torch.fft.ifftn(spectrum.view(count, *grid), dim=(1, 2, 3), norm="forward").real.flatten(1)
    best, place = agreement.max(dim=1)
    shift = np.stack(np.unravel_index(place.numpy(), grid), axis=1) / np.array(grid)
    return torch.as_tensor(shift), best / norm.clamp_min(1e-9)


def shifted(amplitudes: Tensor, hkl: Tensor, shift: Tensor) -> Tensor:
    """[n] amplitudes of a map moved so that ``shift`` [3] becomes its origin."""
    angle = -2.0 * math.pi * (hkl.double() @ shift.double())
    return amplitudes * torch.polar(torch.ones_like(angle), angle).to(amplitudes.dtype)
