"""Judges of unit cells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pxrdgen.values.cells import CellHypothesis, CellProblem


class CellScorer(ABC):
    """Judges proposed cells against the pattern."""

    @abstractmethod
    def score(self, problem: CellProblem, hypotheses: Sequence[CellHypothesis]) -> NDArray[np.float64]:
        """[M] one number a hypothesis, in the same order, higher is likelier; finite, -1e9 for a hopeless one."""
