"""Grouped intensities on the scale of normalised amplitudes, and the projection onto what was measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget

FloatArray = NDArray[np.float64]

#: a normalised amplitude beyond this is an artefact of a nearly empty group.
LARGEST = 5.0
#: Wilson B (A^2) outside these is the fault of the few groups that told it.
THERMAL = (0.3, 2.5)
#: groups of a Wilson bin, and the fewest and most bins.
BIN, FEWEST_BINS, MOST_BINS = 12, 4, 10


@dataclass(frozen=True, kw_only=True)
class Amplitudes:
    """What the pattern says about |E| of n reflections in K groups: sum over a group of weight |E|^2 = intensity.

    Wilson 1942, doi:10.1038/150152a0: the mean of |F|^2 at sin theta / lambda = s is sum f^2 exp(-2 B s^2); E is F over
    its root, so that every reflection has a mean |E|^2 of 1.

    Args:
        hkl: [n, 3] int64, l >= 0.
        group: [n] int64, not falling.
        weight: [n] multiplicity x LP x texture x sum f^2 exp(-2 B s^2), of one scale with ``intensity``.
        intensity: [K].
        scattering: [n, E] f / sqrt(sum f^2): what an atom of each element adds to E.
        start: [n] |E| where the intensity of a group is shared evenly.
    """

    hkl: Tensor
    group: Tensor
    weight: Tensor
    intensity: Tensor
    scattering: Tensor
    start: Tensor

    @classmethod
    def of(cls, target: IntensityTarget, texture: Tensor | None = None) -> Amplitudes:
        """The amplitudes of a target, its reflections weakened or strengthened by ``texture`` [n]."""
        hkl = torch.round(target.hkl.double()).long()
        hkl = torch.where(hkl[:, 2:] < 0, -hkl, hkl)
        factor = target.factor.double() if texture is None else target.factor.double() * texture.double()
        counts = torch.bincount(target.element_of, minlength=target.elements.numel()).double()
        squared = (target.normal.double() ** 2 @ counts).clamp_min(1e-6)
        squared = torch.maximum(squared, 0.05 * squared.max())
        observed, groups = target.observed.double(), target.num_groups
        base = torch.zeros(groups, dtype=torch.float64).index_add_(0, target.group, factor * squared)
        mean_s = _group_means(target.s_squared.double(), target.group, groups)
        thermal = _wilson_thermal(mean_s.numpy(), observed.numpy(), base.numpy())
        weight = factor * squared * torch.exp(-2.0 * thermal * target.s_squared.double())
        total = torch.zeros(groups, dtype=torch.float64).index_add_(0, target.group, weight)
        intensity = (observed * total.sum() / observed.sum()).clamp_min(0.0)
        start = torch.sqrt(intensity / total.clamp_min(1e-12))[target.group].clamp_max(LARGEST)
        return cls(
            hkl=hkl,
            group=target.group,
            weight=weight.float(),
            intensity=intensity.float(),
            scattering=(target.normal.double() / torch.sqrt(squared)[:, None]).float(),
            start=start.float(),
        )

    def __len__(self) -> int:
        return int(self.hkl.shape[0])

    def group_sums(self, squared: Tensor) -> Tensor:
        """[M, K] sums of weight |E|^2 of ``squared`` [M, n]."""
        sums = squared.new_zeros(squared.shape[0], self.intensity.numel())
        return sums.index_add_(1, self.group, squared * self.weight)

    def project(self, amplitudes: Tensor) -> Tensor:
        """[M, n] moduli of the amplitudes, those of each group scaled so that they add up to what was measured."""
        modulus = amplitudes.abs()
        scale = torch.sqrt(self.intensity / self.group_sums(modulus**2).clamp_min(1e-9))
        return (modulus * scale[:, self.group]).clamp_max(LARGEST)

    def of_atoms(self, frac_coords: FloatArray, element_of: NDArray[np.int64]) -> Tensor:
        """[n] complex E of atoms [N, 3]: sum f exp(-2 pi i h x) over the root of sum f^2."""
        phase = -2.0 * np.pi * (self.hkl.double() @ torch.as_tensor(frac_coords.T))
        waves = torch.polar(torch.ones_like(phase), phase)
        kinds = torch.nn.functional.one_hot(torch.as_tensor(element_of), self.scattering.shape[1]).double()
        return ((waves @ kinds.to(waves.dtype)) * self.scattering.double()).sum(1).to(torch.complex64)


def _group_means(values: Tensor, group: Tensor, groups: int) -> Tensor:
    sums = torch.zeros(groups, dtype=values.dtype).index_add_(0, group, values)
    return sums / torch.bincount(group, minlength=groups).clamp_min(1)


def _wilson_thermal(s_squared: FloatArray, observed: FloatArray, expected: FloatArray) -> float:
    """B of the line ln(observed / expected) = c - 2 B s^2 through bins of equal numbers of groups."""
    bins = np.array_split(np.argsort(s_squared), min(max(s_squared.size // BIN, FEWEST_BINS), MOST_BINS))
    bins = [rows for rows in bins if rows.size]
    x = np.array([s_squared[rows].mean() for rows in bins])
    y = np.log([max(float(observed[rows].sum()), 1e-9) / max(float(expected[rows].sum()), 1e-12) for rows in bins])
    slope = float(np.polyfit(x, y, 1)[0]) if len(bins) > 1 else -1.0
    return float(np.clip(-slope / 2.0, *THERMAL))
