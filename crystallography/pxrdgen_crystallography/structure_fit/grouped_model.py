"""Grouped intensities and their analytic derivatives for many arrangements of the same atoms at once.

Arrays run [H, ..., M]: reflections first, because the sums into groups and the products with h, k, l run over H;
arrangements last, because they are many and everything else is the same for all of them.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget

TWO_PI = 2.0 * math.pi


@dataclass(frozen=True, kw_only=True)
class GroupedParameters:
    """What is fitted for each of M arrangements.

    Args:
        frac_coords: [M, N, 3].
        log_scale: [M].
        u_iso: [M, E] A^2, one for each element.
        texture: [M, H] fixed factors of the reflections, or ``None``.
    """

    frac_coords: Tensor
    log_scale: Tensor
    u_iso: Tensor
    texture: Tensor | None = None

    def select(self, rows: Tensor) -> GroupedParameters:
        """The arrangements ``rows`` only."""
        return GroupedParameters(
            frac_coords=self.frac_coords[rows],
            log_scale=self.log_scale[rows],
            u_iso=self.u_iso[rows],
            texture=None if self.texture is None else self.texture[rows],
        )

    def where(self, better: Tensor, other: GroupedParameters) -> GroupedParameters:
        """This where ``better`` [M] holds, else ``other``."""
        return GroupedParameters(
            frac_coords=torch.where(better[:, None, None], self.frac_coords, other.frac_coords),
            log_scale=torch.where(better, self.log_scale, other.log_scale),
            u_iso=torch.where(better[:, None], self.u_iso, other.u_iso),
            texture=self.texture,
        )

    def scattered(self, rows: Tensor, part: GroupedParameters) -> GroupedParameters:
        """These with the arrangements ``rows`` replaced by ``part``; texture is not touched."""
        return GroupedParameters(
            frac_coords=self.frac_coords.index_copy(0, rows, part.frac_coords),
            log_scale=self.log_scale.index_copy(0, rows, part.log_scale),
            u_iso=self.u_iso.index_copy(0, rows, part.u_iso),
            texture=self.texture,
        )


class GroupedModel:
    """Root residuals of an :class:`IntensityTarget` and their derivatives."""

    def __init__(self, target: IntensityTarget) -> None:
        self.target = target
        counts = torch.bincount(target.element_of, minlength=target.elements.numel()).tolist()
        if not torch.equal(target.element_of, torch.sort(target.element_of).values):
            raise ValueError("got atoms in mixed order, expected species sorted by atomic number")
        ends = [sum(counts[: e + 1]) for e in range(len(counts))]
        self._slices = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
        self._observed_root = torch.sqrt(target.observed + target.floor)
        #: sum w^2 o: turns summed squared residuals into misfit^2.
        self.norm = torch.sum(target.weight**2 * target.observed)
        groups, reflections = target.num_groups, int(target.group.numel())
        # 32-bit indices are what the sparse product works with; it would convert others at every call
        edges = torch.searchsorted(target.group, torch.arange(groups + 1)).int()
        columns_of = torch.arange(reflections, dtype=torch.int32)

        def gather(values: Tensor) -> Tensor:
            return torch.sparse_csr_tensor(edges, columns_of, values, (groups, reflections), check_invariants=False)

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            self._sum = gather(torch.ones(reflections))
            self._sum_hkl = [gather(target.hkl[:, axis].contiguous()) for axis in range(3)]

    def start(self, frac_coords: Tensor, u_iso: float = 0.008) -> GroupedParameters:
        """Parameters for arrangements [M, N, 3], with the scale that fits the sum of intensities."""
        count = frac_coords.shape[0]
        parameters = GroupedParameters(
            frac_coords=frac_coords,
            log_scale=frac_coords.new_zeros(count),
            u_iso=frac_coords.new_full((count, self.target.elements.numel()), u_iso),
        )
        return self.rescaled(parameters)

    def rescaled(self, parameters: GroupedParameters) -> GroupedParameters:
        """The same with the scale that matches the sum of root intensities."""
        calculated = self.groups(parameters)
        root = torch.sqrt(calculated.clamp_min(0.0))
        ratio = (root * torch.sqrt(self.target.observed)[:, None]).sum(0) / calculated.sum(0).clamp_min(1e-20)
        return GroupedParameters(
            frac_coords=parameters.frac_coords,
            log_scale=parameters.log_scale + 2.0 * torch.log(ratio.clamp_min(1e-10)),
            u_iso=parameters.u_iso,
            texture=parameters.texture,
        )

    def groups(self, parameters: GroupedParameters) -> Tensor:
        """[K, M] model intensities."""
        parts = self._amplitudes(parameters)
        return self._sum @ parts.intensity

    def textured_misfits(self, one: GroupedParameters, factors: Tensor) -> tuple[Tensor, Tensor]:
        """Misfit [T] and log scale [T] of one arrangement (M = 1) under each of ``factors`` [T, H], scale matched."""
        intensity = self._amplitudes(one).intensity
        calculated = self._sum @ (intensity * factors.transpose(0, 1))
        root = torch.sqrt(calculated.clamp_min(0.0))
        ratio = (root * torch.sqrt(self.target.observed)[:, None]).sum(0) / calculated.sum(0).clamp_min(1e-20)
        ratio = ratio.clamp_min(1e-10)
        return self.misfit_of(self._residual(calculated * ratio**2)), one.log_scale + 2.0 * torch.log(ratio)

    def misfit(self, parameters: GroupedParameters) -> Tensor:
        """[M] sqrt(sum w^2 (sqrt(y + e) - sqrt(o + e))^2 / sum w^2 o).

        Near 0 for the right structure, near 0.5 for none.
        """
        return self.misfit_of(self._residual(self.groups(parameters)))

    def misfit_of(self, residual: Tensor) -> Tensor:
        """[M] misfit of root residuals [K, M]."""
        return torch.sqrt((residual * residual).sum(0) / self.norm)

    def residual_and_jacobian(self, parameters: GroupedParameters) -> tuple[Tensor, Tensor]:
        """Residuals [K, M] and derivatives [M, K, P]; P runs over x y z of each atom, log scale, U of each element."""
        parts = self._amplitudes(parameters)
        reflections, count = parts.intensity.shape
        atoms, elements = parameters.frac_coords.shape[1], len(self._slices)
        terms = torch.empty(reflections, atoms, count)
        u_terms = torch.empty(reflections, elements, count)
        slope = 2.0 * TWO_PI * parts.prefactor
        damping = (-4.0 * math.pi) * self.target.s_squared[:, None]
        for e, atoms_of in enumerate(self._slices):
            normal, anomalous = parts.normal[:, e], parts.anomalous[:, e]
            against_sine = (normal * parts.real).addcmul_(anomalous, parts.real_anomalous).mul_(slope)
            against_cosine = (normal * parts.imaginary).addcmul_(anomalous, parts.imaginary_anomalous).mul_(slope)
            torch.mul(parts.cosine[:, atoms_of], against_cosine[:, None], out=terms[:, atoms_of])
            terms[:, atoms_of].addcmul_(parts.sine[:, atoms_of], against_sine[:, None], value=-1.0)
            moved = (against_sine * parts.cosine_sum[e]).addcmul_(against_cosine, parts.sine_sum[e])
            torch.mul(moved, damping, out=u_terms[:, e])
        groups = self._sum @ parts.intensity
        columns = atoms * 3
        jacobian = torch.empty(groups.shape[0], columns + 1 + elements, count)
        flat = terms.view(reflections, atoms * count)
        for axis in range(3):
            jacobian[:, axis:columns:3] = (self._sum_hkl[axis] @ flat).view(-1, atoms, count)
        jacobian[:, columns] = groups
        jacobian[:, columns + 1 :] = (self._sum @ u_terms.view(reflections, -1)).view(-1, elements, count)
        half_root = 0.5 * self.target.weight[:, None] / torch.sqrt(groups + self.target.floor[:, None])
        jacobian *= half_root[:, None]
        return self._residual(groups), jacobian.permute(2, 0, 1).contiguous()

    def _residual(self, groups: Tensor) -> Tensor:
        root = torch.sqrt(groups + self.target.floor[:, None])
        return self.target.weight[:, None] * (root - self._observed_root[:, None])

    def _amplitudes(self, parameters: GroupedParameters) -> _Amplitudes:
        target = self.target
        count, atoms, _ = parameters.frac_coords.shape
        phase = target.hkl @ parameters.frac_coords.permute(2, 1, 0).reshape(3, atoms * count)
        phase = (phase - torch.round(phase)).mul_(TWO_PI).view(-1, atoms, count)
        sine = torch.sin(phase)
        cosine = phase.cos_()
        u_iso = parameters.u_iso.transpose(0, 1).contiguous()
        damping = torch.exp((-8.0 * math.pi**2) * target.s_squared[:, None, None] * u_iso)
        normal = target.normal[:, :, None] * damping
        anomalous = target.anomalous[:, None] * damping
        cosine_sum = [cosine[:, atoms_of].sum(1) for atoms_of in self._slices]
        sine_sum = [sine[:, atoms_of].sum(1) for atoms_of in self._slices]
        real, imaginary, real_anomalous, imaginary_anomalous = (torch.zeros_like(cosine_sum[0]) for _ in range(4))
        for e in range(len(self._slices)):
            real.addcmul_(normal[:, e], cosine_sum[e])
            imaginary.addcmul_(normal[:, e], sine_sum[e])
            real_anomalous.addcmul_(anomalous[:, e], cosine_sum[e])
            imaginary_anomalous.addcmul_(anomalous[:, e], sine_sum[e])
        prefactor = target.factor[:, None] * torch.exp(parameters.log_scale)
        if parameters.texture is not None:
            prefactor = prefactor * parameters.texture.transpose(0, 1)
        squared = real**2 + imaginary**2 + real_anomalous**2 + imaginary_anomalous**2
        return _Amplitudes(
            cosine=cosine,
            sine=sine,
            cosine_sum=cosine_sum,
            sine_sum=sine_sum,
            normal=normal,
            anomalous=anomalous,
            real=real,
            imaginary=imaginary,
            real_anomalous=real_anomalous,
            imaginary_anomalous=imaginary_anomalous,
            prefactor=prefactor.expand_as(squared),
            intensity=squared * prefactor,
        )


@dataclass(frozen=True, kw_only=True)
class _Amplitudes:
    """Trigonometric sums: atoms [H, N, M], elements E lists of [H, M] or [H, E, M], reflections [H, M]."""

    cosine: Tensor
    sine: Tensor
    cosine_sum: list[Tensor]
    sine_sum: list[Tensor]
    normal: Tensor
    anomalous: Tensor
    real: Tensor
    imaginary: Tensor
    real_anomalous: Tensor
    imaginary_anomalous: Tensor
    prefactor: Tensor
    intensity: Tensor
