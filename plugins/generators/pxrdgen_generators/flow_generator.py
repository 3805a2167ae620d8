"""The flow as a component: weights, a structure problem and a target in, candidates out."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from pxrdgen.components import ComponentKind
from pxrdgen.diffraction.form_factors import check_species
from pxrdgen.errors import OptionError, WeightsError
from pxrdgen.interfaces import Generator
from pxrdgen.io.weights import WeightsCard, find_weights, load_weights
from pxrdgen.solver.intensities import IntensityTarget
from pxrdgen.solver.problem import StructureProblem
from pxrdgen.solver.values import CandidateBatch
from pxrdgen.training.observation import GroupedReflections
from pxrdgen_generators.conditions import Condition, condition_from
from pxrdgen_generators.flow import Flow
from pxrdgen_generators.options import FlowOptions

NAME = "flow"
#: smallest spacing the network was trained on, A.
D_MIN = 1.2


class LargerThanTrainedWarning(UserWarning):
    """A cell holds more atoms than any the weights were trained on."""


class FlowGenerator(Generator):
    """Proposes arrangements with a trained flow; the cell must be known.

    Options of the network come from the card of the weights; sampler, steps and chunk from ``options``.

    Args:
        options: which weights, and how to sample.
        flow: a flow to use instead of loading ``options.weights``.
        card: what that flow was trained on.

    Raises:
        UnknownComponentError, WeightsError: the weights are missing, damaged, or another component's.
        OptionError: the network's options are given and differ from those of the weights.
    """

    can_renoise = True

    def __init__(self, options: FlowOptions, *, flow: Flow | None = None, card: WeightsCard | None = None) -> None:
        self._options = options
        self._card = card
        if flow is None:
            self._card, flow = _load(options)
        self._flow = flow
        self._flow.network.eval().requires_grad_(False)

    @classmethod
    def trainable(cls, options: FlowOptions) -> Flow:
        """An untrained flow, for the training loop."""
        return Flow.from_options(options)

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
            return CandidateBatch(frac_coords=frac_coords, origin=(NAME,) * len(frac_coords))
        return self._sample(problem, target, len(frac_coords), rng, start=frac_coords, time=1.0 - strength)

    def path(self, problem: StructureProblem, target: IntensityTarget, rng: torch.Generator) -> list[Tensor]:
        """The states [1, N, 3] one sample passes through, for figures."""
        record: list[Tensor] = []
        self._flow.sample(self._condition(problem, target), 1, rng, record=record)
        return record

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
            return CandidateBatch(frac_coords=torch.zeros(count, 1, 3), origin=(NAME,) * count)
        condition = self._condition(problem, target)
        width = max(1, self._options.chunk // size**2)
        parts = [
            self._flow.sample(
                condition,
                min(width, count - first),
                rng,
                time=time,
                start=None if start is None else start[first : first + width].to(torch.float32),
            )
            for first in range(0, count, width)
        ]
        coords = torch.cat(parts) if parts else torch.zeros(0, size, 3)
        return CandidateBatch(frac_coords=coords, origin=(NAME,) * count)

    def _condition(self, problem: StructureProblem, target: IntensityTarget) -> Condition:
        species = torch.as_tensor(problem.species)[None]
        check_species(species)
        if self._card is not None and problem.num_atoms > self._card.max_atoms:
            warnings.warn(
                f"{problem.num_atoms} atoms in the primitive cell; the weights were trained on at most "
                f"{self._card.max_atoms}: proposals of {NAME!r} are less reliable here",
                LargerThanTrainedWarning,
                stacklevel=4,
            )
        return condition_of(target, species, max_peaks=self._flow.max_peaks)


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


def _load(options: FlowOptions) -> tuple[WeightsCard, Flow]:
    path = find_weights(options.weights)
    card, tensors = load_weights(path, kind=ComponentKind.GENERATOR, component=NAME)
    trained = FlowOptions.model_validate(card.options)
    if "denoiser" in options.model_fields_set and options.denoiser != trained.denoiser:
        raise OptionError(
            f"got options of the denoiser that differ from those of the weights {options.weights!r}; leave them out"
        )
    built = options.model_copy(update={"denoiser": trained.denoiser, "max_peaks": trained.max_peaks})
    with torch.random.fork_rng():
        flow = Flow.from_options(built)
    expected = {name for name, _ in flow.network.named_parameters()}
    if expected != set(tensors):
        odd = sorted(expected ^ set(tensors))
        raise WeightsError(f"got weights {path} that do not fit their own card (first: {odd[0]}); download them again")
    try:
        flow.network.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise WeightsError(f"got weights {path} of other shapes than their card says; download them again") from error
    return card, flow
