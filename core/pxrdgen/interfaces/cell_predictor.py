"""Proposers of unit cells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from numpy.random import Generator

    from pxrdgen.values.cells import CellHypothesis, CellProblem


class CellPredictor(ABC):
    """Proposes unit cells for a pattern whose cell nobody knows."""

    #: proposals the solve loop asks for: more from a predictor whose proposals are cheap and rough.
    proposals: ClassVar[int] = 30

    @abstractmethod
    def predict(self, problem: CellProblem, count: int, rng: Generator) -> Sequence[CellHypothesis]:
        """At most ``count`` hypotheses, likeliest first as far as the predictor can tell; none when it has none.

        Cells are primitive and Niggli-reduced, duplicates are allowed; all randomness comes from ``rng``.

        Raises:
            CellError: the pattern cannot be used for indexing; the message says what was found and what is needed.
        """
