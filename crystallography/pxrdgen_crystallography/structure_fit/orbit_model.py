"""Grouped intensities of arrangements that obey a space group, in the few coordinates it leaves free.

Coordinates are x = A u + b with u the free coordinates of all orbits. Reflections that the point group makes equal are
computed once, absent ones not at all, and derivatives are taken by u: for PbSO4 a quarter of the reflections and 11
coordinates in place of 72.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TWO_PI = 2.0 * math.pi


@dataclass(frozen=True, kw_only=True)
class OrbitParameters:
    """What is fitted for each of M arrangements.

    Args:
        free: [M, P] free coordinates.
        log_scale: [M].
        u_iso: [M, E] A^2, one for each element.
    """

    free: Tensor
    log_scale: Tensor
    u_iso: Tensor

    def __len__(self) -> int:
        return int(self.free.shape[0])

    def select(self, rows: Tensor) -> OrbitParameters:
        """The arrangements ``rows`` only."""
        return OrbitParameters(free=self.free[rows], log_scale=self.log_scale[rows], u_iso=self.u_iso[rows])

    def where(self, better: Tensor, other: OrbitParameters) -> OrbitParameters:
        """These where ``better`` [M] holds, else ``other``."""
        return OrbitParameters(
            free=torch.where(better[:, None], self.free, other.free),
            log_scale=torch.where(better, self.log_scale, other.log_scale),
            u_iso=torch.where(better[:, None], self.u_iso, other.u_iso),
        )

    def scattered(self, rows: Tensor, part: OrbitParameters) -> OrbitParameters:
        """These with the arrangements ``rows`` replaced by ``part``."""
        return OrbitParameters(
            free=self.free.index_copy(0, rows, part.free),
            log_scale=self.log_scale.index_copy(0, rows, part.log_scale),
            u_iso=self.u_iso.index_copy(0, rows, part.u_iso),
        )


@dataclass(frozen=True, kw_only=True)
class OrbitMap:
    """Coordinates of all atoms from the free coordinates: x = linear @ u + constant.

    Args:
        linear: [N, 3, P].
        constant: [N, 3].
        orbit: [N] int64, which orbit each atom belongs to; the first atom of each stands for it.
    """

    linear: Tensor
    constant: Tensor
    orbit: Tensor

    @property
    def freedom(self) -> int:
        """P."""
        return int(self.linear.shape[2])

    @property
    def first_atoms(self) -> Tensor:
        """[orbits] the first atom of each."""
        begins = torch.ones_like(self.orbit, dtype=torch.bool)
        begins[1:] = self.orbit[1:] != self.orbit[:-1]
        return begins.nonzero().squeeze(1)

    def coordinates(self, free: Tensor) -> Tensor:
        """[M, N, 3] of free coordinates [M, P]."""
        return torch.einsum("nip,mp->mni", self.linear, free) + self.constant


class SymmetricReflections:
    """The reflections of a target that a space group leaves different and present.

    Args:
        target: with the reflections of half a sphere.
        rotations, translations: [G, 3, 3] and [G, 3] of the group in the target's cell.
    """

    def __init__(self, target: IntensityTarget, rotations: IntArray, translations: FloatArray) -> None:
        hkl = np.rint(target.hkl.double().numpy()).astype(np.int64)
        group = target.group.numpy()
        images = np.einsum("hi,gij->ghj", hkl, rotations)
        absent = (images == hkl).all(axis=2) & (np.abs(np.sin(np.pi * (hkl @ translations.T).T)) > 1e-6)
        present = np.flatnonzero(~absent.any(axis=0))
        # the largest image of h or -h stands for its star
        reach = 2 * int(np.abs(images).max(initial=1)) + 1
        codes = images @ np.array([reach * reach, reach, 1])
        star = np.abs(codes).max(axis=0)
        _, first, member = np.unique(
            np.stack([group[present], star[present]]), axis=1, return_index=True, return_inverse=True
        )
        rows = torch.as_tensor(present[first])
        self._members, self._member_of = torch.as_tensor(present), torch.as_tensor(member.reshape(-1))
        self._full_factor = target.factor
        self.target = target
        self.hkl, self.s_squared = target.hkl[rows], target.s_squared[rows]
        self.normal, self.group = target.normal[rows], target.group[rows]
        self.factor = self.factor_with(None)
        self.sum = _sum_into_groups(self.group, target.num_groups)

    def __len__(self) -> int:
        return int(self.hkl.shape[0])

    def factor_with(self, texture: Tensor | None) -> Tensor:
        """[..., H'] factor of each kept reflection, summed over its star; ``texture`` [..., H] multiplies it."""
        full = self._full_factor if texture is None else self._full_factor * texture
        kept = full[..., self._members]
        return kept.new_zeros(*kept.shape[:-1], len(self)).index_add_(-1, self._member_of, kept)


def _sum_into_groups(group: Tensor, groups: int) -> Tensor:
    edges = torch.searchsorted(group.contiguous(), torch.arange(groups + 1)).int()
    columns = torch.arange(int(group.numel()), dtype=torch.int32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        ones = torch.ones(int(group.numel()))
        return torch.sparse_csr_tensor(edges, columns, ones, (groups, int(group.numel())), check_invariants=False)


class OrbitModel:
    """Root residuals of one assignment and their derivatives by its free coordinates.

    Args:
        reflections: of the group.
        orbits: of the assignment, atoms in the target's order.
        texture: [H] factors of the target's reflections, or ``None``.
    """

    def __init__(self, reflections: SymmetricReflections, orbits: OrbitMap, texture: Tensor | None = None) -> None:
        target = reflections.target
        self.target, self.orbits, self._reflections = target, orbits, reflections
        self._factor = reflections.factor_with(texture)
        self._sum = reflections.sum
        self._observed_root = torch.sqrt(target.observed + target.floor)
        #: sum w^2 o: turns summed squared residuals into misfit^2.
        self.norm = torch.sum(target.weight**2 * target.observed)
        self._along = torch.einsum("hi,nip->hnp", reflections.hkl, orbits.linear)
        self._phase = torch.einsum("hi,ni->hn", reflections.hkl, orbits.constant)
        self._phase -= torch.round(self._phase)
        counts = torch.bincount(target.element_of, minlength=target.elements.numel()).tolist()
        ends = np.cumsum(counts).tolist()
        self._slices = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]

    def start(self, free: Tensor, u_iso: float = 0.008) -> OrbitParameters:
        """Parameters for free coordinates [M, P], with the scale that fits the sum of root intensities."""
        count = free.shape[0]
        plain = OrbitParameters(
            free=free,
            log_scale=free.new_zeros(count),
            u_iso=free.new_full((count, self.target.elements.numel()), u_iso),
        )
        return self.rescaled(plain)

    def rescaled(self, parameters: OrbitParameters) -> OrbitParameters:
        """The same with the scale that matches the sum of root intensities."""
        calculated = self._sum @ self._sums(parameters).intensity
        root = torch.sqrt(calculated.clamp_min(0.0))
        ratio = (root * torch.sqrt(self.target.observed)[:, None]).sum(0) / calculated.sum(0).clamp_min(1e-20)
        log_scale = parameters.log_scale + 2.0 * torch.log(ratio.clamp_min(1e-10))
        return OrbitParameters(free=parameters.free, log_scale=log_scale, u_iso=parameters.u_iso)

    def misfit(self, parameters: OrbitParameters) -> Tensor:
        """[M] sqrt(sum w^2 (sqrt(y + e) - sqrt(o + e))^2 / sum w^2 o)."""
        return self.misfit_of(self._residual(self._sum @ self._sums(parameters).intensity))

    def textured_misfits(self, one: OrbitParameters, textures: Tensor) -> tuple[Tensor, Tensor]:
        """Misfit [T] and log scale [T] of one arrangement (M = 1) under each of ``textures`` [T, H], scale matched."""
        bare = self._sums(one).intensity / self._factor[:, None].clamp_min(1e-20)
        calculated = self._sum @ (bare * self._reflections.factor_with(textures).transpose(0, 1))
        root = torch.sqrt(calculated.clamp_min(0.0))
        ratio = (root * torch.sqrt(self.target.observed)[:, None]).sum(0) / calculated.sum(0).clamp_min(1e-20)
        ratio = ratio.clamp_min(1e-10)
        return self.misfit_of(self._residual(calculated * ratio**2)), one.log_scale + 2.0 * torch.log(ratio)

    def misfit_of(self, residual: Tensor) -> Tensor:
        """[M] misfit of root residuals [K, M]."""
        return torch.sqrt((residual * residual).sum(0) / self.norm)

    def residual_and_jacobian(self, parameters: OrbitParameters) -> tuple[Tensor, Tensor]:
        """Residuals [K, M] and derivatives [M, K, P + 1 + E] by free coordinates, log scale, U of each element."""
        parts = self._sums(parameters)
        reflections, count = parts.intensity.shape
        freedom, elements = self.orbits.freedom, len(self._slices)
        by_phase = torch.empty(reflections, self.orbits.linear.shape[0], count)
        moved = torch.empty(reflections, freedom + 1 + elements, count)
        slope = 2.0 * TWO_PI * parts.prefactor
        damping = (-4.0 * math.pi) * self._reflections.s_squared[:, None]
        for e, atoms in enumerate(self._slices):
            scattering = parts.scattering[e] * slope
            against_sine = scattering * (parts.real + parts.ratios[e] * parts.real_anomalous)
            against_cosine = scattering * (parts.imaginary + parts.ratios[e] * parts.imaginary_anomalous)
            torch.mul(parts.cosine[:, atoms], against_cosine[:, None], out=by_phase[:, atoms])
            by_phase[:, atoms].addcmul_(parts.sine[:, atoms], against_sine[:, None], value=-1.0)
            with_u = (against_sine * parts.cosine_sum[e]).addcmul_(against_cosine, parts.sine_sum[e])
            torch.mul(with_u, damping, out=moved[:, freedom + 1 + e])
        if freedom:
            torch.bmm(self._along.transpose(1, 2), by_phase, out=moved[:, :freedom])
        moved[:, freedom] = parts.intensity
        sums = (self._sum @ moved.view(reflections, -1)).view(-1, freedom + 1 + elements, count)
        groups = sums[:, freedom]
        residual = self._residual(groups)
        half_root = 0.5 * self.target.weight[:, None] / torch.sqrt(groups.clamp_min(0.0) + self.target.floor[:, None])
        return residual, (sums * half_root[:, None]).permute(2, 0, 1).contiguous()

    def _residual(self, groups: Tensor) -> Tensor:
        root = torch.sqrt(groups.clamp_min(0.0) + self.target.floor[:, None])
        return self.target.weight[:, None] * (root - self._observed_root[:, None])

    def _sums(self, parameters: OrbitParameters) -> _Sums:
        target, kept = self.target, self._reflections
        reflections, atoms, freedom = self._along.shape
        count = len(parameters)
        phase = self._phase.reshape(-1, 1).expand(-1, count)
        if freedom:
            phase = torch.addmm(phase, self._along.view(-1, freedom), parameters.free.transpose(0, 1))
        phase = (phase - torch.round(phase)).mul_(TWO_PI).view(reflections, atoms, count)
        sine = torch.sin(phase)
        cosine = phase.cos_()
        u_iso = parameters.u_iso.transpose(0, 1).contiguous()
        warmth = torch.exp((-8.0 * math.pi**2) * kept.s_squared[:, None, None] * u_iso)
        real, imaginary, real_anomalous, imaginary_anomalous = (torch.zeros(reflections, count) for _ in range(4))
        scattering, ratios, cosine_sum, sine_sum = [], [], [], []
        for e, atoms_of in enumerate(self._slices):
            cosine_sum.append(cosine[:, atoms_of].sum(1))
            sine_sum.append(sine[:, atoms_of].sum(1))
            scattering.append(kept.normal[:, e, None] * warmth[:, e])
            ratios.append(target.anomalous[e] / kept.normal[:, e, None].clamp_min(1e-3))
            a, b = scattering[e] * cosine_sum[e], scattering[e] * sine_sum[e]
            real += a
            imaginary += b
            real_anomalous.addcmul_(a, ratios[e].expand_as(a))
            imaginary_anomalous.addcmul_(b, ratios[e].expand_as(b))
        prefactor = self._factor[:, None] * torch.exp(parameters.log_scale)
        squared = real**2 + imaginary**2 + real_anomalous**2 + imaginary_anomalous**2
        return _Sums(
            cosine=cosine,
            sine=sine,
            cosine_sum=cosine_sum,
            sine_sum=sine_sum,
            scattering=scattering,
            ratios=ratios,
            real=real,
            imaginary=imaginary,
            real_anomalous=real_anomalous,
            imaginary_anomalous=imaginary_anomalous,
            prefactor=prefactor,
            intensity=squared * prefactor,
        )


@dataclass(frozen=True, kw_only=True)
class _Sums:
    """Trigonometric sums: atoms [H, N, M], elements lists of [H, M], reflections [H, M]."""

    cosine: Tensor
    sine: Tensor
    cosine_sum: list[Tensor]
    sine_sum: list[Tensor]
    scattering: list[Tensor]
    ratios: list[Tensor]
    real: Tensor
    imaginary: Tensor
    real_anomalous: Tensor
    imaginary_anomalous: Tensor
    prefactor: Tensor
    intensity: Tensor
