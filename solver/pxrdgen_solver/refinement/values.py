"""What a refinement on the command line leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.refinement import Measurement, RefinementResult
from pxrdgen.values.solution import Candidate

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """A known structure fitted to a pattern.

    Args:
        candidate: the refined structure, conventional cell in the setting it was given in, with its fit.
        measurement: what was fitted.
        to_conventional: [3, 3]; basis of the conventional cell (rows) = to_conventional @ primitive basis. Miller
            indices transform likewise.
        noise: ``"file"``, ``"counting"`` or ``"estimated"``; r_exp and gof are relative for the last.
        notes: sentences for the user.
        provenance: everything needed to repeat the run.
    """

    candidate: Candidate
    measurement: Measurement
    to_conventional: FloatArray
    noise: str = ""
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def fit(self) -> RefinementResult:
        """As the refiner returned it, primitive cell."""
        return self.candidate.refinement

    def texture_axis(self) -> tuple[int, int, int] | None:
        """Miller indices of the texture axis in the conventional cell; ``None`` without texture."""
        axis = next((entry.direction for entry in self.fit.quantities if entry.direction is not None), None)
        return None if axis is None else self.conventional_axis(axis)

    def conventional_axis(self, axis: tuple[int, int, int]) -> tuple[int, int, int]:
        """Miller indices in the conventional cell of those of a direction in the primitive one."""
        whole = np.rint(self.to_conventional @ np.array(axis)).astype(np.int64)
        whole //= max(int(np.gcd.reduce(whole)), 1)
        return (int(whole[0]), int(whole[1]), int(whole[2]))
