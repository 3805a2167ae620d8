"""Dynamic time warping of two line lists: the least total |difference| over all ways to pair them in order.

Every line of either list takes part; one line may stand for several of the other list. The inner distance is |x - y|
in both implementations, so that they differ only where the approximation does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Warping(ABC):
    """A way to compute the distance."""

    @abstractmethod
    def distance(self, first: FloatArray, second: FloatArray) -> float:
        """Of two sorted lists, neither empty; in their units."""


@final
class ExactWarping(Warping):
    """By full dynamic programming in C (``dtaidistance``); time grows with the product of the lengths.

    Raises:
        ImportError: ``dtaidistance`` is not installed.
    """

    def __init__(self) -> None:
        from dtaidistance import dtw

        self._distance = dtw.distance_fast

    def distance(self, first: FloatArray, second: FloatArray) -> float:
        """See :meth:`Warping.distance`."""
        return float(self._distance(first, second, inner_dist="euclidean"))


@final
@dataclass(frozen=True)
class ApproximateWarping(Warping):
    """FastDTW (Salvador & Chan 2007, doi:10.3233/IDA-2007-11508): coarse to fine, at most ``radius`` off the path.

    Raises:
        ImportError: ``fastdtw`` is not installed.
    """

    radius: int = 1

    def __post_init__(self) -> None:
        import fastdtw  # noqa: F401

    def distance(self, first: FloatArray, second: FloatArray) -> float:
        """See :meth:`Warping.distance`."""
        from fastdtw import fastdtw

        return float(fastdtw(first, second, radius=self.radius)[0])
