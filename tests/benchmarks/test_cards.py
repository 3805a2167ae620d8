"""The README's numbers are those of the cards, and the cards count what was run."""

from __future__ import annotations

from pathlib import Path

import pytest

from pxrdgen_benchmarks.cards import Card, Hits, card_of, read_cards, results_table, with_results
from pxrdgen_benchmarks.row import Row

REPOSITORY = Path(__file__).resolve().parents[2]


def test_readme_table_is_generated_from_the_cards() -> None:
    text = (REPOSITORY / "README.md").read_text("utf-8")
    assert with_results(text, read_cards()) == text


def test_every_card_is_valid_and_names_its_run() -> None:
    for card in read_cards():
        assert card.columns
        assert card.run
        assert len(card.results_sha256) == 64


def test_weighted_rate_follows_the_buckets() -> None:
    hits = {"1-4": Hits(published=2, strict=2, n=2), "5-8": Hits(published=1, strict=0, n=2)}
    card = Card(
        title="t", task="k", run={"a": 1}, results_sha256="0" * 64, hardware="h", versions={}, columns={"clean": hits},
        weights={"1-4": 0.75, "5-8": 0.25},
    )  # fmt: skip
    assert card.rates("clean", "published").startswith("87.5 ")
    assert card.rates("clean", "strict").startswith("75.0 ")
    assert card.size("clean") == 4


def test_card_counts_failures_as_misses() -> None:
    rows = [
        Row(id="a", column="clean", bucket="1-4", num_atoms=2, published=True, strict=True),
        Row(id="b", column="clean", bucket="1-4", num_atoms=3, error="ValueError: no"),
    ]
    card = card_of(rows, {"budget": 1}, title="t", task="k", subset=None, sha256="0" * 64)
    assert card.columns["clean"]["1-4"] == Hits(published=1, strict=1, n=2)
    assert "| t: k | clean | 50.0 [9, 91] | 50.0 [9, 91] | 2 |" in results_table([card])


def test_readme_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="without"):
        with_results("nothing", [])
