"""What a denoiser is told: the atoms, the cell, and the pattern as normalised intensities."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import CUKA
from pxrdgen.values.pattern_batch import PatternBatch
from pxrdgen_crystallography.diffraction.structure_factors import element_table
from pxrdgen_crystallography.scattering.amplitudes import scattering_of
from pxrdgen_generators.manifolds import atomic_length
from pxrdgen_learning.views.grouped_reflections import GroupedReflections
from pxrdgen_learning.views.pattern_views import strength_at

#: edges in 1/d (1/A) of the resolution shells that the Patterson function is split into.
SHELLS = (0.0, 0.4, 0.55, 0.7, 0.9)
#: what is used of the one reflection that stands for none while a cell is being generated.
_PLACEHOLDER_STRETCHES = ((0, 1),) * (len(SHELLS) - 1)
#: numbers that describe a peak; see :func:`_peak_features`.
PEAK_FEATURES = 40
#: 1 for the features of a peak that need no cell: position and share of the strongest.
_KNOWN_WITHOUT_CELL = (1.0,) * 32 + (0.0, 0.0, 1.0, 1.0) + (0.0,) * 4
#: smallest spacing that is looked at, A.
_D_MIN = 1.2
#: displacement assumed when intensities are normalised, A^2.
_U_ISO = 0.01
#: normalised intensities are clipped here: a strong peak of a simple structure says no more than "strong".
_LARGEST = 30.0


@dataclass(frozen=True, kw_only=True)
class Condition:
    """B crystals of n atoms without their coordinates.

    Args:
        species: [B, n] atomic numbers.
        basis: [B, 3, 3] rows a, b, c in A, lower triangular.
        length: [B] (V / n)^(1/3) in A.
        peaks: [B, K, PEAK_FEATURES] the strongest peaks.
        peak_mask: [B, K] bool.
        hkl: [B, H, 3] reflections of the half sphere.
        patterson: [B, S, H] coefficients of the origin-removed, sharpened Patterson function by resolution shell.
        stretches: S pairs of the first reflection with a coefficient in that shell in any of the crystals, and one past
            the last; (0, 0) for an empty shell, (0, 1) for the placeholder while a cell is being generated.
        patterns: what an encoder sees, where there is one.
        vector: [B, D] what the encoder said.
        truth: the true crystals, in the control that leaks them and nowhere else.
        cell: [B, C] the noisy coordinates of a cell that is being generated; ``basis`` is then its image.
    """

    species: Tensor
    basis: Tensor
    length: Tensor
    peaks: Tensor
    peak_mask: Tensor
    hkl: Tensor
    patterson: Tensor
    stretches: tuple[tuple[int, int], ...]
    patterns: PatternBatch | None = None
    vector: Tensor | None = None
    truth: CrystalBatch | None = None
    cell: Tensor | None = None

    def __len__(self) -> int:
        return int(self.species.shape[0])

    def rows(self, rows: slice) -> Condition:
        """The condition of some of the crystals; what there is one of, they share."""
        own = {name: value[rows] for name, value in self._tensors().items() if len(value) > 1}
        shared = self.patterns is None or len(self.patterns.peaks) == 1
        return replace(self, patterns=self.patterns if shared else self.patterns[rows], **own)

    def _tensors(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    def blinded(self, blind: Tensor) -> Condition:
        """The pattern withheld from the crystals marked in ``blind`` [B]."""
        return replace(
            self,
            peak_mask=self.peak_mask & ~blind[:, None],
            patterson=self.patterson.masked_fill(blind[:, None, None], 0.0),
        )

    def to(self, device: torch.device | str) -> Condition:
        """On another device."""
        return replace(
            self,
            patterns=None if self.patterns is None else self.patterns.to(device=device),
            truth=None if self.truth is None else self.truth.to(device=device),
            **{name: value.to(device) for name, value in self._tensors().items()},
        )

    def without_cell(self, basis: Tensor, cell: Tensor) -> Condition:
        """What is left to say when the cell is unknown: positions and shares of the peaks, and a guess at the cell.

        Indices, normalised intensities and the Patterson function all need the cell.
        """
        return replace(
            self,
            basis=basis,
            length=atomic_length(basis, self.species.shape[1]),
            cell=cell,
            peaks=self.peaks * self.peaks.new_tensor(_KNOWN_WITHOUT_CELL),
            hkl=self.hkl.new_zeros(len(basis), 1, 3),
            patterson=self.patterson.new_zeros(len(basis), self.patterson.shape[1], 1),
            stretches=_PLACEHOLDER_STRETCHES,
        )

    def with_guess(self, basis: Tensor, cell: Tensor) -> Condition:
        """Another guess at an unknown cell."""
        return replace(self, basis=basis, length=atomic_length(basis, self.species.shape[1]), cell=cell)


def condition_from(species: Tensor, basis: Tensor, observed: GroupedReflections, *, max_peaks: int) -> Condition:
    """Normalise the observed intensities by what randomly placed atoms would scatter on average.

    E^2 = |F|^2 / sum_j f_j^2 (Wilson 1942, doi:10.1038/150152a0), scaled to mean 1; the Patterson coefficients
    E^2 - 1 have its origin peak removed (Patterson 1935).
    """
    reciprocal = torch.linalg.inv(basis).transpose(-1, -2)
    inverse_d = torch.linalg.vector_norm(observed.hkl @ reciprocal, dim=-1)
    expected = torch.where(observed.measured, _random_scattering(species, 0.25 * inverse_d**2), 0.0)
    groups = observed.strength.shape[1]
    by_group = _sum_by_group(expected, observed.group, groups)
    ratio = observed.strength.sum(1) / by_group.sum(1).clamp(min=1e-6)
    normalised = observed.strength / (by_group * ratio[:, None].clamp(min=1e-12)).clamp(min=1e-6)
    normalised = normalised.clamp(max=_LARGEST)
    members = _sum_by_group(observed.measured.to(expected.dtype), observed.group, groups)
    mean_d = _sum_by_group(inverse_d * observed.measured, observed.group, groups) / members.clamp(min=1.0)

    keep = min(max_peaks, groups)
    rank = torch.where(members > 0, observed.strength + 1e-9, -1.0)
    strongest = torch.topk(rank, keep, dim=1).indices
    hkl = _representative(observed, groups).gather(1, strongest[..., None].expand(-1, -1, 3))
    share = observed.strength / observed.strength.amax(1, keepdim=True).clamp(min=1e-12)
    peaks = _peak_features(
        inverse_d=mean_d.gather(1, strongest),
        normalised=normalised.gather(1, strongest),
        share=share.gather(1, strongest),
        members=members.gather(1, strongest),
        hkl=hkl,
    )
    patterson = _patterson_coefficients(normalised.gather(1, observed.group) - 1.0, inverse_d, observed.measured)
    return Condition(
        species=species,
        basis=basis,
        length=atomic_length(basis, species.shape[1]),
        peaks=peaks,
        peak_mask=members.gather(1, strongest) > 0,
        hkl=observed.hkl,
        patterson=patterson,
        stretches=_stretches(patterson),
    )


def condition_from_patterns(species: Tensor, patterns: PatternBatch, *, max_peaks: int) -> Condition:
    """What patterns alone say, without a cell; :meth:`Condition.without_cell` has to add a guess.

    Args:
        species: [B, n].
        patterns: B patterns.
        max_peaks: the strongest that are kept.
    """
    inverse_d = patterns.peaks[..., 0].clamp(min=0.0).sqrt()
    strength = patterns.peaks[..., 1] / strength_at(inverse_d.clamp(min=0.05)) * patterns.peak_mask
    strength = torch.where(inverse_d < 1.0 / _D_MIN, strength, 0.0)
    keep = min(max_peaks, strength.shape[1])
    strength, strongest = torch.topk(strength, keep, dim=1)
    mask = strength > 0
    nothing = torch.zeros_like(strength)
    peaks = _peak_features(
        inverse_d=inverse_d.gather(1, strongest),
        normalised=nothing,
        share=strength / strength.amax(1, keepdim=True).clamp(min=1e-12),
        members=nothing,
        hkl=nothing[..., None].expand(-1, -1, 3),
    )
    batch = len(species)
    cube = torch.eye(3, device=peaks.device).expand(batch, 3, 3)
    return Condition(
        species=species,
        basis=cube,
        length=atomic_length(cube, species.shape[1]),
        peaks=peaks * peaks.new_tensor(_KNOWN_WITHOUT_CELL),
        peak_mask=mask,
        hkl=peaks.new_zeros(batch, 1, 3),
        patterson=peaks.new_zeros(batch, len(SHELLS) - 1, 1),
        stretches=_PLACEHOLDER_STRETCHES,
        patterns=patterns,
    )


def _random_scattering(species: Tensor, s_squared: Tensor) -> Tensor:
    """[B, H] sum over atoms of (f0 + f')^2 + f''^2 with the Debye-Waller factor, both Friedel mates."""
    factors = scattering_of(CUKA).to(dtype=s_squared.dtype, device=s_squared.device)
    elements, membership = element_table(species)
    counts = membership.to(s_squared.dtype).sum(1)
    damping = torch.exp(-16.0 * math.pi**2 * _U_ISO * s_squared)
    return 2.0 * damping * (factors.squared(elements, s_squared) * counts[..., None]).sum(1)


def _sum_by_group(values: Tensor, group: Tensor, groups: int) -> Tensor:
    return values.new_zeros(values.shape[0], groups).scatter_add_(1, group, values)


def _representative(observed: GroupedReflections, groups: int) -> Tensor:
    """[B, G, 3] indices of one member of each group, the last in the list."""
    position = torch.arange(observed.hkl.shape[1], dtype=observed.hkl.dtype, device=observed.hkl.device)
    position = position.expand_as(observed.group)
    chosen = position.new_zeros(observed.hkl.shape[0], groups)
    chosen = chosen.scatter_reduce_(1, observed.group, torch.where(observed.measured, position, 0.0), "amax").long()
    return observed.hkl.gather(1, chosen[..., None].expand(-1, -1, 3))


def _peak_features(*, inverse_d: Tensor, normalised: Tensor, share: Tensor, members: Tensor, hkl: Tensor) -> Tensor:
    """[B, K, 40] Fourier features of 1/d^2 and 1/d, strengths on three scales, how many overlap, indices."""
    octaves = 2.0 ** torch.arange(8, dtype=inverse_d.dtype, device=inverse_d.device) * (math.pi / 2)
    by_square = (inverse_d**2)[..., None] * octaves
    by_inverse = inverse_d[..., None] * octaves
    scalars = torch.stack(
        [
            normalised.sqrt(),
            torch.log(normalised + 0.01),
            share.sqrt(),
            torch.log(share + 1e-4) / 3.0,
            torch.log(members.clamp(min=1.0)),
        ],
        dim=-1,
    )
    return torch.cat([by_square.sin(), by_square.cos(), by_inverse.sin(), by_inverse.cos(), scalars, hkl / 4.0], dim=-1)


def _patterson_coefficients(excess: Tensor, inverse_d: Tensor, measured: Tensor) -> Tensor:
    """[B, S, H] E^2 - 1 by resolution shell, scaled so that a random vector gives variance about 1."""
    edges = inverse_d.new_tensor(SHELLS)
    shells = [(inverse_d >= low) & (inverse_d < high) & measured for low, high in itertools.pairwise(edges.tolist())]
    inside = torch.stack(shells, dim=1).to(excess.dtype)
    coefficients = inside * excess[:, None]
    power = (coefficients**2).sum(-1, keepdim=True)
    return coefficients * (2.0 / power.clamp(min=1e-6)).sqrt() * (power > 1e-6)


def _stretches(coefficients: Tensor) -> tuple[tuple[int, int], ...]:
    """First and one past the last reflection that any crystal has a coefficient of, for each shell; waits for them."""
    used = (coefficients != 0).any(dim=0).to(torch.uint8)
    count = used.shape[1]
    ends = torch.stack([used.argmax(dim=1), count - used.flip(1).argmax(dim=1), used.amax(dim=1)]).T.tolist()
    return tuple((first, last) if any_used else (0, 0) for first, last, any_used in ends)
