"""What ranking hands on: space groups in definite cells with their probabilities, and the classes they fall into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.group_candidate import GroupCandidate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ExtinctionClass:
    """Candidates with the same crystal system and the same absent lines: the powder pattern cannot part them.

    Args:
        symbol: extinction symbol.
        probability: sum over the members.
        members: likeliest first.
    """

    symbol: str
    probability: float
    members: tuple[GroupCandidate, ...]


@dataclass(frozen=True, kw_only=True)
class RankedGroups(Sequence[GroupCandidate]):
    """Every space group worth trying, likeliest first.

    Args:
        candidates: by falling probability.
        classes: extinction classes by falling probability.
        notes: sentences for the report.
    """

    candidates: tuple[GroupCandidate, ...]
    classes: tuple[ExtinctionClass, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.candidates)

    @overload
    def __getitem__(self, index: int) -> GroupCandidate: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[GroupCandidate]: ...

    def __getitem__(self, index: int | slice) -> GroupCandidate | Sequence[GroupCandidate]:
        return self.candidates[index]

    def __iter__(self) -> Iterator[GroupCandidate]:
        return iter(self.candidates)
