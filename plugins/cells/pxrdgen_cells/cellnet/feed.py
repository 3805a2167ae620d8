"""Training batches: crystals strained, their first lines as a diffractometer and a peak search would give them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pxrdgen.values.instrument import CUKA
from pxrdgen_cells.cellnet.coordinates import to_coordinates, triangular
from pxrdgen_cells.cellnet.line_lists import LINES, LineLists
from pxrdgen_cells.cellnet.options import PeakAugmentation
from pxrdgen_cells.cellnet.peaks import Condition
from pxrdgen_learning.training.batch import Rows
from pxrdgen_learning.training.options import TrainingOptions

#: how far a strained cell may leave the conditions of a reduced one, as a fraction of a squared length.
_REDUCED_TOLERANCE = 0.004


@dataclass(frozen=True, kw_only=True)
class CellBatch:
    """B patterns and the standardised coordinates [B, 6] of their cells."""

    condition: Condition
    coordinates: Tensor

    def __len__(self) -> int:
        return len(self.condition)


@dataclass(frozen=True, kw_only=True)
class LineFeed:
    """Batches from line lists; see :class:`pxrdgen.interfaces.Feed`."""

    lines: LineLists
    augmentation: PeakAugmentation
    max_peaks: int

    def order(self, options: TrainingOptions, epoch: int) -> Iterator[tuple[Rows, ...]]:
        """All crystals in random order, ``crystals`` a micro-batch."""
        rng = torch.Generator().manual_seed(options.seed * 1_000_003 + epoch)
        taking_part = torch.nonzero(torch.rand(len(self.lines), generator=rng) < self.lines.weight).squeeze(1)
        shuffled = taking_part[torch.randperm(len(taking_part), generator=rng)]
        width = options.crystals * options.per_step
        for start in range(0, len(shuffled) - width + 1, width):
            parts = torch.split(shuffled[start : start + width], options.crystals)
            yield tuple(Rows(size=0, rows=rows) for rows in parts)

    def batch(self, rows: Rows, options: TrainingOptions, rng: torch.Generator) -> CellBatch:
        """The crystals at ``rows`` as seen through an augmented pattern."""
        del options
        lines, index = self.lines, rows.rows
        draw = _Draws(len(index), rng)
        clean = draw.unit() < self.augmentation.clean
        basis = _strained(lines.basis[index], lines.rotations[index].float(), self.augmentation.strain, draw)
        reciprocal = torch.linalg.inv(basis)
        q = (lines.hkl[index].float() @ reciprocal.transpose(-1, -2)).square().sum(-1)
        observed, share = _observed(q, lines.share[index], clean, self.augmentation, draw)
        condition = first_peaks(
            observed,
            share,
            species=lines.species[index].long(),
            volume=lines.volume[index],
            max_peaks=self.max_peaks,
        )
        return CellBatch(condition=condition, coordinates=to_coordinates(basis))


class _Draws:
    """Random numbers, one a crystal, from one generator."""

    def __init__(self, batch: int, rng: torch.Generator) -> None:
        self.batch, self.rng = batch, rng

    def unit(self, *shape: int) -> Tensor:
        return torch.rand(self.batch, *shape, generator=self.rng)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(self.batch, *shape, generator=self.rng)

    def uniform(self, bounds: tuple[float, float], *shape: int) -> Tensor:
        return bounds[0] + (bounds[1] - bounds[0]) * self.unit(*shape)

    def log_uniform(self, bounds: tuple[float, float], *shape: int) -> Tensor:
        return self.uniform((math.log(bounds[0]), math.log(bounds[1])), *shape).exp()


def _strained(basis: Tensor, rotations: Tensor, spread: float, draw: _Draws) -> Tensor:
    """Cells [B, 3, 3] under random strains that keep the symmetry of their lattice, as long as they stay reduced."""
    strain = draw.normal(3, 3) * spread
    strain = 0.5 * (strain + strain.transpose(-1, -2))
    cartesian = torch.linalg.inv(basis)[:, None] @ rotations @ basis[:, None]
    symmetric = (cartesian.transpose(-1, -2) @ strain[:, None] @ cartesian).mean(dim=1)
    scale = draw.normal(1, 1) * spread
    moved = basis @ (torch.eye(3) * (1.0 + scale) + symmetric)
    metric = moved @ moved.transpose(-1, -2)
    return torch.where(_reduced(metric)[:, None, None], triangular(metric), basis)


def _reduced(metric: Tensor) -> Tensor:
    """[B] whether the metric tensors [B, 3, 3] are those of (nearly) Niggli-reduced cells."""
    a, b, c = metric[:, 0, 0], metric[:, 1, 1], metric[:, 2, 2]
    bc, ac, ab = metric[:, 1, 2], metric[:, 0, 2], metric[:, 0, 1]
    slack = _REDUCED_TOLERANCE * a
    fits = (a <= b + slack) & (b <= c + slack)
    fits &= (2 * bc.abs() <= b + slack) & (2 * ac.abs() <= a + slack) & (2 * ab.abs() <= a + slack)
    obtuse = (bc <= 0) & (ac <= 0) & (ab <= 0)
    return fits & (~obtuse | (2 * (bc + ac + ab).abs() <= a + b + slack))


def _observed(
    q: Tensor, share: Tensor, clean: Tensor, options: PeakAugmentation, draw: _Draws
) -> tuple[Tensor, Tensor]:
    """1/d^2 [B, L + 3] and shares of what would be found, in no order; a share of 0 is no peak."""
    wavelength = CUKA.wavelength
    angle = _angle(q, wavelength)
    shift = draw.normal(1) * options.zero + draw.normal(LINES) * draw.log_uniform(options.position)[:, None]
    measured = angle + torch.where(clean[:, None], 0.0, shift)
    strength = share * torch.exp(torch.where(clean[:, None], 0.0, options.intensity) * draw.normal(LINES))
    width = torch.where(clean, 0.03, draw.log_uniform(options.resolution))
    measured, strength = _merged(measured, strength, width)
    strongest = strength.amax(dim=1, keepdim=True).clamp(min=1e-12)
    limit = torch.where(clean, 3e-4, draw.log_uniform(options.detection))[:, None]
    low = torch.where(clean, 5.0, draw.uniform(options.lowest))[:, None]
    high = torch.where(clean, 80.0, draw.uniform(options.highest))[:, None]
    lost = (draw.unit(LINES) < options.lost) & ~clean[:, None] & (strength < 0.5 * strongest)
    seen = (strength > limit * strongest) & (measured > low) & (measured < high) & ~lost
    foreign = draw.uniform((12.0, 60.0), 3)
    present = (draw.unit(1) < options.extra) & ~clean[:, None] & (draw.unit(3) < 0.6)
    weak = strongest * draw.log_uniform((0.005, 0.2), 3)
    measured = torch.cat([measured, foreign], dim=1)
    strength = torch.cat([torch.where(seen, strength, 0.0), torch.where(present, weak, 0.0)], dim=1)
    sine = torch.sin(torch.deg2rad(measured.clamp(1.0, 170.0) / 2.0))
    return (2.0 * sine / wavelength).square(), strength


def _angle(q: Tensor, wavelength: float) -> Tensor:
    """2theta in degrees of 1/d^2; out of reach: 180."""
    return torch.rad2deg(2.0 * torch.asin((0.5 * wavelength * q.clamp(min=1e-6).sqrt()).clamp(max=1.0)))


def _merged(angle: Tensor, strength: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Peaks [B, L] closer than ``width`` [B] to the one before, taken together at their centre of gravity."""
    angle = torch.where(strength > 0, angle, 180.0)
    angle, order = torch.sort(angle, dim=1)
    strength = strength.gather(1, order)
    starts = torch.ones_like(angle, dtype=torch.bool)
    starts[:, 1:] = angle[:, 1:] - angle[:, :-1] > width[:, None]
    group = torch.cumsum(starts, dim=1) - 1
    total = torch.zeros_like(strength).scatter_add_(1, group, strength)
    moment = torch.zeros_like(strength).scatter_add_(1, group, strength * angle)
    return torch.where(total > 0, moment / total.clamp(min=1e-12), 180.0), total


def first_peaks(q: Tensor, share: Tensor, *, species: Tensor, volume: Tensor, max_peaks: int) -> Condition:
    """A condition from peaks in any order: 1/d^2 and intensities [B, L], 0 for no peak; the lowest angles are kept."""
    missing = max(0, max_peaks - q.shape[1])
    q, share = torch.nn.functional.pad(q, (0, missing)), torch.nn.functional.pad(share, (0, missing))
    share = share / share.amax(dim=1, keepdim=True).clamp(min=1e-12)
    order = torch.argsort(torch.where(share > 0, q, torch.inf), dim=1, stable=True)[:, :max_peaks]
    share = share.gather(1, order)
    mask = share > 0
    known = torch.ones(len(q), dtype=torch.bool)
    return Condition(
        q=torch.where(mask, q.gather(1, order), 1.0),
        share=share,
        mask=mask,
        species=species,
        volume=volume,
        formula_known=known,
        z_known=known,
    )
