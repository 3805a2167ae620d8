"""What a space group says of amplitudes: which are equal up to a phase, which are zero."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class ReflectionSymmetry:
    """A group acting on a list of reflections: E(h R) = E(h) exp(2 pi i h t).

    One reflection of each star is averaged over the group, the others follow from it.

    Args:
        hkl: [n, 3] int64, one of each Friedel pair.
        rotations, translations: [G, 3, 3] and [G, 3] of the group in the same cell.
    """

    def __init__(self, hkl: Tensor, rotations: NDArray[np.int64], translations: NDArray[np.float64]) -> None:
        indices = hkl.numpy()
        place = {tuple(h): row for row, h in enumerate(indices.tolist())}
        mate = {tuple(h): row for row, h in enumerate((-indices).tolist())}
        self.order = len(rotations)
        self.rotations, self.translations = np.asarray(rotations), np.asarray(translations)
        images = np.einsum("hi,gij->ghj", indices, self.rotations)
        phase = 2.0 * math.pi * (indices @ self.translations.T).T
        rows = np.full(images.shape[:2], -1)
        turned = np.zeros(images.shape[:2], dtype=bool)
        for g, image in enumerate(images):
            for h, index in enumerate(map(tuple, image.tolist())):
                row = place.get(index)
                if row is None:
                    row = mate.get(index, -1)
                    turned[g, h] = row >= 0
                rows[g, h] = row
        known = rows >= 0
        #: [G, n] image of each reflection under each operation (-1: not in the list), whether it is the mate's row,
        #: and the phase 2 pi h t.
        self.image, self.turned, self.phase = rows, turned, phase
        self.images = images
        star = np.where(known, rows, len(indices)).min(axis=0)
        first = np.flatnonzero(star == np.arange(len(indices)))
        # how each reflection follows from the first of its star
        via = (np.where(known, rows, -1) == star).argmax(axis=0)
        every = np.arange(len(indices))
        number = np.zeros(len(indices), dtype=np.int64)
        number[first] = np.arange(first.size)
        self._first = torch.as_tensor(first)
        self._of_first = torch.as_tensor(number[star])
        self._member_turned = torch.as_tensor(turned[via, every])
        self._member_phase = _unit(-phase[via, every])
        self._image = torch.as_tensor(np.maximum(rows[:, first], 0))
        self._image_turned = torch.as_tensor(turned[:, first])
        self._image_phase = _unit(-phase[:, first]) * torch.as_tensor(known[:, first]).float()
        self._count = torch.as_tensor(known[:, first].sum(axis=0)).float()
        fixed = (images == indices).all(axis=2) & (np.abs(np.sin(phase / 2.0)) > 1e-6)
        #: [n] whether the group extinguishes the reflection.
        self.absent = torch.as_tensor(fixed.any(axis=0))

    def symmetrise(self, amplitudes: Tensor) -> Tensor:
        """[M, n] the amplitudes averaged over the group."""
        total = amplitudes.new_zeros(amplitudes.shape[0], self._first.numel())
        for image, turned, phase in zip(self._image, self._image_turned, self._image_phase, strict=True):
            value = amplitudes[:, image]
            total += torch.where(turned, value.conj(), value) * phase
        mean = (total / self._count)[:, self._of_first]
        return torch.where(self._member_turned, mean.conj(), mean) * self._member_phase


def _unit(angle: NDArray[np.float64]) -> Tensor:
    angles = torch.as_tensor(angle)
    return torch.polar(torch.ones_like(angles), angles).to(torch.complex64)
