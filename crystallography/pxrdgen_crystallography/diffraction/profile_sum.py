"""Adding peaks into profiles, each within its own window of the grid.

The grid is cut into stretches of a few points; what is computed is a list of (peak, stretch) pairs, of all crystals of
a batch at once. The Gaussian part of a pseudo-Voigt needs far fewer of them than the Lorentzian tails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pxrdgen.values.instrument import Instrument
from pxrdgen_crystallography.diffraction.profiles import gaussian, lorentzian
from pxrdgen_crystallography.powder_line.positions import line_positions
from pxrdgen_crystallography.powder_line.widths import line_widths, line_windows

if TYPE_CHECKING:
    from pxrdgen_crystallography.diffraction.reflection_list import ReflectionList

#: numbers held by one chunk of peaks x points; small enough for a processor's cache.
CHUNK_ELEMENTS = 250_000
#: grid points treated together.
STRETCH = 64
#: full widths from its centre beyond which a Gaussian is nothing: exp(-4 ln 2 * 3.5^2) = 2e-15.
GAUSSIAN_REACH = 3.5
#: lines closer than this (degrees) have the same position for every purpose.
SAME_POSITION = 1e-6
CENTIDEGREE = 0.01


def sum_peaks(reflections: ReflectionList, instrument: Instrument, grid: Tensor) -> Tensor:
    """Profiles [B, G] of B crystals' reflections on ``grid`` [G] (degrees), intensity per centidegree."""
    rows = range(reflections.mask.shape[0])
    lines = [
        _merged(*(part[row][reflections.mask[row]] for part in (reflections.two_theta, reflections.intensity)))
        for row in rows
    ]
    two_theta, intensity = (torch.cat(parts) for parts in zip(*lines, strict=True))
    crystal = torch.repeat_interleave(torch.tensor([part.numel() for part, _ in lines]), output_size=two_theta.numel())
    crystal = crystal.to(grid.device)
    theta = torch.deg2rad(two_theta) / 2.0
    width, mixing = line_widths(theta, instrument)
    below, above = line_windows(theta, instrument)
    core = GAUSSIAN_REACH * width
    stretches = -(-grid.shape[0] // STRETCH)
    profile = grid.new_zeros(len(rows) * stretches, STRETCH)
    for position, weight in line_positions(two_theta, instrument):
        area = weight * intensity
        window = _window(grid, position, below, above)
        _add(profile, grid, lorentzian, crystal, position, mixing * area, width, window)
        window = _window(grid, position, torch.minimum(core, below), torch.minimum(core, above))
        _add(profile, grid, gaussian, crystal, position, (1.0 - mixing) * area, width, window)
    return profile.view(len(rows), -1)[:, : grid.shape[0]] * CENTIDEGREE


def _merged(two_theta: Tensor, intensity: Tensor) -> tuple[Tensor, Tensor]:
    """Equal lines added up, which a symmetric cell has many of; left alone when positions carry gradients."""
    if two_theta.requires_grad or two_theta.numel() < 2:
        return two_theta, intensity
    ordered, order = torch.sort(two_theta)
    step = max(SAME_POSITION, 40.0 * torch.finfo(two_theta.dtype).eps * 180.0)
    new_line = torch.ones_like(ordered, dtype=torch.long)
    new_line[1:] = (ordered[1:] - ordered[:-1] > step).long()
    line = torch.cumsum(new_line, dim=0) - 1
    count = int(line[-1]) + 1
    merged = intensity.new_zeros(count).index_add(0, line, intensity[order])
    return ordered[new_line.bool()], merged


def _window(grid: Tensor, position: Tensor, below: Tensor, above: Tensor) -> tuple[Tensor, Tensor]:
    """First grid point of each peak's window and the first one past it; [H] each, without gradients."""
    first = torch.searchsorted(grid, (position - below).detach().contiguous())
    last = torch.searchsorted(grid, (position + above).detach().contiguous(), right=True)
    return first, last


def _add(
    profile: Tensor,
    grid: Tensor,
    shape: Callable[[Tensor, Tensor], Tensor],
    crystal: Tensor,
    position: Tensor,
    area: Tensor,
    width: Tensor,
    window: tuple[Tensor, Tensor],
) -> None:
    """Add peaks [H] of ``shape`` to ``profile`` [B x stretches, STRETCH], each where its window meets a stretch."""
    stretches = -(-grid.shape[0] // STRETCH)
    points = torch.nn.functional.pad(grid, (0, stretches * STRETCH - grid.shape[0])).view(stretches, STRETCH)
    first, last = window
    first_stretch = first // STRETCH
    met = torch.where(last > first, (last - 1) // STRETCH - first_stretch + 1, 0)
    peaks = torch.repeat_interleave(met)
    stretch = first_stretch[peaks] + torch.arange(peaks.numel(), device=grid.device) - (met.cumsum(0) - met)[peaks]
    number = torch.arange(STRETCH, device=grid.device, dtype=torch.int32)
    size = max(CHUNK_ELEMENTS // STRETCH, 1)
    for peak, where in zip(torch.split(peaks, size), torch.split(stretch, size), strict=True):
        values = area[peak, None] * shape(points[where] - position[peak, None], width[peak, None])
        start = (first[peak] - where * STRETCH).int()[:, None]
        stop = (last[peak] - where * STRETCH).int()[:, None]
        values = torch.where((number >= start) & (number < stop), values, 0.0)
        profile.index_add_(0, crystal[peak] * stretches + where, values)
