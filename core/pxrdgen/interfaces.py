"""What each kind of component must do. Plugins subclass one of these; core knows them by nothing else.

Every component is built by the registry as ``Class(options)``, where ``options`` is an instance of the pydantic
model registered beside it. Importing this module loads no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from pxrdgen.pattern import PowderPattern
    from pxrdgen.solver.intensities import IntensityTarget
    from pxrdgen.solver.problem import StructureProblem
    from pxrdgen.solver.values import CandidateBatch, Measurement, RefinementResult, RefinementStart

#: Version of the interfaces below; additions keep it, anything an old plugin cannot survive raises it.
INTERFACE_VERSION = 1


class PatternReader(ABC):
    """Reads one family of pattern files."""

    suffixes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def sniff(self, head: bytes, suffix: str) -> float:
        """How likely a file is of this format, 0 to 1, from its first 4 KiB and its lower-case suffix."""

    @abstractmethod
    def read(self, path: Path) -> PowderPattern:
        """Read the file.

        Raises:
            PatternError: the file is not a pattern of this format; the message says what was found.
        """


class Generator(ABC):
    """Proposes arrangements of the atoms of a composition in a given cell."""

    #: whether :meth:`renoise` can start from a given structure (select-and-renoise rounds of the solve loop).
    can_renoise: ClassVar[bool] = False
    #: proposals the solve loop asks for in a round, per candidate it keeps: more for cheap generators.
    proposals_per_candidate: ClassVar[int] = 1

    @abstractmethod
    def generate(
        self, problem: StructureProblem, target: IntensityTarget, count: int, rng: torch.Generator
    ) -> CandidateBatch:
        """``count`` candidates for the problem; all randomness comes from ``rng``."""

    def renoise(
        self,
        problem: StructureProblem,
        target: IntensityTarget,
        frac_coords: Tensor,
        strength: float,
        rng: torch.Generator,
    ) -> CandidateBatch:
        """New candidates near the given ones [M, N, 3]; ``strength`` 0 returns them, 1 forgets them."""
        raise NotImplementedError(f"{type(self).__name__} cannot start from a given structure; see can_renoise")


class Refiner(ABC):
    """Fits structures to the whole measured profile."""

    @abstractmethod
    def refine(self, measurement: Measurement, starts: Sequence[RefinementStart]) -> Sequence[RefinementResult]:
        """One result a start, in the same order; failing to converge is a result, never an exception."""
