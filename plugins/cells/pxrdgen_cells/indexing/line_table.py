"""Which observed lines a calculated one hits, by table: a lattice is judged with one look-up a reflection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
UIntArray = NDArray[np.uint32]

#: lines that fit into the bits of a table entry.
MAX_BITS = 32
_BINS = 16384
#: products held at a time, about 10 MB.
_CHUNK = 400_000
#: odds that a line of the right lattice is missed all the same.
_MISSED = 0.06


@dataclass(frozen=True, kw_only=True)
class LineTable:
    """Bins along Q, each with the bits of the lines that lie within tolerance.

    Args:
        bits: [bins + 1] entries, the last one (out of range) zero.
        per_q: bins an 1/A^2.
        limit: Q of the end of the table, 1/A^2.
        covered: share of the range that the tolerances cover, for one line on average.
        q, tolerance: [L] 1/A^2.
    """

    bits: UIntArray
    per_q: float
    limit: float
    covered: float
    q: FloatArray
    tolerance: FloatArray

    @property
    def num_lines(self) -> int:
        """L."""
        return int(self.q.size)

    def judge(self, forms: FloatArray, design: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
        """Log-odds [M] that lines are hit for a reason, and how many are, for ``forms`` [M, p] @ ``design`` [p, H].

        By chance a line is hit with 1 - exp(-(calculated lines) x (share covered)); a right lattice misses few.
        """
        count = len(forms)
        odds, hits = np.empty(count), np.empty(count, dtype=np.int64)
        forms32, design32 = forms.astype(np.float32), (design * self.per_q).astype(np.float32)
        step = max(1, _CHUNK // design.shape[1])
        last = len(self.bits) - 1
        for start in range(0, count, step):
            rows = slice(start, start + step)
            place = np.minimum(forms32[rows] @ design32, np.float32(last)).astype(np.int32)
            np.maximum(place, 0, out=place)
            hits[rows] = np.bitwise_count(np.bitwise_or.reduce(self.bits[place], axis=1))
            calculated = (place < last).sum(axis=1)
            chance = np.clip(-np.expm1(-calculated * self.covered), 1e-6, 0.98)
            missed = self.num_lines - hits[rows]
            odds[rows] = hits[rows] * np.log((1.0 - _MISSED) / chance) + missed * np.log(_MISSED / (1.0 - chance))
        return odds, hits


def line_table(q: FloatArray, tolerance: FloatArray) -> LineTable:
    """The table of at most 32 lines at ``q`` [L], each reached within its ``tolerance`` [L]."""
    q, tolerance = q[:MAX_BITS], tolerance[:MAX_BITS]
    limit = float(q[-1] + 2.0 * tolerance[-1])
    per_q = _BINS / limit
    bits = np.zeros(_BINS + 1, dtype=np.uint32)
    for number, (low, high) in enumerate(zip(q - tolerance, q + tolerance, strict=True)):
        first, last = int(np.floor(max(low, 0.0) * per_q)), int(np.ceil(high * per_q))
        bits[first : min(last + 1, _BINS)] |= np.uint32(1 << number)
    covered = float(np.mean(2.0 * tolerance + 1.0 / per_q)) / limit
    return LineTable(bits=bits, per_q=per_q, limit=limit, covered=covered, q=q, tolerance=tolerance)
