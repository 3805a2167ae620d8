"""Learned generators as components: weights, a structure problem and a target in, candidates out."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from pxrdgen.errors import OptionError
from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.interfaces.structure_encoder import StructureEncoder
from pxrdgen.interfaces.structure_generator import GeneratorAbilities, StructureGenerator
from pxrdgen.values.candidates import CandidateBatch
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.pattern_batch import PatternBatch, QGrid
from pxrdgen.values.problem import StructureProblem
from pxrdgen_crystallography.preparation import prepare
from pxrdgen_crystallography.scattering.amplitudes import check_species
from pxrdgen_generators.conditions import Condition, condition_from, condition_from_patterns
from pxrdgen_generators.denoising_model import DenoisingModel, Generated
from pxrdgen_generators.options import DenoisingOptions
from pxrdgen_learning.views.grouped_reflections import GroupedReflections
from pxrdgen_learning.views.pattern_views import patterns_from_prepared
from pxrdgen_learning.weights.weights import LargerThanTrainedWarning as LargerThanTrainedWarning
from pxrdgen_learning.weights.weights import WeightsCard, warn_if_larger_than_trained

#: smallest spacing the networks are trained on, A.
D_MIN = 1.2

OptionsT = TypeVar("OptionsT", bound=DenoisingOptions)


class DenoisingGenerator(StructureGenerator, Generic[OptionsT]):
    """Proposes arrangements with a model, trained once the registry has loaded its weights.

    What the network is comes from the card of the weights; sampler, steps and chunk from the spec.

    Args:
        options: the network, and how to sample.
        denoiser, encoder, structure_encoder: its parts.

    Raises:
        OptionError: the device is not there, or a part does not fit.
    """

    abilities = GeneratorAbilities(can_renoise=True, costly=True)
    name: ClassVar[str]

    def __init__(
        self,
        options: OptionsT,
        *,
        denoiser: object,
        encoder: PatternEncoder | None = None,
        structure_encoder: StructureEncoder | None = None,
    ) -> None:
        self._options = options
        #: what the weights were trained on, once there are any.
        self.card: WeightsCard | None = None
        self._model = self.trainable(options, denoiser=denoiser, encoder=encoder, structure_encoder=structure_encoder)
        if options.device == "cuda" and not torch.cuda.is_available():
            raise OptionError("got the device cuda, and torch sees none; leave the option 'device' out")
        self.network.to(options.device).eval().requires_grad_(False)
        self._seen: tuple[PowderPattern, PatternBatch] | None = None

    @classmethod
    @abstractmethod
    def trainable(
        cls,
        options: OptionsT,
        *,
        denoiser: object,
        encoder: PatternEncoder | None = None,
        structure_encoder: StructureEncoder | None = None,
    ) -> DenoisingModel:
        """An untrained model, for the training loop."""

    @property
    def network(self) -> nn.Module:
        """What the weights go into."""
        return self._model.network

    @property
    def grid(self) -> QGrid | None:
        """Where the encoder wants profiles, if it reads any."""
        return self._model.grid

    def generate(
        self, problem: StructureProblem, target: IntensityTarget, count: int, rng: torch.Generator
    ) -> CandidateBatch:
        """``count`` samples from noise."""
        return self._sample(problem, target, count, rng)

    def renoise(
        self,
        problem: StructureProblem,
        target: IntensityTarget,
        frac_coords: Tensor,
        strength: float,
        rng: torch.Generator,
    ) -> CandidateBatch:
        """Samples that start from ``frac_coords`` [M, N, 3] renoised to time 1 - ``strength``."""
        if not 0.0 <= strength <= 1.0:
            raise OptionError(f"got a renoising strength of {strength:g}, expected 0 to 1")
        if strength == 0.0:
            return CandidateBatch(frac_coords=frac_coords, origin=(self.name,) * len(frac_coords))
        return self._sample(problem, target, len(frac_coords), rng, start=frac_coords, time=1.0 - strength)

    def leaked(
        self, problem: StructureProblem, target: IntensityTarget, truth: Crystal, count: int, rng: torch.Generator
    ) -> CandidateBatch:
        """``count`` samples of the control that is told the features of the true structure; for benchmarks alone."""
        told = replace(self._condition(problem, target), truth=CrystalBatch.from_crystals([truth], dtype=torch.float32))
        found = self._drawn(told, count, rng)
        return CandidateBatch(frac_coords=found.frac_coords, origin=(self.name,) * count)

    def with_cells(self, patterns: PatternBatch, species: Tensor, count: int, rng: torch.Generator) -> Generated:
        """``count`` crystals of ``species`` [N] with cells of their own, from one pattern.

        Raises:
            OptionError: the weights were trained with given cells alone.
        """
        check_species(species)
        condition = condition_from_patterns(species[None], patterns, max_peaks=self._model.max_peaks)
        return self._drawn(condition, count, rng, generate_cell=True)

    def path(self, problem: StructureProblem, target: IntensityTarget, rng: torch.Generator) -> list[Tensor]:
        """The states [1, N, 3] one sample passes through, for figures."""
        found = self._drawn(self._condition(problem, target), 1, rng, record=True)
        return [state for state, _ in found.path]

    def _sample(
        self,
        problem: StructureProblem,
        target: IntensityTarget,
        count: int,
        rng: torch.Generator,
        *,
        start: Tensor | None = None,
        time: float = 0.0,
    ) -> CandidateBatch:
        size = problem.num_atoms
        if size == 1:
            return CandidateBatch(frac_coords=torch.zeros(count, 1, 3), origin=(self.name,) * count)
        condition = self._condition(problem, target)
        width = max(1, self._options.chunk // size**2)
        parts = [
            self._drawn(
                condition,
                min(width, count - first),
                rng,
                time=time,
                start=None if start is None else start[first : first + width].to(torch.float32),
            ).frac_coords
            for first in range(0, count, width)
        ]
        coords = torch.cat(parts) if parts else torch.zeros(0, size, 3)
        return CandidateBatch(frac_coords=coords, origin=(self.name,) * count)

    def _drawn(self, condition: Condition, count: int, rng: torch.Generator, **how: Any) -> Generated:
        """Samples from the model, wherever it is; noise on another device than that of ``rng`` is seeded by it."""
        device = torch.device(self._options.device)
        if device.type != rng.device.type:
            seed = int(torch.randint(2**62, (), generator=rng))
            rng = torch.Generator(device=device).manual_seed(seed)
        start = how.pop("start", None)
        on_device = None if start is None else start.to(device)
        return self._model.sample(condition.to(device), count, rng, start=on_device, **how).to("cpu")

    def _condition(self, problem: StructureProblem, target: IntensityTarget) -> Condition:
        species = torch.as_tensor(problem.species)[None]
        check_species(species)
        warn_if_larger_than_trained(self.card, problem.num_atoms, stacklevel=4)
        condition = condition_of(target, species, max_peaks=self._model.max_peaks)
        return replace(condition, patterns=self._patterns(problem)) if self._model.encoded else condition

    def _patterns(self, problem: StructureProblem) -> PatternBatch:
        """What the encoder sees; preparing a pattern takes a while, so the last one is kept."""
        if self._seen is None or self._seen[0] is not problem.pattern:
            view = patterns_from_prepared([prepare(problem.pattern)], grid=self._model.grid)
            self._seen = (problem.pattern, view)
        return self._seen[1]


def condition_of(target: IntensityTarget, species: Tensor, *, max_peaks: int) -> Condition:
    """What the network is told about a target and atoms ``species`` [1, N]."""
    metric = (target.basis @ target.basis.T).double()
    basis = torch.linalg.cholesky(metric).to(torch.float32)[None]
    seen = target.group_d >= D_MIN
    if not bool(seen.any()):
        seen = torch.ones_like(seen)
    observed = GroupedReflections(
        hkl=target.hkl[None].to(torch.float32),
        measured=seen[target.group][None],
        group=target.group[None],
        strength=torch.where(seen, target.group_strength, 0.0)[None].to(torch.float32),
    )
    return condition_from(species, basis, observed, max_peaks=max_peaks)
