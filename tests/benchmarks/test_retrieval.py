"""Does a pattern find its crystal: places, ties, galleries."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.metrics import retrieval_ranks, unit_rows, within_top
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.retrieval_vectors import gallery_crystals
from pxrdgen_benchmarks.tasks.retrieving import (
    SHOWN,
    TOPS,
    Retrieving,
    RetrievingData,
    RetrievingSpec,
    retrieval_row,
)
from pxrdgen_learning.data.dataset import CrystalDataset, pack


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
    found = retrieval_row(rng.normal(size=(1000, 32)), rng.normal(size=(1000, 32)))
    assert found.top_10 == pytest.approx(1.0, abs=1.2)
    assert 400 < found.median_rank < 600


def test_distractors_make_it_harder_and_the_gallery_is_named() -> None:
    rng = np.random.default_rng(1)
    gallery = rng.normal(size=(1500, 8))
    queries = gallery[:500] + rng.normal(size=(500, 8)) * 0.8
    small, large = retrieval_row(queries, gallery[:500]), retrieval_row(queries, gallery)
    assert (small.gallery, large.gallery, large.queries) == (500, 1500, 500)
    assert large.top_1 < small.top_1
    assert len(small.cosines) == SHOWN**2
    record = Record(variant="x", id="gallery", column="clean", values=asdict(large))
    failed = Record(variant="x", id="gallery", column="perturbed", error="BrokenPluginError: nothing")
    numbers = Retrieving().numbers([Record.from_mapping(json.loads(record.to_json())), failed], {})
    assert [number.name for number in numbers] == [f"top-{k} of 1500, %" for k in TOPS]
    assert [number.value for number in numbers] == pytest.approx([large.top_1, large.top_5, large.top_10])
    assert {number.n for number in numbers} == {500}


@pytest.fixture
def pack_of_nine(tmp_path: Path) -> Path:
    crystals = [
        Crystal(species=np.array([11]), frac_coords=np.zeros((1, 3)), basis=(3.0 + 0.1 * i) * np.eye(3), name=f"c{i}")
        for i in range(9)
    ]
    parts = [
        CrystalDataset.from_crystals(crystals[:4], split="val"),
        CrystalDataset.from_crystals(crystals[4:], split="train"),
    ]
    pack(CrystalDataset.concatenate(parts), tmp_path / "nine.npz")
    return tmp_path / "nine.npz"


def test_a_gallery_larger_than_the_split_is_filled_up_from_train(pack_of_nine: Path) -> None:
    (few, known), (many, all_known) = (gallery_crystals(pack_of_nine, split="val", size=size) for size in (3, 7))
    assert (len(few), known, len(many), all_known) == (3, 3, 7, 4)
    assert {crystal.name for crystal in many[:4]} == {"c0", "c1", "c2", "c3"}
    assert [crystal.name for crystal in many[:3]] == [crystal.name for crystal in few]


def test_only_crystals_of_the_split_are_looked_for(pack_of_nine: Path) -> None:
    data = RetrievingData(gallery=10, queries=2, crystals=pack_of_nine)
    (case,) = Retrieving().cases(data)
    options = {"width": 16, "hidden": 16, "layers": 1}
    spec = RetrievingSpec.model_validate(
        {
            "encoder": {"plugin": "peaks", "options": {"width": 16}},
            "structure_encoder": {"plugin": "cspnet", "options": options},
        }
    )
    row = Retrieving().measure(case, spec)
    assert (row.gallery, row.queries, len(row.ranks)) == (9, 2, 2)


def test_an_unknown_view_is_refused() -> None:
    with pytest.raises(ValidationError, match="'clean', 'augmented' or 'perturbed'"):
        RetrievingData.model_validate({"views": ["cleen"]})
