"""A denoiser that an encoder speaks to, and that finds the cell as well."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from pxrdgen.errors import OptionError
from pxrdgen.interfaces.denoiser import Denoiser, Estimate
from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.interfaces.structure_encoder import StructureEncoder
from pxrdgen_generators.conditions import Condition


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What the encoder said, and what the denoiser made of the condition where that does not change on the way."""

    vector: Tensor | None
    inner: object


class ConditionedDenoiser(nn.Module, Denoiser):
    """Joins a denoiser with an encoder of patterns, a head for the cell, or both.

    Args:
        denoiser: estimates the displacements.
        encoder: of patterns; its vector is normalised and projected to what the denoiser listens to.
        structure: encoder of the true crystals, for the control that leaks them.
        cell_numbers: coordinates of a generated cell; 0 where the cell is always given.

    Raises:
        OptionError: the encoder is no torch module.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        encoder: PatternEncoder | None,
        *,
        structure: StructureEncoder | None = None,
        cell_numbers: int = 0,
    ) -> None:
        super().__init__()
        self.denoiser, self.encoder, self.structure = denoiser, encoder, structure
        for each in (encoder, structure):
            if each is not None and not isinstance(each, nn.Module):
                raise OptionError(f"got the encoder {type(each).__name__}, which is no torch module and cannot be used")
        if encoder is not None:
            self.project = nn.Linear(encoder.width, denoiser.width, bias=False)
        if structure is not None:
            self.project_truth = nn.Linear(structure.width, denoiser.width, bias=False)
        if cell_numbers:
            hidden = denoiser.width
            self.cell_in = nn.Linear(cell_numbers, hidden)
            self.cell_head = nn.Sequential(
                nn.Linear(hidden + cell_numbers, hidden), nn.SiLU(), nn.Linear(hidden, cell_numbers)
            )

    @property
    def width(self) -> int:
        """See :class:`Denoiser`."""
        return self.denoiser.width

    def encode(self, condition: Condition) -> Memory:
        """See :meth:`Denoiser.encode`."""
        vector = self._vector(condition)
        return Memory(vector=vector, inner=self.denoiser.encode(condition))

    def forward(self, state: Tensor, t: Tensor, condition: Condition, memory: object | None = None) -> Estimate:
        """See :meth:`Denoiser.forward`."""
        if not isinstance(memory, Memory):
            memory = self.encode(condition)
        vector = memory.vector
        if condition.cell is not None:
            guess = self.cell_in(condition.cell)
            vector = guess if vector is None else vector + guess
        told = replace(condition, vector=vector)
        estimate: Estimate = self.denoiser(state, t, told, memory.inner)
        if condition.cell is None:
            return estimate
        return estimate._replace(cell=self.cell_head(torch.cat([estimate.features, condition.cell], dim=-1)))

    def _vector(self, condition: Condition) -> Tensor | None:
        heard: list[Tensor] = []
        if self.encoder is not None and condition.patterns is not None:
            said = self.encoder.encode(condition.patterns).vector
            heard.append(self.project(functional.normalize(said, dim=-1)))
        if self.structure is not None:
            if condition.truth is None:
                raise OptionError(
                    "got weights of the control that is told the true structure; they serve benchmarks alone, "
                    "name others to solve with"
                )
            leaked = self.structure.encode(condition.truth)
            heard.append(self.project_truth(functional.normalize(leaked, dim=-1)))
        return torch.stack(heard).sum(0) if heard else None
