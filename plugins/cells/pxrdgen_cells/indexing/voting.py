"""The last parameter of a lattice by vote: every line, less what the known part gives, proposes a value.

Q = known(h, k) + n x: a line at Q votes for x = (Q - known) / n for every node of the known part. The right value
collects a vote from nearly every line that is not explained by the known part alone, whichever lines are absent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: votes counted at a time, about 30 MB.
_CHUNK = 400_000
#: bins together that tell what chance would put into each of them.
_BLOCK = 16


def vote(
    q: FloatArray,
    width: float,
    known: FloatArray,
    factor: FloatArray,
    span: tuple[float, float],
    winners: int,
) -> tuple[IntArray, FloatArray]:
    """Best values of the last parameter for each of M known parts.

    Args:
        q: [L] observed lines, 1/A^2.
        width: of a bin, 1/A^2: about the uncertainty of a value.
        known: [M, H] what the known part contributes to each reflection, 1/A^2; infinite where there is none.
        factor: [H] what the last parameter is multiplied with in each reflection, not 0.
        span: (lowest, highest) value considered.
        winners: values returned for each known part.

    Returns:
        Rows [K] of ``known`` and values [K], K = M x winners.
    """
    low, high = span
    bins = _BLOCK * max(int(np.ceil((high - low) / width / _BLOCK)), 1)
    step = max(1, _CHUNK // (q.size * known.shape[1] + bins))
    rows, values = [], []
    for start in range(0, len(known), step):
        part = known[start : start + step]
        x = (q[None, :, None] - part[:, None, :]) / factor
        good = np.isfinite(x) & (x >= low) & (x < high)
        owner = np.broadcast_to(np.arange(len(part))[:, None, None], x.shape)[good]
        chosen = x[good]
        # a value multiplied with 4 is known four times better, so such votes scatter less; all count alike
        flat = owner * bins + ((chosen - low) / width).astype(np.int64)
        count = np.bincount(flat, minlength=len(part) * bins).reshape(len(part), bins)
        total = np.bincount(flat, weights=chosen, minlength=len(part) * bins).reshape(len(part), bins)
        best = _crests(count, winners)
        beside = np.minimum(best + 1, bins - 1)
        picked = sum(np.take_along_axis(count, place, axis=1) for place in (best, beside))
        mean = sum(np.take_along_axis(total, place, axis=1) for place in (best, beside)) / np.maximum(picked, 1)
        found = picked >= 2
        rows.append(np.broadcast_to(np.arange(start, start + len(part))[:, None], best.shape)[found])
        values.append(mean[found])
    if not rows:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    return np.concatenate(rows), np.concatenate(values)


def _crests(count: IntArray, winners: int) -> IntArray:
    """[M, winners] bins that, with their right neighbour, stand out most from what chance puts there."""
    pairs = count.astype(np.float32)
    blocks = pairs.reshape(len(pairs), -1, _BLOCK)
    expected = 2.0 * blocks.mean(axis=2, keepdims=True)
    pairs[:, :-1] += count[:, 1:]
    blocks -= expected
    blocks /= np.sqrt(expected + np.float32(1.0))
    rows = np.arange(len(pairs))
    best = np.empty((len(pairs), min(winners, pairs.shape[1])), dtype=np.int64)
    for place in range(best.shape[1]):
        best[:, place] = pairs.argmax(axis=1)
        for step in (-1, 0, 1):
            pairs[rows, np.clip(best[:, place] + step, 0, pairs.shape[1] - 1)] = -np.inf
    return best
