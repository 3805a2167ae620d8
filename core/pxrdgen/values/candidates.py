"""What generators hand over, and how far a search of space groups came."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class CandidateBatch:
    """M arrangements of the same atoms in the same cell (the problem's species and basis).

    Args:
        frac_coords: [M, N, 3] fractional coordinates.
        origin: [M] label of the generator each came from; the solve loop stamps it.
        prior_score: [M] log-probability-like score of the proposing model, higher is likelier; ``None`` without one.
        freedom: [M] coordinates each arrangement's symmetry leaves free, where the generator knows; else ``None``.
        constraint: for each arrangement the directions [3 N, P] its coordinates may move in (orthonormal columns), or
            ``None`` for all; ``None`` altogether when no arrangement is constrained.
        texture: [M, H] factors of the target's reflections that each was fitted under; ``None`` where nothing is known.
    """

    frac_coords: Tensor
    origin: tuple[str, ...] = ()
    prior_score: Tensor | None = None
    freedom: Tensor | None = None
    constraint: tuple[Tensor | None, ...] | None = None
    texture: Tensor | None = None

    def __len__(self) -> int:
        return int(self.frac_coords.shape[0])

    @property
    def constraints(self) -> tuple[Tensor | None, ...]:
        """One entry an arrangement."""
        return self.constraint if self.constraint is not None else (None,) * len(self)

    def select(self, rows: Tensor) -> CandidateBatch:
        """The batch restricted to ``rows`` [K], indices in the order wanted."""
        return replace(
            self,
            frac_coords=self.frac_coords[rows],
            origin=tuple(self.origin[int(row)] for row in rows) if self.origin else (),
            prior_score=None if self.prior_score is None else self.prior_score[rows],
            freedom=None if self.freedom is None else self.freedom[rows],
            constraint=None if self.constraint is None else tuple(self.constraint[int(row)] for row in rows),
            texture=None if self.texture is None else self.texture[rows],
        )


@dataclass(frozen=True, kw_only=True)
class GroupTrial:
    """A space group that was searched, and how far the best arrangement in it came.

    Args:
        space_group_number, space_group_symbol: in the setting that was searched.
        probability: before the search.
        assignments: ways to place the atoms on Wyckoff positions that were tried.
        starts: arrangements drawn or fitted.
        best_misfit: of the grouped intensities, near 0 for the right structure; infinite when nothing was fitted.
        best_score: the same with short contacts penalised.
        best_letters: positions of each element of the best, rising atomic number: ``("4c 4c 8d", "4c", "4c")``.
        freedom: coordinates that the best leaves free.
    """

    space_group_number: int
    space_group_symbol: str
    probability: float
    assignments: int
    starts: int
    best_misfit: float
    best_score: float
    best_letters: tuple[str, ...] = ()
    freedom: int = 0
