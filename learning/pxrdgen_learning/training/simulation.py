"""Grouped reflections simulated inside the training loop, with what real measurements do to them."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import CUKA
from pxrdgen_crystallography.diffraction.reflections import enumerate_hkl, s_squared
from pxrdgen_crystallography.diffraction.structure_factors import structure_factors_squared
from pxrdgen_crystallography.diffraction.texture import march_dollase
from pxrdgen_crystallography.powder_line.strength import lorentz_polarization
from pxrdgen_crystallography.scattering.amplitudes import scattering_of
from pxrdgen_learning.training.simulation_options import Range, SimulationOptions
from pxrdgen_learning.views.grouped_reflections import GroupedReflections

#: reflections closer than this in 2theta (degrees) are equal by symmetry, whatever the resolution.
_EQUAL = 0.01


def observe(
    crystals: CrystalBatch, options: SimulationOptions, rng: torch.Generator
) -> tuple[GroupedReflections, Tensor]:
    """What would be extracted from patterns of ``crystals``, and the cells [B, 3, 3] one would believe in."""
    batch = len(crystals)
    draw = _Draws(batch, crystals.frac_coords.dtype, rng)
    clean = draw.uniform((0.0, 1.0)) < options.clean_fraction
    u_iso = _u_iso(crystals.species, options.u_iso, draw)
    crystals = replace(crystals, u_iso=torch.where(clean[:, None], 0.01, u_iso))
    hkls = enumerate_hkl(crystals.basis, _s_at(5.0), 0.5 / options.d_min)
    s2 = s_squared(hkls.hkl, crystals.basis)
    order = torch.argsort(torch.where(hkls.mask, s2, torch.inf), dim=1, stable=True)
    s2, mask = s2.gather(1, order), hkls.mask.gather(1, order)
    hkl = hkls.hkl.gather(1, order[..., None].expand(-1, -1, 3))
    factors = scattering_of(CUKA).to(dtype=s2.dtype, device=s2.device)
    f_squared = structure_factors_squared(crystals, hkl, s2, factors, default_u_iso=0.01)
    texture = _texture(hkl, crystals.basis, options.march_dollase, draw)
    f_squared = f_squared * torch.where(clean[:, None], 1.0, texture)

    two_theta = _two_theta(s2)
    width = torch.where(clean, 0.02, draw.log_uniform(options.resolution))
    group, heads = _groups(two_theta, mask, width, draw.uniform((0.0, 1.0)))
    low = torch.where(clean, 5.0, draw.uniform(options.two_theta_min))
    high = torch.where(clean, 90.0, draw.uniform(options.two_theta_max))
    measured = mask & (heads > low[:, None]) & (heads < high[:, None])
    strength = torch.zeros_like(s2).scatter_add_(1, group, torch.where(measured, 2.0 * f_squared, 0.0))
    centre = torch.zeros_like(s2).scatter_reduce_(1, group, torch.where(mask, heads, 0.0), "amax")
    noisy = _measure(strength, centre, options, draw)
    strength = torch.where(clean[:, None], strength, noisy)
    used = int(group.max()) + 1
    basis = torch.where(clean[:, None, None], crystals.basis, _strained(crystals.basis, options.strain, draw))
    ends = torch.stack([low, torch.minimum(high, _two_theta(low.new_tensor((0.5 / options.d_min) ** 2)))], dim=1)
    q_range = (4.0 * math.pi / CUKA.wavelength) * torch.sin(torch.deg2rad(ends / 2))
    strength = strength[:, :used]
    return GroupedReflections(hkl=hkl, measured=measured, group=group, strength=strength, q_range=q_range), basis


class _Draws:
    """Random numbers, one a crystal, from one generator and on its device."""

    def __init__(self, batch: int, dtype: torch.dtype, rng: torch.Generator) -> None:
        self.batch, self.dtype, self.rng = batch, dtype, rng

    def unit(self, *shape: int) -> Tensor:
        return torch.rand(self.batch, *shape, generator=self.rng, dtype=self.dtype, device=self.rng.device)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(self.batch, *shape, generator=self.rng, dtype=self.dtype, device=self.rng.device)

    def uniform(self, bounds: Range, *shape: int) -> Tensor:
        return bounds[0] + (bounds[1] - bounds[0]) * self.unit(*shape)

    def log_uniform(self, bounds: Range, *shape: int) -> Tensor:
        return torch.exp(self.uniform((math.log(bounds[0]), math.log(bounds[1])), *shape))


def _s_at(two_theta: float) -> float:
    return math.sin(math.radians(two_theta / 2)) / CUKA.wavelength


def _two_theta(s2: Tensor) -> Tensor:
    return torch.rad2deg(2.0 * torch.asin((CUKA.wavelength * s2.sqrt()).clamp(max=1.0)))


def _u_iso(species: Tensor, bounds: Range, draw: _Draws) -> Tensor:
    return draw.log_uniform(bounds, 128).gather(1, species)


def _texture(hkl: Tensor, basis: Tensor, bounds: Range, draw: _Draws) -> Tensor:
    """Factors [B, H] of a random ratio about a random low-index axis."""
    axis = torch.randint(-1, 2, (draw.batch, 1, 3), generator=draw.rng, device=hkl.device).to(hkl.dtype)
    axis = torch.where(axis.abs().sum(-1, keepdim=True) > 0, axis, axis.new_tensor([0.0, 0.0, 1.0]))
    return march_dollase(hkl, basis, axis[:, 0], draw.uniform(bounds))


def _groups(two_theta: Tensor, mask: Tensor, width: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """Group index [B, H] of sorted reflections, and 2theta of each one's symmetry-equal head.

    Symmetry-equal ones always share a group; beyond that, a grid of bins of the given width decides.
    """
    gap = torch.ones_like(mask)
    gap[:, 1:] = (two_theta[:, 1:] - two_theta[:, :-1]) > _EQUAL
    gap = gap & mask
    index = torch.arange(two_theta.shape[1], device=two_theta.device).expand_as(two_theta)
    head = torch.cummax(torch.where(gap, index, torch.zeros_like(index)), dim=1).values
    heads = two_theta.gather(1, head)
    cell = torch.floor(heads / width[:, None] + offset[:, None])
    new = gap.clone()
    new[:, 1:] &= cell[:, 1:] != cell[:, :-1]
    return (torch.cumsum(new, dim=1) - 1).clamp(min=0), heads


def _measure(strength: Tensor, two_theta: Tensor, options: SimulationOptions, draw: _Draws) -> Tensor:
    """Counting noise, a floor, a relative error and a detection limit, applied to intensities."""
    factor = lorentz_polarization(torch.sin(torch.deg2rad(two_theta.clamp(min=1.0) / 2)), 0.5)
    intensity = strength * factor
    strongest = intensity.amax(dim=1, keepdim=True).clamp(min=1e-12)
    gain, floor = draw.log_uniform(options.gain)[:, None], draw.uniform(options.floor)[:, None]
    relative = draw.uniform(options.relative_error)[:, None]
    variance = gain * intensity * strongest + (floor * strongest) ** 2 + (relative * intensity) ** 2
    noisy = (intensity + variance.sqrt() * draw.normal(strength.shape[1])).clamp(min=0.0)
    limit = torch.where(draw.unit() < 0.5, draw.log_uniform(options.detection), 0.0)
    noisy = torch.where((noisy > limit[:, None] * strongest) & (strength > 0), noisy, 0.0)
    return noisy / factor


def _strained(basis: Tensor, bounds: Range, draw: _Draws) -> Tensor:
    """Lower-triangular strain of random size and direction: a stays along x, b in the xy plane."""
    strain = torch.tril(draw.normal(3, 3)) * draw.uniform(bounds)[:, None, None]
    return basis + basis @ strain
