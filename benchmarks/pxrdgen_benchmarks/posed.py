"""A question brought to the point where generators are asked: prepared, its cell refined, its intensities gathered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import BrokenPluginError, CellError, OptionError, StructureError
from pxrdgen.interfaces.structure_generator import StructureGenerator

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from pxrdgen.values.candidates import CandidateBatch
    from pxrdgen.values.crystal import Crystal
    from pxrdgen.values.pattern_batch import PatternBatch, QGrid
    from pxrdgen.values.prepared_pattern import PreparedPattern
    from pxrdgen_solver.question.pose import Posed
    from pxrdgen_solver.question.question import Question


def posed_of(question: Question) -> Posed:
    """The product's own steps before the search."""
    from pxrdgen_crystallography.preparation import prepare
    from pxrdgen_solver.question.pose import pose
    from pxrdgen_solver.question.problem import build_problem

    if question.cell is None:
        raise OptionError("got a question without a cell, expected one with it")
    prepared = prepare(question.pattern)
    problem = build_problem(
        prepared.pattern, question.composition, cell=question.cell, z=question.z, space_group=question.space_group
    )
    return pose(prepared, problem)


def crystals_of(posed: Posed, coords: Tensor) -> list[Crystal]:
    """Coordinates [M, N, 3] as crystals of the problem."""
    from pxrdgen.values.crystal import Crystal

    basis, species = posed.target.basis.double().numpy(), posed.target.species.numpy()
    return [Crystal(species=species, frac_coords=each.double().numpy(), basis=basis) for each in coords]


def proposed(
    posed: Posed, name: str, generator: StructureGenerator, count: int, rng: torch.Generator
) -> CandidateBatch:
    """What a generator proposes, looked over: a stranger's may answer anything.

    Raises:
        BrokenPluginError: nothing, not the shape asked for, or not finite; the message names the generator.
    """
    from pxrdgen_solver.search.checked import check_candidates

    answer = generator.begin(posed.problem, posed.target).generate(posed.problem, posed.target, count, rng)
    batch = check_candidates(answer, name, posed.target)
    if not len(batch):
        raise BrokenPluginError(f"generator {name!r} proposed nothing; expected up to {count} candidates")
    return batch


@runtime_checkable
class ProposesCells(Protocol):
    """A generator that may be asked for crystals with cells of their own."""

    @property
    def grid(self) -> QGrid | None:
        """Where it wants the profile, if it reads any."""

    def with_cells(self, patterns: PatternBatch, species: Tensor, count: int, rng: torch.Generator) -> Any:
        """``count`` crystals of ``species`` [N] from one pattern: ``frac_coords`` [M, N, 3], ``basis`` [M, 3, 3]."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question made ready to be asked of generators; what takes time is done.

    Args:
        question: with the cell, which is shown where it is given.
        prepared: its pattern.
        posed: with the cell; ``None`` where the generator is to find one.
    """

    question: Question
    prepared: PreparedPattern
    posed: Posed | None

    def answers(
        self, name: str, generator: StructureGenerator, count: int, rng: torch.Generator
    ) -> list[Crystal | None]:
        """``count`` crystals; ``None`` for what is none, such as a cell without room.

        Raises:
            BrokenPluginError: see :func:`proposed`.
            OptionError: the cell is to be found, and the generator needs one.
        """
        if self.posed is not None:
            batch = proposed(self.posed, name, generator, count, rng)
            return [*crystals_of(self.posed, batch.frac_coords)]
        if not isinstance(generator, ProposesCells):
            raise OptionError(
                f"got 'cell: generated' for the generator {name!r}, which needs a cell; use 'cell: given'"
            )
        return self._with_cells(name, generator, count, rng)

    def _with_cells(
        self, name: str, generator: ProposesCells, count: int, rng: torch.Generator
    ) -> list[Crystal | None]:
        import torch

        from pxrdgen_learning.views.pattern_views import patterns_from_prepared

        if self.question.z is None:
            raise OptionError("got a question without Z, expected one with it where the cell is to be generated")
        species = self.question.composition.species(self.question.z)
        view = patterns_from_prepared([self.prepared], grid=generator.grid)
        found = generator.with_cells(view, torch.as_tensor(species), count, rng)
        shapes = [list(getattr(found, part, np.empty(0)).shape) for part in ("frac_coords", "basis")]
        if shapes != [[count, len(species), 3], [count, 3, 3]]:
            raise BrokenPluginError(
                f"generator {name!r} returned frac_coords and basis of shapes {shapes[0]} and {shapes[1]}; "
                f"expected {[count, len(species), 3]} and {[count, 3, 3]}"
            )
        pairs = zip(found.frac_coords.double().numpy(), found.basis.double().numpy(), strict=True)
        return [_crystal(species, coords, basis) for coords, basis in pairs]


def ask(question: Question, *, cell: str = "given") -> Asked:
    """``question`` made ready, with its cell ``given`` or to be ``generated``."""
    from pxrdgen_crystallography.preparation import prepare

    if cell == "given":
        posed = posed_of(question)
        return Asked(question=question, prepared=posed.prepared, posed=posed)
    return Asked(question=question, prepared=prepare(question.pattern), posed=None)


def _crystal(species: NDArray[np.int64], coords: NDArray[np.float64], basis: NDArray[np.float64]) -> Crystal | None:
    from pxrdgen.values.crystal import Crystal

    try:
        return Crystal(species=species, frac_coords=coords, basis=basis)
    except (CellError, StructureError):
        return None
