"""A space group in a definite conventional cell of a problem's lattice."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.space_group import SpaceGroup

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class GroupCandidate:
    """A space group in one setting of one conventional cell of the problem's lattice.

    Args:
        space_group: in the setting of the conventional cell: the user's when one was given, else the reference setting
            (origin 2, hexagonal axes).
        to_conventional: [3, 3] whole numbers; conventional basis (rows) = to_conventional @ basis of the problem.
        probability: over all candidates, sums to 1; includes the prior.
        evidence: log likelihood of the lines it extinguishes, and of the cell it demands, relative to no symmetry.
        extinction_symbol: what is absent, in the conventional cell: ``P 21/c``, ``P n a -``, ``F d - -``.
        multiplicities: atoms of the primitive cell that one orbit can hold, rising; each once.
        strain: largest relative change of a length (or of an angle in radians) that makes the cell exactly symmetric.
        enantiomorph: number of the mirror-image group that gives the same pattern, or 0.
        forbidden: number of lines seen in the pattern that the group forbids.
    """

    space_group: SpaceGroup
    to_conventional: IntArray = field(repr=False)
    probability: float
    evidence: float
    extinction_symbol: str
    multiplicities: tuple[int, ...]
    strain: float = 0.0
    enantiomorph: int = 0
    forbidden: int = 0

    def operations(self) -> tuple[IntArray, FloatArray]:
        """Rotations [K, 3, 3] and translations [K, 3] in the problem's primitive cell, x' = R x + t."""
        return self.space_group.operations_in(self.to_conventional)

    @classmethod
    def given(cls, space_group: SpaceGroup, to_conventional: IntArray) -> GroupCandidate:
        """A group that is taken for granted; nothing has been said about its extinctions."""
        return cls(
            space_group=space_group,
            to_conventional=to_conventional,
            probability=1.0,
            evidence=0.0,
            extinction_symbol="",
            multiplicities=(),
        )

    def __str__(self) -> str:
        return f"{self.space_group} {100 * self.probability:.1f} %"
