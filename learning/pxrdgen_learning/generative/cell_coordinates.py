"""A cell as unbounded numbers, about standard normal over reduced cells, for generative models to move in."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor

#: bases are kept between these volumes an atom, A^3, whatever a model says.
_SMALLEST, _LARGEST = 2.0, 200.0


class CellCoordinates(ABC):
    """A way to write the basis of a primitive reduced cell; ``num_atoms`` sets its scale."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many numbers."""

    @abstractmethod
    def of(self, basis: Tensor, num_atoms: int) -> Tensor:
        """[B, size] coordinates of lower-triangular bases [B, 3, 3], rows a, b, c in A."""

    @abstractmethod
    def basis(self, coordinates: Tensor, num_atoms: int) -> Tensor:
        """[B, 3, 3] lower-triangular bases; the inverse of :meth:`of`, defined for any numbers."""


@final
class LengthsAngles(CellCoordinates):
    """Logarithms of lengths over n^(1/3) and logits of angles within 60-120 degrees, after FlowMM.

    Miller et al. 2024 (arXiv:2406.04713). Reduced cells have no angles beyond; means and spreads are those of the
    training split of up to 20 atoms.
    """

    MEAN = (0.848, 0.985, 1.242, -0.264, -0.675, -0.477)
    SPREAD = (0.227, 0.206, 0.260, 2.563, 2.103, 2.772)
    LOW, HIGH = 59.5, 120.5

    @property
    def size(self) -> int:
        """See :class:`CellCoordinates`."""
        return 6

    def of(self, basis: Tensor, num_atoms: int) -> Tensor:
        """See :class:`CellCoordinates`."""
        lengths = torch.linalg.vector_norm(basis, dim=-1)
        unit = basis / lengths[..., None]
        cosines = torch.stack([(unit[:, i] * unit[:, j]).sum(-1) for i, j in ((1, 2), (0, 2), (0, 1))], dim=-1)
        angles = torch.rad2deg(torch.acos(cosines.clamp(-0.9999, 0.9999)))
        share = ((angles - self.LOW) / (self.HIGH - self.LOW)).clamp(1e-3, 1.0 - 1e-3)
        raw = torch.cat([lengths.log() - math.log(num_atoms) / 3.0, torch.logit(share)], dim=-1)
        return (raw - raw.new_tensor(self.MEAN)) / raw.new_tensor(self.SPREAD)

    def basis(self, coordinates: Tensor, num_atoms: int) -> Tensor:
        """See :class:`CellCoordinates`."""
        raw = coordinates * coordinates.new_tensor(self.SPREAD) + coordinates.new_tensor(self.MEAN)
        lengths = (raw[:, :3] + math.log(num_atoms) / 3.0).clamp(0.0, 5.0).exp()
        angles = self.LOW + (self.HIGH - self.LOW) * torch.sigmoid(raw[:, 3:])
        return _triangular(lengths, torch.cos(torch.deg2rad(angles)))


@final
class RawMatrix(CellCoordinates):
    """The six numbers of the lower-triangular basis in A, standardised: the published way, but for its scale."""

    MEAN = (4.720, 5.183, 6.766, 0.241, 0.277, -0.388)
    SPREAD = (1.145, 1.524, 3.005, 1.665, 1.648, 1.680)

    @property
    def size(self) -> int:
        """See :class:`CellCoordinates`."""
        return 6

    def of(self, basis: Tensor, num_atoms: int) -> Tensor:
        """See :class:`CellCoordinates`."""
        del num_atoms
        diagonal = torch.diagonal(basis, dim1=-2, dim2=-1)
        raw = torch.cat([diagonal, torch.stack([basis[:, 1, 0], basis[:, 2, 0], basis[:, 2, 1]], dim=-1)], dim=-1)
        return (raw - raw.new_tensor(self.MEAN)) / raw.new_tensor(self.SPREAD)

    def basis(self, coordinates: Tensor, num_atoms: int) -> Tensor:
        """See :class:`CellCoordinates`."""
        raw = coordinates * coordinates.new_tensor(self.SPREAD) + coordinates.new_tensor(self.MEAN)
        basis = raw.new_zeros(len(raw), 3, 3)
        basis[:, 0, 0], basis[:, 1, 1], basis[:, 2, 2] = raw[:, :3].clamp(min=1.5, max=60.0).unbind(-1)
        basis[:, 1, 0], basis[:, 2, 0], basis[:, 2, 1] = raw[:, 3:].clamp(-30.0, 30.0).unbind(-1)
        volume = basis.diagonal(dim1=-2, dim2=-1).prod(-1)
        bounded = volume.clamp(_SMALLEST * num_atoms, _LARGEST * num_atoms)
        return basis * ((bounded / volume) ** (1.0 / 3.0))[:, None, None]


def _triangular(lengths: Tensor, cosines: Tensor) -> Tensor:
    """[B, 3, 3] from lengths [B, 3] in A and cosines of alpha, beta, gamma [B, 3]; flat cells are opened a little."""
    alpha, beta, gamma = cosines.unbind(-1)
    sine = (1.0 - gamma * gamma).clamp(min=1e-4).sqrt()
    third = (alpha - beta * gamma) / sine
    height = (1.0 - beta * beta - third * third).clamp(min=1e-2).sqrt()
    basis = lengths.new_zeros(len(lengths), 3, 3)
    basis[:, 0, 0] = lengths[:, 0]
    basis[:, 1, 0], basis[:, 1, 1] = lengths[:, 1] * gamma, lengths[:, 1] * sine
    basis[:, 2, 0], basis[:, 2, 1], basis[:, 2, 2] = (
        lengths[:, 2] * beta,
        lengths[:, 2] * third,
        lengths[:, 2] * height,
    )
    return basis
