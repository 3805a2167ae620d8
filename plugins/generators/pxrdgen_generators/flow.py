"""The flow: a path, a coupling, a denoiser and a sampler, composed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from pxrdgen.training.batch import TrainingBatch
from pxrdgen_generators.conditions import Condition, condition_from
from pxrdgen_generators.coupling import Coupling, NoCoupling, SymmetryAwareCoupling
from pxrdgen_generators.denoisers.attention import AttentionDenoiser
from pxrdgen_generators.denoisers.base import Denoiser
from pxrdgen_generators.options import FlowOptions
from pxrdgen_generators.paths import LinearPath
from pxrdgen_generators.samplers import EulerSampler, Sampler, StochasticSampler


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Flow matching (Lipman et al. 2023, arXiv:2210.02747) of atoms on the torus, in a given cell.

    ``denoiser`` is a :class:`~pxrdgen_generators.denoisers.base.Denoiser`, possibly wrapped by the training loop.
    """

    path: LinearPath
    coupling: Coupling
    denoiser: nn.Module
    sampler: Sampler
    max_peaks: int
    pattern_dropout: float

    @classmethod
    def from_options(cls, options: FlowOptions) -> Flow:
        """Build every part; the denoiser's weights come from torch's global generator."""
        samplers: dict[str, Sampler] = {
            "stochastic": StochasticSampler(steps=options.steps),
            "euler": EulerSampler(steps=options.steps, anti_annealing=options.anti_annealing),
        }
        couplings: dict[str, Coupling] = {"none": NoCoupling(), "symmetry": SymmetryAwareCoupling()}
        return cls(
            path=LinearPath(),
            coupling=couplings[options.coupling],
            denoiser=AttentionDenoiser(options.denoiser),
            sampler=samplers[options.sampler],
            max_peaks=options.max_peaks,
            pattern_dropout=options.pattern_dropout,
        )

    @property
    def network(self) -> nn.Module:
        """The part that learns."""
        return self.denoiser

    def with_network(self, network: nn.Module) -> Flow:
        """The same flow around another network (averaged, or wrapped for a device)."""
        return replace(self, denoiser=network)

    def loss(self, batch: TrainingBatch, rng: torch.Generator) -> Tensor:
        """[B] mean squared error of the estimated displacement, in units of the path's scale."""
        crystals = batch.crystals
        noise = torch.rand(crystals.frac_coords.shape, generator=rng)
        t = self.path.times(len(crystals), rng)
        pair = self.coupling.pair(
            clean=crystals.frac_coords,
            noise=noise,
            species=crystals.species,
            basis=crystals.basis,
            rotations=batch.rotations,
            rotation_count=batch.rotation_count,
            rng=rng,
        )
        state = self.path.state(pair.clean, pair.displacement, t, crystals.basis)
        condition = condition_from(crystals.species, batch.basis, batch.observed, max_peaks=self.max_peaks)
        blind = torch.rand(len(crystals), generator=rng) < self.pattern_dropout
        estimate = self.denoiser(state, t, condition.blinded(blind))
        target = pair.displacement / self.path.scale(condition.length, state.shape[1])
        squared: Tensor = (estimate - target) ** 2
        return squared.mean(dim=(1, 2))

    @torch.no_grad()
    def sample(
        self,
        condition: Condition,
        count: int,
        rng: torch.Generator,
        *,
        start: Tensor | None = None,
        time: float = 0.0,
        record: list[Tensor] | None = None,
    ) -> Tensor:
        """``count`` arrangements [count, n, 3] for the one crystal of ``condition``.

        Args:
            condition: of a single crystal.
            count: how many.
            rng: source of the noise.
            start: [count, n, 3] clean structures to be renoised to ``time``, instead of pure noise.
            time: where to begin, 0 to 1.
            record: collects the states on the way.
        """
        size = condition.species.shape[1]
        length = condition.length.expand(count)
        basis = condition.basis.expand(count, 3, 3)
        if start is None:
            state = torch.rand(count, size, 3, generator=rng, dtype=length.dtype)
        else:
            noise = self.path.noise(start.shape, length, rng)
            state = self.path.state(start, noise, torch.full_like(length, time), basis)
        displacement = self._displacement(condition, count)
        return self.sampler.run(displacement, self.path, state, time, basis, length, rng, record)

    def _displacement(self, condition: Condition, count: int) -> Callable[[Tensor, Tensor], Tensor]:
        if not isinstance(self.denoiser, Denoiser):
            raise TypeError(f"got a {type(self.denoiser).__name__}, expected the bare denoiser to sample with")
        memory, denoiser = self.denoiser.encode(condition), self.denoiser
        scale = self.path.scale(condition.length, condition.species.shape[1])
        expanded = condition.expand(count)

        def displacement(state: Tensor, t: Tensor) -> Tensor:
            estimate: Tensor = denoiser(state, t, expanded, memory)
            return scale * estimate

        return displacement
