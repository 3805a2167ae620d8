"""The numbers of README and docs/results.md are those of the cards, and the cards count what was run."""

from __future__ import annotations

from pathlib import Path

import pytest

from pxrdgen.errors import DatasetError
from pxrdgen_benchmarks.cards import Card, Hits, Number, card_of, read_cards
from pxrdgen_benchmarks.outcome import write_outcome
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.results_file import ResultsFile
from pxrdgen_benchmarks.results_pages import RESULTS_PAGE, headline_tables, results_page, with_results
from pxrdgen_benchmarks.row import Row
from pxrdgen_benchmarks.suite import Suite
from pxrdgen_benchmarks.suite_cards import write_suite_card
from pxrdgen_benchmarks.task import SuiteResult, VariantResult, load_task

REPOSITORY = Path(__file__).resolve().parents[2]


def test_readme_tables_are_generated_from_the_cards() -> None:
    text = (REPOSITORY / "README.md").read_text("utf-8")
    assert with_results(text, read_cards()) == text, "run python -m pxrdgen_benchmarks.cards readme"
    assert str(RESULTS_PAGE) in text


def test_the_page_of_all_results_is_generated_from_the_cards_and_leaves_no_number_out() -> None:
    page = (REPOSITORY / RESULTS_PAGE).read_text("utf-8")
    assert page == results_page(read_cards()), "run python -m pxrdgen_benchmarks.cards readme"
    for card in read_cards():
        assert page.count(f"\n## {card.title}\n") == bool(card.numbers)
        assert all(f"| {number.variant} | {number.column} | {number.name} |" in page for number in card.numbers)
        assert all(caveat in page for caveat in card.caveats)


def test_every_card_is_valid_and_names_its_run() -> None:
    for card in read_cards():
        assert card.columns or card.numbers
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
    assert "| t: k | clean | 50.0 [9, 91] | 50.0 [9, 91] | 2 |" in results_page([card])
    assert headline_tables([card]) == "", "two crystals are no headline"


def numbers(n: int, *names: str) -> list[Number]:
    return [Number(variant="ours", column="clean", name=name, value=1.0, low=0.5, high=2.0, n=n) for name in names]


def suite_card_with(found: list[Number], headline: list[str] | None) -> Card:
    return Card(
        title="Suite", task="t", run={"a": 1}, results_sha256="0" * 64, hardware="h", versions={}, numbers=found,
        headline=headline,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("headline", "shown"),
    [
        (None, ["top-1 of 1000, %"]),
        (["top-10"], ["top-10 of 1000, %"]),
        (["mean rank", "top-1"], ["top-1 of 1000, %", "mean rank"]),
        ([], []),
    ],
)
def test_readme_shows_the_headline_of_a_suite_alone(headline: list[str] | None, shown: list[str]) -> None:
    names = ("top-1 of 1000, %", "top-10 of 1000, %", "mean rank")
    table = headline_tables([suite_card_with(numbers(20, *names), headline)])
    assert [name for name in names if f"| {name} |" in table] == shown


def test_readme_shows_no_number_of_few_cases() -> None:
    few = suite_card_with(numbers(19, "strict, %"), ["strict"])
    assert headline_tables([few]) == ""
    assert "| ours | clean | strict, % |" in results_page([few])


def test_readme_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="without"):
        with_results("nothing", [])


def test_a_suite_leaves_a_card_with_hashes_and_intervals(tmp_path: Path) -> None:
    records = [
        Record(variant="ours", id=str(place), column="clean", bucket="1-4", num_atoms=2, values={"strict": place < 3})
        for place in range(4)
    ]
    records.append(Record(variant="ours", id="4", column="clean", bucket="1-4", num_atoms=2, error="ValueError: no"))
    suite = Suite(name="tiny", title="Tiny", task="solve", headline=["strict"])
    ours = VariantResult(
        label="ours", spec={"seed": 0}, error="", records=tuple(records), versions={"refiner r": "p 1"}
    )
    gone = VariantResult(label="gone", spec={}, error="UnknownComponentError: no", records=(), versions={})
    result = SuiteResult(
        suite=suite,
        variants=(ours, gone),
        columns=("clean",),
        weights={},
        selection="the five at hand",
        spec_sha256="a" * 64,
        data_sha256="b" * 64,
    )
    file = ResultsFile(path=tmp_path / "records" / "ours.jsonl", run={"variant": "ours"}, parse=Record.from_mapping)
    file.path.parent.mkdir()
    file.open()
    file.append(records)
    write_outcome(result, load_task("solve"), tmp_path)
    write_suite_card(tmp_path, tmp_path / "cards" / "tiny.yml", caveats=["five crystals"])
    (card,) = read_cards(tmp_path / "cards")
    (strict,) = [number for number in card.numbers if number.name == "strict, %"]
    assert (strict.value, strict.n) == (pytest.approx(60.0), 5)
    assert strict.low < 60.0 < strict.high
    assert (card.spec_sha256, card.data_sha256) == ("a" * 64, "b" * 64)
    assert card.run["versions"] == {"ours": {"refiner r": "p 1"}}
    assert card.caveats == ["five crystals", "not run: gone (UnknownComponentError: no)"]
    assert card.headline == ["strict"]
    assert "| ours | clean | strict, % | 60.0 [23, 88]" in results_page([card])


def test_a_folder_without_a_finished_run_has_no_card(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no finished run"):
        write_suite_card(tmp_path, tmp_path / "card.yml")
