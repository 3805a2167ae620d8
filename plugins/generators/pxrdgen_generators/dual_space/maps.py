"""Maps of many sets of amplitudes at once, by fast Fourier transforms."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: grid points along an axis over the least that the reflections need.
COARSE, FINE = 1.2, 2.0


class Maps:
    """The grid of a list of reflections [n, 3] with l >= 0.

    rho(x) = sum over both halves of the sphere of E(h) exp(2 pi i h x).

    Args:
        hkl: [n, 3] int64.
        fineness: grid points over the least needed, 2 max |h| + 2.
    """

    def __init__(self, hkl: Tensor, fineness: float = COARSE) -> None:
        reach = hkl.abs().amax(dim=0).tolist()
        self.grid = tuple(_fast_even((2 * limit + 2) * fineness) for limit in reach)
        x, y, z = self.grid
        self._half = (x, y, z // 2 + 1)

        def place(h: Tensor) -> Tensor:
            return ((h[:, 0] % x) * y + h[:, 1] % y) * self._half[2] + h[:, 2]

        self._place = place(hkl)
        self._plane = (hkl[:, 2] == 0).nonzero().squeeze(1)
        self._mate = place(-hkl[self._plane])

    def density(self, amplitudes: Tensor, mean: Tensor | None = None) -> Tensor:
        """[M, X, Y, Z] maps of amplitudes [M, n]; ``mean`` [M] is the amplitude of (0 0 0)."""
        count = amplitudes.shape[0]
        spectrum = amplitudes.new_zeros(count, math.prod(self._half))
        spectrum[:, self._place] = amplitudes
        spectrum[:, self._mate] = amplitudes[:, self._plane].conj()
        if mean is not None:
            spectrum[:, 0] = mean.to(spectrum.dtype)
        return torch.fft.irfftn(spectrum.view(count, *self._half), s=self.grid, dim=(1, 2, 3), norm="forward")

    def amplitudes(self, density: Tensor) -> tuple[Tensor, Tensor]:
        """[M, n] amplitudes and [M] mean of maps [M, X, Y, Z]."""
        spectrum = torch.fft.rfftn(density, dim=(1, 2, 3), norm="forward").flatten(1)
        return spectrum[:, self._place], spectrum[:, 0].real


def _fast_even(least: float) -> int:
    """The smallest even number from ``least`` on with no prime factor above 5."""
    size = max(math.ceil(least), 2)
    size += size % 2
    while _largest_factor(size) > 5:
        size += 2
    return size


def _largest_factor(number: int) -> int:
    for factor in (2, 3, 5):
        while number % factor == 0:
            number //= factor
    return number if number > 1 else 1
