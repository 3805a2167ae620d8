"""Contrastive pre-training: the vector of a pattern is to be that of its crystal and of no other's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from pxrdgen.errors import OptionError
from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.interfaces.structure_encoder import StructureEncoder
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.pattern_batch import PatternBatch, QGrid
from pxrdgen_learning.training.batch import TrainingBatch
from pxrdgen_learning.training.parts import TrainedPart
from pxrdgen_learning.training.simulation import observe
from pxrdgen_learning.training.simulation_options import SimulationOptions
from pxrdgen_learning.views.grouped_reflections import GroupedReflections
from pxrdgen_learning.views.pattern_views import patterns_from_groups

#: the learned temperature cannot fall below this.
COLDEST = 0.01


def info_nce(patterns: Tensor, crystals: Tensor, temperature: Tensor | float) -> Tensor:
    """[B] symmetric InfoNCE (van den Oord et al. 2018, arXiv:1807.03748) of vectors [B, D] that belong in pairs.

    Mean of -log softmax_j(cos(p_i, c_j) / t) at j = i and of the same with the roles exchanged.
    """
    similarity = functional.normalize(patterns, dim=-1) @ functional.normalize(crystals, dim=-1).T / temperature
    own = similarity.diagonal()
    return 0.5 * (similarity.logsumexp(1) + similarity.logsumexp(0)) - own


class PairedEncoders(nn.Module):
    """A pattern encoder, a structure encoder and the temperature their cosines are divided by."""

    def __init__(
        self, pattern: PatternEncoder, structure: StructureEncoder, temperature: float, *, learn_temperature: bool
    ) -> None:
        super().__init__()
        if not isinstance(pattern, nn.Module) or not isinstance(structure, nn.Module):
            raise OptionError("got an encoder that is no torch module; expected two that learn")
        if pattern.width != structure.width:
            raise OptionError(
                f"got vectors of {pattern.width} numbers from the pattern encoder and {structure.width} from the "
                "structure encoder; set both to the same"
            )
        self.pattern, self.structure = pattern, structure
        logarithm = torch.tensor(math.log(temperature))
        if learn_temperature:
            self.log_temperature = nn.Parameter(logarithm)
        else:
            self.register_buffer("log_temperature", logarithm, persistent=False)

    @property
    def grid(self) -> QGrid | None:
        """Where the pattern encoder wants profiles."""
        return self.pattern.grid

    def forward(
        self, patterns: Sequence[PatternBatch], crystals: Sequence[CrystalBatch]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors of all patterns [B, D], of all crystals [B, D], and the temperature."""
        of_patterns = torch.cat([self.pattern.encode(each).vector for each in patterns])
        of_crystals = torch.cat([self.structure.encode(each) for each in crystals])
        return of_patterns, of_crystals, self.log_temperature.exp().clamp(min=COLDEST)


@dataclass(frozen=True, kw_only=True)
class ContrastiveTask:
    """Paired encoders as the loop trains them.

    Args:
        encoders: a :class:`PairedEncoders`, possibly wrapped by the loop.
        grid: where profiles are rendered, if the pattern encoder reads them.
        simulation: ranges of zero errors and resolution.
        parts: which component gets which weights.
    """

    encoders: nn.Module
    grid: QGrid | None
    simulation: SimulationOptions
    parts: tuple[TrainedPart, ...]

    @property
    def network(self) -> nn.Module:
        """The encoders."""
        return self.encoders

    def with_network(self, network: nn.Module) -> ContrastiveTask:
        """The same task with wrapped encoders."""
        return replace(self, encoders=network)

    def joint_loss(self, batches: Sequence[TrainingBatch], rng: torch.Generator) -> Tensor:
        """[B] InfoNCE over all crystals of the step."""
        views = [pattern_view(batch, self.simulation, rng, grid=self.grid) for batch in batches]
        patterns, crystals, temperature = self.encoders(views, [batch.crystals for batch in batches])
        return info_nce(patterns, crystals, temperature)


def pattern_view(
    batch: TrainingBatch, options: SimulationOptions, rng: torch.Generator, *, grid: QGrid | None
) -> PatternBatch:
    """The patterns of a batch as an encoder sees them: it knows no cell, so an error of the cell is the pattern's.

    A share ``options.clean_fraction``, drawn apart from those that the simulation left ideal, has no error of the zero.
    """
    return _view(batch.observed, batch.basis, options, rng, grid)


def simulated_patterns(
    crystals: CrystalBatch, options: SimulationOptions, rng: torch.Generator, *, grid: QGrid | None
) -> PatternBatch:
    """Patterns of ``crystals`` (no padding) with the augmentation of the training, as an encoder sees them."""
    observed, basis = observe(crystals, options, rng)
    return _view(observed, basis, options, rng, grid)


def _view(
    observed: GroupedReflections, basis: Tensor, options: SimulationOptions, rng: torch.Generator, grid: QGrid | None
) -> PatternBatch:
    size = len(basis)
    low, high = options.zero
    zero = low + (high - low) * torch.rand(size, generator=rng, device=rng.device)
    clean = torch.rand(size, generator=rng, device=rng.device) < options.clean_fraction
    zero = torch.where(clean, 0.0, zero)
    narrow, wide = options.resolution
    fwhm = narrow + (wide - narrow) * torch.rand(size, generator=rng, device=rng.device)
    return patterns_from_groups(observed, basis, grid=grid, zero=zero, fwhm=fwhm)
