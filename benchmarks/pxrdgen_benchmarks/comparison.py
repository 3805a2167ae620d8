"""Two sets of records of the same cases: their difference with an interval, and a paired test. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen_benchmarks.record import Record

#: resamples of the bootstrap, and flips of the permutation test.
RESAMPLES = 10_000

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """B against A over the cases both have.

    Args:
        column: of the cases.
        n: pairs.
        a, b: mean of each; rates where the value is a flag. Weighted to the split where weights were given.
        difference, low, high: b - a with its 95 % bootstrap interval.
        p: two-sided; exact McNemar for flags, sign-flip permutation for numbers.
        only_a, only_b: pairs in which only one is a hit; -1 for numbers.
    """

    column: str
    n: int
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    only_a: int = -1
    only_b: int = -1


def compared(
    first: Sequence[Record],
    second: Sequence[Record],
    value: str,
    *,
    weights: Mapping[str, float] | None = None,
    seed: int = 0,
) -> list[Comparison]:
    """One comparison a column.

    A flag that is missing is a miss; a pair that lacks a number on either side is left out.
    """
    is_flag = any(isinstance(record.values.get(value), bool) for record in (*first, *second))
    others = {(record.id, record.column): record for record in second}
    found = []
    for column in dict.fromkeys(record.column for record in first):
        pairs = [
            (record, others[record.id, column])
            for record in sorted(first, key=lambda record: record.key)
            if record.column == column and (record.id, column) in others
        ]
        rows = [(a.bucket, *_numbers(a, b, value, is_flag)) for a, b in pairs]
        rows = [row for row in rows if math.isfinite(row[1]) and math.isfinite(row[2])]
        if rows:
            found.append(_comparison(column, rows, is_flag, weights or {}, seed))
    return found


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided exact test of only_a = only_b (McNemar 1947, doi:10.1007/BF02295996; binomial with p = 1/2)."""
    n, fewer = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0
    tail: int = sum(math.comb(n, k) for k in range(fewer + 1))
    return float(min(1.0, 2 * tail / 2**n))


def sign_flip(differences: FloatArray, *, seed: int = 0, resamples: int = RESAMPLES) -> float:
    """Two-sided permutation test of mean 0: the signs of paired differences are exchangeable under it."""
    observed = abs(differences.mean())
    rng = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, resamples, 1000):
        count = min(1000, resamples - start)
        signs = rng.choice([-1.0, 1.0], size=(count, len(differences)))
        extreme += int((np.abs((signs * differences).mean(axis=1)) >= observed - 1e-12).sum())
    return (extreme + 1) / (resamples + 1)


def bootstrap(
    differences: FloatArray,
    strata: Sequence[str],
    weights: Mapping[str, float],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """95 % percentile interval of the (weighted) mean, cases drawn anew within their strata (Efron 1979,
    doi:10.1214/aos/1176344552)."""
    rng = np.random.default_rng(seed)
    labels = np.array(strata)
    total = np.zeros(resamples)
    shares = _shares(strata, weights)
    for label, share in shares.items():
        inside = differences[labels == label]
        for start in range(0, resamples, 1000):
            count = min(1000, resamples - start)
            drawn = rng.integers(len(inside), size=(count, len(inside)))
            total[start : start + count] += share * inside[drawn].mean(axis=1)
    low, high = np.percentile(total, [2.5, 97.5])
    return float(low), float(high)


def _comparison(
    column: str, rows: Sequence[tuple[str, float, float]], is_flag: bool, weights: Mapping[str, float], seed: int
) -> Comparison:
    strata = [row[0] for row in rows]
    a, b = (np.array([row[place] for row in rows]) for place in (1, 2))
    # strata with a known weight, else all cases in one
    known = bool(weights) and set(strata) == set(weights)
    strata, weights = (strata, weights) if known else (["all"] * len(rows), {})
    mean_a, mean_b = (_weighted(values, strata, weights) for values in (a, b))
    low, high = bootstrap(b - a, strata, weights, seed=seed)
    only_a, only_b = (int((a > b).sum()), int((b > a).sum())) if is_flag else (-1, -1)
    return Comparison(
        column=column,
        n=len(rows),
        a=mean_a,
        b=mean_b,
        difference=mean_b - mean_a,
        low=low,
        high=high,
        p=mcnemar(only_a, only_b) if is_flag else sign_flip(b - a, seed=seed),
        only_a=only_a,
        only_b=only_b,
    )


def _numbers(a: Record, b: Record, value: str, is_flag: bool) -> tuple[float, float]:
    return (float(a.flag(value)), float(b.flag(value))) if is_flag else (a.number(value), b.number(value))


def _shares(strata: Sequence[str], weights: Mapping[str, float]) -> dict[str, float]:
    """Of each stratum in the mean; by size without weights."""
    raw = {label: weights.get(label, 0.0) or float(strata.count(label)) for label in dict.fromkeys(strata)}
    total = sum(raw.values())
    return {label: value / total for label, value in raw.items()}


def _weighted(values: FloatArray, strata: Sequence[str], weights: Mapping[str, float]) -> float:
    labels = np.array(strata)
    return float(sum(share * values[labels == label].mean() for label, share in _shares(strata, weights).items()))
