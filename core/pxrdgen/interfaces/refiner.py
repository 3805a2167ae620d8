"""Refiners of structures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pxrdgen.values.refinement import Measurement, RefinementResult, RefinementStart


class Refiner(ABC):
    """Fits structures to the whole measured profile.

    One that heeds the words of ``pxrdgen refine`` (texture, Uiso, background) inherits its options from
    :class:`~pxrdgen.interfaces.refinement_options.RefinementOptions`.
    """

    #: whether the known impurities of a measurement are fitted too; otherwise they are put down as background before.
    fits_impurities: ClassVar[bool] = False

    @abstractmethod
    def refine(self, measurement: Measurement, starts: Sequence[RefinementStart]) -> Sequence[RefinementResult]:
        """One result a start, in the same order; failing to converge is a result, never an exception."""
