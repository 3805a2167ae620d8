"""Paired tests against hand computations and published values."""

from __future__ import annotations

import numpy as np
import pytest

from pxrdgen_benchmarks.comparison import bootstrap, compared, mcnemar, sign_flip
from pxrdgen_benchmarks.record import Record


def records(variant: str, hits: list[bool | None], bucket: str = "1-4") -> list[Record]:
    values = [{} if hit is None else {"strict": hit} for hit in hits]
    return [
        Record(variant=variant, id=str(place), column="clean", bucket=bucket, values=each)
        for place, each in enumerate(values)
    ]


def numbers(variant: str, values: list[float | None]) -> list[Record]:
    return [
        Record(variant=variant, id=str(place), column="clean", bucket="all", values={"rms": value})
        for place, value in enumerate(values)
    ]


def test_mcnemar_is_a_coin_toss_over_the_pairs_that_differ() -> None:
    assert mcnemar(0, 5) == pytest.approx(2 / 2**5)
    assert mcnemar(1, 9) == pytest.approx(2 * 11 / 2**10)
    assert mcnemar(5, 9) == pytest.approx(2 * (1 + 14 + 91 + 364 + 1001 + 2002) / 2**14)
    assert mcnemar(4, 4) == mcnemar(0, 0) == 1.0


def test_flags_are_paired_by_case_and_a_failure_is_a_miss() -> None:
    first = records("a", [True, True, False, False, None])
    second = records("b", [True, False, True, True, True])
    (found,) = compared(first, second, "strict")
    assert (found.n, found.only_a, found.only_b) == (5, 1, 3)
    assert (found.a, found.b) == (pytest.approx(0.4), pytest.approx(0.8))
    assert found.difference == pytest.approx(0.4)
    assert found.p == pytest.approx(mcnemar(1, 3))
    assert found.low < found.difference < found.high


def test_cases_that_only_one_run_has_do_not_count() -> None:
    (found,) = compared(records("a", [True, False]), records("b", [True, True, True]), "strict")
    assert found.n == 2


def test_rates_are_weighted_to_the_split_where_weights_are_known() -> None:
    first = records("a", [True] * 4) + [
        Record(variant="a", id=f"x{i}", column="clean", bucket="5-8", values={"strict": False}) for i in range(4)
    ]
    second = [Record(variant="b", id=r.id, column=r.column, bucket=r.bucket, values={"strict": True}) for r in first]
    (found,) = compared(first, second, "strict", weights={"1-4": 1.0, "5-8": 3.0})
    assert (found.a, found.b) == (pytest.approx(0.25), pytest.approx(1.0))
    assert (found.low, found.high) == (pytest.approx(0.75), pytest.approx(0.75))


def test_numbers_are_compared_by_flipping_signs_where_both_are_there() -> None:
    first = numbers("a", [0.5, 0.4, 0.3, None, 0.2, 0.6, 0.7, 0.1, 0.5])
    second = numbers("b", [0.4, 0.3, 0.2, 0.1, None, 0.5, 0.6, 0.0, 0.4])
    (found,) = compared(first, second, "rms")
    assert found.n == 7
    assert found.difference == pytest.approx(-0.1)
    assert (found.low, found.high) == (pytest.approx(-0.1), pytest.approx(-0.1))
    # all signs alike: two of 2^7 sign patterns are as extreme
    assert found.p == pytest.approx(2 / 2**7, abs=0.01)


def test_no_difference_is_not_significant() -> None:
    rng = np.random.default_rng(1)
    assert sign_flip(rng.normal(size=200), resamples=2000) > 0.01
    assert sign_flip(rng.normal(size=200) + 1.0, resamples=2000) < 0.002


def test_the_bootstrap_interval_has_the_width_of_the_normal_one() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(loc=0.3, size=400)
    low, high = bootstrap(differences, ["all"] * 400, {}, seed=1)
    half = 1.96 * differences.std() / 20
    assert high - low == pytest.approx(2 * half, rel=0.06)
    assert (low + high) / 2 == pytest.approx(differences.mean(), abs=0.01)
    assert bootstrap(differences, ["all"] * 400, {}, seed=1) == (low, high)
