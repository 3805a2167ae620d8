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
    import numpy as np
    import torch
    from numpy.random import Generator as NumpyGenerator
    from numpy.typing import NDArray
    from torch import Tensor

    from pxrdgen.values.candidates import CandidateBatch, GroupTrial
    from pxrdgen.values.cells import CellHypothesis, CellProblem
    from pxrdgen.values.crystal_batch import CrystalBatch
    from pxrdgen.values.intensity_target import IntensityTarget
    from pxrdgen.values.pattern import PowderPattern
    from pxrdgen.values.pattern_batch import PatternBatch, PatternFeatures, QGrid
    from pxrdgen.values.problem import StructureProblem
    from pxrdgen.values.refinement import Measurement, RefinementResult, RefinementStart

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


class CellPredictor(ABC):
    """Proposes unit cells for a pattern whose cell nobody knows."""

    #: proposals the solve loop asks for: more from a predictor whose proposals are cheap and rough.
    proposals: ClassVar[int] = 30

    @abstractmethod
    def predict(self, problem: CellProblem, count: int, rng: NumpyGenerator) -> Sequence[CellHypothesis]:
        """At most ``count`` hypotheses, likeliest first as far as the predictor can tell; none when it has none.

        Cells are primitive and Niggli-reduced, duplicates are allowed; all randomness comes from ``rng``.

        Raises:
            CellError: the pattern cannot be used for indexing; the message says what was found and what is needed.
        """


class CellScorer(ABC):
    """Judges proposed cells against the pattern."""

    @abstractmethod
    def score(self, problem: CellProblem, hypotheses: Sequence[CellHypothesis]) -> NDArray[np.float64]:
        """[M] one number a hypothesis, in the same order, higher is likelier; finite, -1e9 for a hopeless one."""


class PatternEncoder(ABC):
    """Turns powder patterns into vectors. One that learns is a ``torch.nn.Module`` as well."""

    @property
    @abstractmethod
    def width(self) -> int:
        """D, the length of the vector."""

    @property
    def grid(self) -> QGrid | None:
        """Where the encoder wants profiles; ``None`` for one that reads peaks only."""
        return None

    @abstractmethod
    def encode(self, patterns: PatternBatch) -> PatternFeatures:
        """The features of each pattern, whatever the others of the batch are."""


class StructureEncoder(ABC):
    """Turns crystals into vectors, for comparison with patterns. One that learns is a ``torch.nn.Module`` as well.

    Translations of all atoms, their order and their wrapping into the cell must not matter.
    """

    @property
    @abstractmethod
    def width(self) -> int:
        """D, the length of the vector."""

    @abstractmethod
    def encode(self, crystals: CrystalBatch) -> Tensor:
        """[B, D] a vector of each crystal, not normalised; crystals may be padded."""


class Generator(ABC):
    """Proposes arrangements of the atoms of a composition in a given cell."""

    #: whether :meth:`renoise` can start from a given structure (select-and-renoise rounds of the solve loop).
    can_renoise: ClassVar[bool] = False
    #: proposals the solve loop asks for in a round, per candidate it keeps: more for cheap generators.
    proposals_per_candidate: ClassVar[int] = 1
    #: whether every round of the solve loop asks for new candidates, because the generator goes on where it ended.
    continues: ClassVar[bool] = False
    #: whether every candidate obeys the space group the user gave, if any; where one does, the others are not asked.
    keeps_space_group: ClassVar[bool] = False
    #: whether a proposal costs far more than its fit. A search asks others first, this one once they had a fair try.
    costly: ClassVar[bool] = False

    def begin(self, problem: StructureProblem, target: IntensityTarget) -> Generator:
        """What the solve loop asks for candidates of one problem: the generator itself, or one with a memory for it."""
        del problem, target
        return self

    def trials(self) -> Sequence[GroupTrial]:
        """How far each space group came that was searched; nothing for a generator that does not go by groups."""
        return ()

    @abstractmethod
    def generate(
        self, problem: StructureProblem, target: IntensityTarget, count: int, rng: torch.Generator
    ) -> CandidateBatch:
        """``count`` candidates, fewer only from one that searches; all randomness comes from ``rng``."""

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

    #: whether the known impurities of a measurement are fitted too; otherwise they are put down as background before.
    fits_impurities: ClassVar[bool] = False

    @abstractmethod
    def refine(self, measurement: Measurement, starts: Sequence[RefinementStart]) -> Sequence[RefinementResult]:
        """One result a start, in the same order; failing to converge is a result, never an exception."""
