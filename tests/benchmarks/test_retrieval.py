"""Does a pattern find its crystal: places, ties, galleries, and runs that go on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pxrdgen.errors import OptionError
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.metrics import retrieval_ranks, unit_rows, within_top
from pxrdgen_benchmarks.retrieval import TOPS, app, markdown, measure
from pxrdgen_benchmarks.retrieval_vectors import CHUNK, FloatArray, VectorStore


def test_the_nearest_in_angle_comes_first_whatever_its_length() -> None:
    gallery = np.array([[10.0, 0.0], [0.0, 0.1], [1.0, 1.0]])
    queries = np.array([[1.0, 0.1], [1.0, 0.2], [0.9, 1.0]])
    assert retrieval_ranks(queries, gallery, np.array([0, 1, 2])).tolist() == [1, 3, 1]


def test_ties_count_against_the_query() -> None:
    same = np.ones((4, 3))
    assert retrieval_ranks(same, same, np.arange(4)).tolist() == [4, 4, 4, 4]


def test_a_vector_of_zeros_is_last_and_no_error() -> None:
    gallery = np.array([[0.0, 0.0], [1.0, 0.0]])
    assert retrieval_ranks(np.array([[1.0, 0.0]]), gallery, np.array([0])).tolist() == [2]
    assert np.isfinite(unit_rows(gallery)).all()


def test_the_top_k_counts_places_up_to_k() -> None:
    ranks = np.array([1, 5, 6, 10, 11])
    assert [within_top(ranks, k).hits for k in (1, 5, 10)] == [1, 2, 4]


def test_random_vectors_find_their_crystal_as_often_as_chance_says() -> None:
    rng = np.random.default_rng(0)
    found = measure(rng.normal(size=(1000, 32)), rng.normal(size=(1000, 32)), view="clean")[0]
    assert found.top[10].share == pytest.approx(0.01, abs=0.012)
    assert 400 < found.median_rank < 600


def test_distractors_make_it_harder_and_the_gallery_is_named() -> None:
    rng = np.random.default_rng(1)
    gallery = rng.normal(size=(1500, 8))
    queries = gallery[:500] + rng.normal(size=(500, 8)) * 0.8
    small, large = measure(queries, gallery, view="clean", sizes=(1000, 9046))
    assert (small.gallery, large.gallery) == (1000, 1500)
    assert large.top[1].share < small.top[1].share
    assert f"| clean | 500 | {large.gallery} |" in markdown([small, large])
    assert all(f"top-{k}" in markdown([small]) for k in TOPS)


def test_a_killed_run_goes_on_with_the_chunks_it_has(tmp_path: Path) -> None:
    crystals = [
        Crystal(species=np.array([11]), frac_coords=np.zeros((1, 3)), basis=4.0 * np.eye(3), name=f"c{index}")
        for index in range(CHUNK + 5)
    ]
    calls: list[int] = []

    def compute(part: Sequence[Crystal]) -> FloatArray:
        calls.append(len(part))
        if len(part) < CHUNK and len(calls) == 2:
            raise KeyboardInterrupt
        return np.arange(float(len(part)))[:, None]

    store = VectorStore(folder=tmp_path, key="k")
    with pytest.raises(KeyboardInterrupt):
        store.vectors("crystals", crystals, compute)
    assert len(store.vectors("crystals", crystals, compute)) == CHUNK + 5
    assert calls == [CHUNK, 5, 5]
    other = VectorStore(folder=tmp_path, key="other weights")
    other.vectors("crystals", crystals[:5], compute)
    assert calls[-1] == 5
    assert len(list(tmp_path.glob("*.npy"))) == 3


def test_an_unknown_view_is_answered_with_the_nearest() -> None:
    failed = CliRunner().invoke(app, ["run", "--views", "cleen"])
    assert isinstance(failed.exception, OptionError)
    assert "did you mean 'clean'" in str(failed.exception)
