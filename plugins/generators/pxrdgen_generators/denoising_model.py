"""A generative model of crystals told their pattern: path, denoiser and sampler, composed.

Flow and diffusion differ in the path and the sampler alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from pxrdgen.errors import OptionError
from pxrdgen.interfaces.denoiser import Denoiser, Estimate
from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.interfaces.structure_encoder import StructureEncoder
from pxrdgen.values.pattern_batch import QGrid
from pxrdgen_generators.conditions import Condition, condition_from
from pxrdgen_generators.denoisers.conditioned import ConditionedDenoiser
from pxrdgen_generators.manifolds import to_fractional
from pxrdgen_generators.options import DenoisingOptions
from pxrdgen_generators.paths import AtomPath
from pxrdgen_generators.samplers import Sampler, Surroundings, step_times
from pxrdgen_learning.generative.cell_coordinates import CellCoordinates, LengthsAngles, RawMatrix
from pxrdgen_learning.generative.paths import GaussianPath, clean_from, unit_variance
from pxrdgen_learning.training.batch import TrainingBatch
from pxrdgen_learning.views.pattern_views import patterns_from_groups

#: cells are generated with this share of data at the start, so that the network sees every scale of noise.
_CELL_START = 1e-2
#: atoms the network is shown at once on a CPU: what it computes of them then stays in the cache.
_ATOMS_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class Generated:
    """Samples: fractional coordinates [M, n, 3] and bases [M, 3, 3], and the states passed through on request."""

    frac_coords: Tensor
    basis: Tensor
    path: tuple[tuple[Tensor, Tensor], ...] = ()

    def to(self, device: torch.device | str) -> Generated:
        """On another device."""
        path = tuple((coords.to(device), basis.to(device)) for coords, basis in self.path)
        return Generated(frac_coords=self.frac_coords.to(device), basis=self.basis.to(device), path=path)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What the network is shown of B crystals, and what it should say.

    Args:
        state: [B, n, 3] noisy coordinates.
        t: [B] times.
        condition: what it is told.
        target: [B, n, 3] of the atoms.
        velocity: [B, C] of the cell, where it is to be found.
    """

    state: Tensor
    t: Tensor
    condition: Condition
    target: Tensor
    velocity: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class DenoisingModel:
    """Atoms on the torus and, where it is not given, the cell, from noise.

    Args:
        path: of the atoms.
        cell_path: of the cell's coordinates.
        coordinates: how the cell is written.
        cell: whether it is given, generated, or either.
        cell_weight: of its part of the loss.
        denoiser: a :class:`~pxrdgen.interfaces.Denoiser`, possibly wrapped by the training loop.
        sampler: how a step is taken.
        steps: how many.
        max_peaks: the strongest that the network is shown.
        pattern_dropout: share of the training crystals without their pattern.
        grid: where the encoder wants profiles, if there is one that does.
        encoded: whether there is an encoder.
        leaking: whether this is the control that is told the true structure.
    """

    path: AtomPath
    cell_path: GaussianPath
    coordinates: CellCoordinates
    cell: Literal["given", "generated", "either"]
    cell_weight: float
    denoiser: nn.Module
    sampler: Sampler
    steps: int
    max_peaks: int
    pattern_dropout: float
    grid: QGrid | None
    encoded: bool
    leaking: bool

    @classmethod
    def compose(
        cls,
        options: DenoisingOptions,
        denoiser: object,
        encoder: PatternEncoder | None,
        structure: StructureEncoder | None,
        *,
        path: AtomPath,
        cell_path: GaussianPath,
        sampler: Sampler,
    ) -> DenoisingModel:
        """Join the parts that ``options`` name.

        Raises:
            OptionError: the denoiser is none of ours.
        """
        if not isinstance(denoiser, Denoiser):
            raise OptionError(
                f"got the denoiser {type(denoiser).__name__}, expected a subclass of {Denoiser.__module__}.Denoiser"
            )
        coordinates: CellCoordinates = RawMatrix() if options.cell_coordinates == "raw" else LengthsAngles()
        network: Denoiser = denoiser
        if encoder is not None or structure is not None or options.cell != "given":
            network = ConditionedDenoiser(
                denoiser,
                encoder,
                structure=structure,
                cell_numbers=coordinates.size if options.cell != "given" else 0,
            )
        return cls(
            path=path,
            cell_path=cell_path,
            coordinates=coordinates,
            cell=options.cell,
            cell_weight=options.cell_weight,
            denoiser=network,
            sampler=sampler,
            steps=options.steps,
            max_peaks=options.max_peaks,
            pattern_dropout=options.pattern_dropout,
            grid=None if encoder is None else encoder.grid,
            encoded=encoder is not None,
            leaking=structure is not None,
        )

    @property
    def network(self) -> nn.Module:
        """The part that learns."""
        return self.denoiser

    def with_network(self, network: nn.Module) -> DenoisingModel:
        """The same model around another network (averaged, or wrapped for a device)."""
        return replace(self, denoiser=network)

    def loss(self, batch: TrainingBatch, rng: torch.Generator) -> Tensor:
        """[B] mean squared error of what the network says of the atoms and, where it is generated, of the cell."""
        return self.prepared_loss(self.prepare(batch, rng))

    def prepare(self, batch: TrainingBatch, rng: torch.Generator) -> Prepared:
        """Noise, coupling and condition: all of the loss that needs no network."""
        crystals, size = batch.crystals, batch.crystals.frac_coords.shape[1]
        t = self.path.times(len(crystals), rng)
        pair = self.path.pair(batch, rng)
        state = self.path.state(pair.clean, pair.displacement, t, crystals.basis)
        condition = self._condition(batch)
        blind = torch.rand(len(crystals), generator=rng, device=rng.device) < self.pattern_dropout
        condition = condition.blinded(blind)
        if not self._generates_cell(rng):
            target = self.path.target(pair, t, crystals.basis, condition.length)
            return Prepared(state=state, t=t, condition=condition, target=target)
        clean = self.coordinates.of(crystals.basis, size)
        noise = torch.randn(clean.shape, generator=rng, dtype=clean.dtype, device=rng.device)
        noisy, velocity = unit_variance(clean, noise, self._cell_level(t))
        condition = condition.without_cell(self.coordinates.basis(noisy, size), noisy)
        # the network sees the guessed cell, so displacements are measured in it
        guessed = replace(pair, displacement=to_fractional(pair.displacement, crystals.basis) @ condition.basis)
        target = self.path.target(guessed, t, condition.basis, condition.length)
        return Prepared(state=state, t=t, condition=condition, target=target, velocity=velocity)

    def prepared_loss(self, prepared: Prepared) -> Tensor:
        """[B] the rest of the loss."""
        estimate: Estimate = self.denoiser(prepared.state, prepared.t, prepared.condition)
        squared = ((estimate.atoms - prepared.target) ** 2).mean(dim=(1, 2))
        if prepared.velocity is None:
            return squared
        if estimate.cell is None:
            raise TypeError("got no cell from the network; it was built for given cells")
        return squared + self.cell_weight * ((estimate.cell - prepared.velocity) ** 2).mean(dim=1)

    @torch.no_grad()
    def sample(
        self,
        condition: Condition,
        count: int,
        rng: torch.Generator,
        *,
        start: Tensor | None = None,
        time: float = 0.0,
        generate_cell: bool = False,
        record: bool = False,
    ) -> Generated:
        """``count`` crystals for the one crystal of ``condition``.

        Args:
            condition: of a single crystal.
            count: how many.
            rng: source of the noise, on the device of ``condition``.
            start: [count, n, 3] clean structures to be renoised to ``time``, instead of pure noise.
            time: where to begin, 0 to 1.
            generate_cell: the cell of ``condition`` is not to be used but found.
            record: keep the states on the way.

        Raises:
            OptionError: the network was not trained to find, or not to be given, the cell.
        """
        if (generate_cell and self.cell == "given") or (not generate_cell and self.cell == "generated"):
            raise OptionError(f"got a network trained with the cell {self.cell}; train one with cell: either")
        if not isinstance(self.denoiser, Denoiser):
            raise TypeError(f"got a {type(self.denoiser).__name__}, expected the bare denoiser to sample with")
        size = condition.species.shape[1]
        told, cell = condition, None
        if generate_cell:
            shape = (count, self.coordinates.size)
            cell = torch.randn(shape, generator=rng, dtype=condition.length.dtype, device=rng.device)
            told = condition.without_cell(self.coordinates.basis(cell, size), cell)
        state = self._start(told, count, start, time, rng)
        memory = self.denoiser.encode(told)
        states = []
        for now, then in step_times(time, self.steps):
            around = Surroundings(path=self.path, basis=told.basis, length=told.length, rng=rng)
            estimate, offset = self._estimated(state, now, told, memory)
            better = self.sampler.corrected(state, offset, now, around)
            if better is not None:
                state = better
                estimate, offset = self._estimated(state, now, told, memory)
            state = self.sampler.step(state, offset, now, then, around)
            if cell is not None and estimate.cell is not None:
                cell = self._next_cell(cell, estimate.cell, now, then)
                told = told.with_guess(self.coordinates.basis(cell, size), cell)
            if record:
                states.append((state.clone(), told.basis.expand(count, 3, 3).clone()))
        return Generated(frac_coords=state, basis=told.basis.expand(count, 3, 3), path=tuple(states))

    def _condition(self, batch: TrainingBatch) -> Condition:
        condition = condition_from(batch.crystals.species, batch.basis, batch.observed, max_peaks=self.max_peaks)
        if self.leaking:
            condition = replace(condition, truth=batch.crystals)
        if not self.encoded:
            return condition
        return replace(condition, patterns=patterns_from_groups(batch.observed, batch.basis, grid=self.grid))

    def _generates_cell(self, rng: torch.Generator) -> bool:
        if self.cell == "either":
            return bool(torch.rand(1, generator=rng, device=rng.device) < 0.5)
        return self.cell == "generated"

    def _cell_level(self, t: Tensor) -> Tensor:
        """[B] ln(sigma / alpha) of the cell while the atoms are at ``t``."""
        return self.cell_path.log_ratio(t.clamp(min=_CELL_START))

    def _next_cell(self, cell: Tensor, velocity: Tensor, now: float, then: float) -> Tensor:
        """The deterministic step of the unit-variance state, whichever the path."""
        at, to = (self._cell_level(torch.full_like(cell[:, 0], time)) for time in (now, then))
        clean = clean_from(cell, velocity, at)
        if then >= 1.0:
            return clean
        alpha, sigma = torch.sigmoid(-2.0 * at)[:, None].sqrt(), torch.sigmoid(2.0 * at)[:, None].sqrt()
        noise = (cell - alpha * clean) / sigma
        return unit_variance(clean, noise, to)[0]

    def _start(self, told: Condition, count: int, start: Tensor | None, time: float, rng: torch.Generator) -> Tensor:
        shape = torch.Size([count, told.species.shape[1], 3])
        if start is None:
            return torch.rand(shape, generator=rng, dtype=told.length.dtype, device=rng.device)
        noise = self.path.noise(shape, told.basis, told.length, rng)
        return self.path.state(start, noise, torch.full_like(told.length, time), told.basis)

    def _estimated(self, state: Tensor, now: float, told: Condition, memory: object) -> tuple[Estimate, Tensor]:
        t = state.new_full((1,), now)
        width = max(1, _ATOMS_AT_ONCE // state.shape[1]) if state.device.type == "cpu" else len(state)
        parts = []
        for first in range(0, len(state), width):
            rows = slice(first, first + width)
            parts.append(self.denoiser(state[rows], t, told if told.cell is None else told.rows(rows), memory))
        estimate = Estimate(*(None if each[0] is None else torch.cat(each) for each in zip(*parts, strict=True)))
        return estimate, self.path.offset(estimate.atoms, t, told.basis, told.length)
