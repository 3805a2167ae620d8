"""Patterns for learned models: from simulated reflections, and from measured patterns once they are prepared.

Intensities are brought to what Cu K-alpha shows without a monochromator, so that the radiation does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pxrdgen.values.instrument import CUKA, Instrument
from pxrdgen.values.pattern_batch import PatternBatch, QGrid
from pxrdgen_crystallography.powder_line.strength import lorentz_polarization
from pxrdgen_crystallography.scattering.radiation import polarization_of

if TYPE_CHECKING:
    from pxrdgen.values.prepared_pattern import PreparedPattern
    from pxrdgen_learning.views.grouped_reflections import GroupedReflections

#: what intensities are brought to: Cu K-alpha, not polarised.
COPPER = Instrument(radiation=CUKA, polarization=0.5)
#: most peaks of a pattern; weaker ones beyond are dropped.
MAX_PEAKS = 128
#: peaks below this share of the strongest are dropped.
WEAKEST = 5e-4
#: highest Q looked at, 1/A; d = 1.2 A, what Cu K-alpha reaches at 80 degrees.
Q_MAX = 2.0 * math.pi / 1.2
#: full width at half maximum of a rendered peak where none is given, degrees for Cu K-alpha.
FWHM = 0.08


def patterns_from_groups(
    observed: GroupedReflections,
    basis: Tensor,
    *,
    grid: QGrid | None = None,
    zero: Tensor | None = None,
    fwhm: Tensor | None = None,
) -> PatternBatch:
    """What an encoder would see of simulated observations.

    Args:
        observed: groups of reflections of B crystals.
        basis: [B, 3, 3] cells (rows a, b, c, A) that set the positions.
        grid: where the profile is wanted, if at all.
        zero: [B] errors of the detector zero, degrees for Cu K-alpha.
        fwhm: [B] widths of rendered peaks, degrees.
    """
    reciprocal = torch.linalg.inv(basis).transpose(-1, -2)
    inverse_d = torch.linalg.vector_norm(observed.hkl @ reciprocal, dim=-1)
    counted = observed.measured.to(inverse_d.dtype)
    members = torch.zeros_like(observed.strength).scatter_add_(1, observed.group, counted)
    position = torch.zeros_like(observed.strength).scatter_add_(1, observed.group, inverse_d * counted)
    position = position / members.clamp(min=1.0)
    intensity = observed.strength * strength_at(position) * (members > 0)
    q_range = observed.q_range
    if q_range is None:
        q = 2.0 * math.pi * inverse_d
        lowest = torch.where(observed.measured, q, torch.inf).amin(1)
        q_range = torch.stack([lowest.nan_to_num(posinf=0.0), torch.where(observed.measured, q, 0.0).amax(1)], dim=1)
    if zero is not None:
        position = _shifted(position, zero[:, None])
    return _assemble(position, intensity, q_range, grid, fwhm)


def patterns_from_prepared(prepared: Sequence[PreparedPattern], *, grid: QGrid | None = None) -> PatternBatch:
    """What an encoder sees of measured patterns: fitted peaks, and the profile over its background.

    Raises:
        ValueError: no pattern was given.
    """
    size = max(max(len(each.peaks), 1) for each in prepared)
    position, intensity = torch.zeros(len(prepared), size), torch.zeros(len(prepared), size)
    q_range = torch.zeros(len(prepared), 2)
    for row, each in enumerate(prepared):
        found = len(each.peaks)
        wavelength = each.instrument.radiation.wavelength
        inverse_d = torch.as_tensor(1.0 / each.peaks.d_spacing, dtype=torch.float32)
        area = torch.as_tensor(each.peaks.area, dtype=torch.float32).clamp(min=0.0)
        position[row, :found] = inverse_d
        intensity[row, :found] = area * _as_copper(inverse_d, each)
        ends = np.radians(each.pattern.two_theta[[0, -1]]) / 2.0
        q_range[row] = torch.as_tensor(4.0 * math.pi * np.sin(ends) / wavelength)
    intensity = torch.where(2.0 * math.pi * position < Q_MAX, intensity, 0.0)
    q_range = q_range.clamp(max=Q_MAX)
    batch = _assemble(position, intensity, q_range, None, None)
    if grid is None:
        return batch
    points = grid.values(q_range)
    measured = _inside(points, q_range)
    profile = torch.stack([_resample(each, points) for each in prepared]) * measured
    return PatternBatch(
        peaks=batch.peaks,
        peak_mask=batch.peak_mask,
        q_range=q_range,
        q_grid=points,
        profile=profile / profile.amax(1, keepdim=True).clamp(min=1e-12),
        measured=measured,
    )


def strength_at(inverse_d: Tensor, instrument: Instrument = COPPER) -> Tensor:
    """Lorentz-polarisation factor of lines at ``inverse_d`` (1/A)."""
    sine = (0.5 * instrument.radiation.wavelength * inverse_d).clamp(min=1e-3, max=0.999)
    return lorentz_polarization(sine, polarization_of(instrument))


def _assemble(
    inverse_d: Tensor, intensity: Tensor, q_range: Tensor, grid: QGrid | None, fwhm: Tensor | None
) -> PatternBatch:
    share = intensity / intensity.amax(1, keepdim=True).clamp(min=1e-12)
    kept = share > WEAKEST
    size = max(1, min(MAX_PEAKS, int(kept.sum(1).max())))
    share, order = torch.topk(torch.where(kept, share, 0.0), size, dim=1)
    mask = share > 0
    inverse_d = torch.where(mask, inverse_d.gather(1, order), 0.0)
    points = share.new_zeros(0) if grid is None else grid.values(share)
    measured = _inside(points, q_range)
    profile = share.new_zeros(len(share), 0)
    if grid is not None:
        profile = _render(inverse_d, share, grid, share.new_full((len(share),), FWHM) if fwhm is None else fwhm)
        profile = profile * measured
        profile = profile / profile.amax(1, keepdim=True).clamp(min=1e-12)
    return PatternBatch(
        peaks=torch.stack([inverse_d**2, share], dim=-1),
        peak_mask=mask,
        q_range=q_range,
        q_grid=points,
        profile=profile,
        measured=measured,
    )


def _inside(points: Tensor, q_range: Tensor) -> Tensor:
    return (points >= q_range[:, :1]) & (points <= q_range[:, 1:])


def _shifted(inverse_d: Tensor, zero: Tensor) -> Tensor:
    """Positions (1/A) read with an error of the zero (degrees), Cu K-alpha."""
    theta = torch.asin((0.5 * CUKA.wavelength * inverse_d).clamp(max=0.999))
    moved = torch.sin(theta + 0.5 * torch.deg2rad(zero)).clamp(min=0.0) * (2.0 / CUKA.wavelength)
    return torch.where(inverse_d > 0, moved, inverse_d)


def _render(inverse_d: Tensor, area: Tensor, grid: QGrid, fwhm: Tensor) -> Tensor:
    """[B, G] Gaussians of equal width in 2theta, whose heights go with the areas."""
    sine = (0.5 * CUKA.wavelength * inverse_d).clamp(max=0.999)
    slope = (2.0 * math.pi / CUKA.wavelength) * (1.0 - sine * sine).sqrt() * (math.pi / 180.0)
    sigma = (slope * fwhm[:, None] / 2.3548).clamp(min=0.4 * grid.spacing)
    q = 2.0 * math.pi * inverse_d
    reach = math.ceil(3.5 * float(sigma.max()) / grid.spacing)
    nearest = torch.round((q - grid.low) / grid.spacing).long()
    index = nearest[..., None] + torch.arange(-reach, reach + 1, device=q.device)
    distance = grid.low + index * grid.spacing - q[..., None]
    values = area[..., None] * torch.exp(-0.5 * (distance / sigma[..., None]) ** 2)
    inside = (index >= 0) & (index < grid.points) & (area > 0)[..., None]
    profile = area.new_zeros(len(area), grid.points)
    profile.scatter_add_(1, index.clamp(0, grid.points - 1).flatten(1), torch.where(inside, values, 0.0).flatten(1))
    return profile


def _as_copper(inverse_d: Tensor, prepared: PreparedPattern) -> Tensor:
    """Ratio of the Lorentz-polarisation factors of Cu K-alpha and of the pattern's own radiation."""
    return strength_at(inverse_d) / strength_at(inverse_d, prepared.instrument)


def _resample(prepared: PreparedPattern, points: Tensor) -> Tensor:
    """[G] intensity over background at ``points`` (1/A), per unit of Cu K-alpha's 2theta."""
    pattern, wavelength = prepared.pattern, prepared.instrument.radiation.wavelength
    q = 4.0 * np.pi * np.sin(np.radians(pattern.two_theta) / 2.0) / wavelength
    above = np.maximum(pattern.intensity - prepared.background, 0.0)
    values = torch.as_tensor(np.interp(points.numpy(), q, above), dtype=points.dtype)
    inverse_d = points / (2.0 * math.pi)
    cosine = (1.0 - (0.5 * wavelength * inverse_d).clamp(max=0.999) ** 2).sqrt() / wavelength
    copper = (1.0 - (0.5 * CUKA.wavelength * inverse_d).clamp(max=0.999) ** 2).sqrt() / CUKA.wavelength
    return values * _as_copper(inverse_d, prepared) * copper / cosine
