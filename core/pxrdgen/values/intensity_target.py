"""Grouped intensities of a known cell: what the search fits.

Lines that the pattern cannot separate share a group. The model of group k is
y_k = c sum_{h in k} LP_h m_h |F_h|^2 W_h, compared as sqrt(y_k + e_k), which evens out strong and weak peaks; e_k keeps
the root away from zero and grows with the uncertainty of the group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class IntensityTarget:
    """What the pattern says about a structure in a known cell. All tensors are float32 unless said otherwise.

    Args:
        basis: [3, 3] refined cell, rows a, b, c in A.
        species: [N] int64 atomic numbers of the cell's atoms.
        elements: [E] int64 distinct atomic numbers.
        element_of: [N] int64 index into ``elements``.
        valence: [N] oxidation numbers; zeros where none balance.
        hkl: [H, 3] reflections, half a sphere, in order of group.
        s_squared: [H] (sin theta / lambda)^2, 1/A^2.
        factor: [H] multiplicity x LP of each reflection, scaled to about 1.
        group: [H] int64 group of each reflection, 0..K-1, not falling.
        normal: [H, E] f0 + f'.
        anomalous: [E] f''.
        observed: [K] intensities, mean 1.
        floor: [K] e_k.
        weight: [K] weight of each root residual; relative, mean about 1.
        group_d: [K] spacing of the group's strongest line, A.
        group_strength: [K] observed sum of m |F|^2 (LP removed), largest 1.
        fit_floor: misfit of the decomposition itself: what a perfect structure could reach on the whole profile.
    """

    basis: Tensor
    species: Tensor
    elements: Tensor
    element_of: Tensor
    valence: Tensor
    hkl: Tensor
    s_squared: Tensor
    factor: Tensor
    group: Tensor
    normal: Tensor
    anomalous: Tensor
    observed: Tensor
    floor: Tensor
    weight: Tensor
    group_d: Tensor
    group_strength: Tensor
    fit_floor: float

    @property
    def num_groups(self) -> int:
        """K."""
        return int(self.observed.shape[0])

    @property
    def volume(self) -> float:
        """Of the cell, A^3."""
        return float(torch.linalg.det(self.basis.double()).abs())
