"""The numbers of README and docs/results.md are those of the cards, and the cards count what was run."""

from __future__ import annotations

from pathlib import Path

import pytest

from pxrdgen.errors import DatasetError, OptionError
from pxrdgen_benchmarks.card_of_run import card_of_run
from pxrdgen_benchmarks.cards import Card, Number, read_cards
from pxrdgen_benchmarks.outcome import write_outcome
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.results_file import ResultsFile, code_digest
from pxrdgen_benchmarks.results_pages import (
    BEGIN,
    END,
    FEWEST_CASES,
    RESULTS_PAGE,
    headline_table,
    results_page,
    with_results,
)
from pxrdgen_benchmarks.suite import Suite
from pxrdgen_benchmarks.suite_result import SuiteResult, VariantResult
from pxrdgen_benchmarks.task import load_task

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_readme_is_generated_from_the_cards_and_short() -> None:
    text = (REPOSITORY / "README.md").read_text("utf-8")
    assert with_results(text, read_cards()) == text, "run pxrdgen bench pages"
    assert str(RESULTS_PAGE) in text
    block = text.split(BEGIN)[1].split(END)[0].strip().splitlines()
    assert len(block) < 15
    assert "default pool" in block[2]


def test_the_page_of_all_results_is_generated_from_the_cards_and_leaves_no_number_out() -> None:
    page = (REPOSITORY / RESULTS_PAGE).read_text("utf-8")
    assert page == results_page(read_cards()), "run pxrdgen bench pages"
    for card in read_cards():
        assert page.count(f"\n## {card.title}\n") == 1
        assert all(f"| {number.variant} | {number.column} | {number.name} |" in page for number in card.numbers)
        assert all(said in page for said in (card.selection, *card.caveats, *card.code))


def test_every_card_says_how_its_cases_were_chosen_and_what_code_it_is_of() -> None:
    for card in read_cards():
        assert card.selection, card.title
        assert card.specs, card.title
        assert "commit" in card.versions, card.title
        assert len(card.results_sha256) == 64
        # without the digest of the data it says that it comes from an earlier harness
        assert len(card.data_sha256) == 64 or "earlier harness" in card.caveats[0]


def numbers(n: int, *names: str) -> list[Number]:
    return [Number(variant="ours", column="clean", name=name, value=1.0, low=0.5, high=2.0, n=n) for name in names]


def card_with(found: list[Number], headline: list[str] | None) -> Card:
    return Card(
        title="Suite", suite="s", task="t", data={}, specs={}, code=["c0de"], results_sha256="0" * 64, hardware="h",
        versions={}, numbers=found, headline=headline,
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
    table = headline_table([card_with(numbers(20, *names), headline)])
    assert [name for name in names if f"{name.removesuffix(', %')} 1" in table] == shown


def test_readme_shows_no_number_of_few_cases() -> None:
    few = card_with(numbers(FEWEST_CASES - 1, "strict, %"), ["strict"])
    assert headline_table([few]) == ""
    assert "| ours | clean | strict, % |" in results_page([few])


def test_readme_without_markers_is_refused() -> None:
    with pytest.raises(OptionError, match="without"):
        with_results("nothing", [])


def test_a_suite_leaves_a_card_with_digests_rates_and_rmse(tmp_path: Path) -> None:
    """Failures are misses of the rate; the RMSE is that of the matched, with their number."""
    records = [
        Record(
            variant="ours",
            id=str(place),
            column="clean",
            bucket="1-4",
            num_atoms=2,
            values={"strict": place < 3, "rms": 0.1 * place if place < 3 else None},
        )
        for place in range(4)
    ]
    records.append(Record(variant="ours", id="4", column="clean", bucket="1-4", num_atoms=2, error="ValueError: no"))
    suite = Suite(name="tiny", title="Tiny", task="solve", headline=["strict"])
    ours = VariantResult(label="ours", spec={"seed": 0}, records=tuple(records), versions={"refiner r": "p 1"})
    gone = VariantResult(label="gone", spec={}, error="UnknownComponentError: no")
    result = SuiteResult(
        suite=suite,
        variants=(ours, gone),
        columns=("clean",),
        weights={},
        selection="the five at hand",
        spec_sha256="a" * 64,
        data_sha256="b" * 64,
    )
    file = ResultsFile(path=tmp_path / "records" / "ours.jsonl", run={"variant": "ours"})
    file.path.parent.mkdir()
    file.open()
    for record in records:
        file.append(record)
    write_outcome(result, load_task("solve"), tmp_path)
    card_of_run(tmp_path, caveats=["five crystals"]).write(tmp_path / "cards" / "tiny.yml")
    (card,) = read_cards(tmp_path / "cards")
    by_name = {number.name: number for number in card.numbers}
    strict, rmse = by_name["strict, %"], by_name["mean rms"]
    assert (strict.value, strict.n) == (pytest.approx(60.0), 5)
    assert strict.low < 60.0 < strict.high
    assert (rmse.value, rmse.n) == (pytest.approx(0.1), 3)
    assert (card.spec_sha256, card.data_sha256, card.code) == ("a" * 64, "b" * 64, [code_digest()])
    assert (card.suite, card.selection, card.specs) == ("tiny", "the five at hand", {"ours": {"seed": 0}})
    assert card.components == {"ours": {"refiner r": "p 1"}}
    assert card.caveats == ["five crystals", "not run: gone (UnknownComponentError: no)"]
    assert card.headline == ["strict"]
    assert "| ours | clean | strict, % | 60.0 [23, 88]" in results_page([card])


def test_a_run_continued_with_other_code_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pxrdgen_benchmarks import results_file

    file = ResultsFile(path=tmp_path / "run.jsonl", run={"a": 1})
    for code in ("old", "new"):
        monkeypatch.setattr(results_file, "code_digest", lambda code=code: code)
        file.open()
    assert results_file.codes_of(file.path) == ("old", "new")


def test_a_folder_without_a_finished_run_has_no_card(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no finished run"):
        card_of_run(tmp_path)
