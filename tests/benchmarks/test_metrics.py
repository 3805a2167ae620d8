"""Rates, intervals and matches against hand computations and published values."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace

import numpy as np
import pytest

from pxrdgen.interfaces.task import Value
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.cases import CONTROLS, Column, simulated_cases, stranger_of
from pxrdgen_benchmarks.homologues import one_replaced
from pxrdgen_benchmarks.metrics import PUBLISHED, STRICT, Count, match_rms, stratified, wilson, without_hydrogen
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.solving_tables import solving_tables
from pxrdgen_benchmarks.subsets import Entry, interleaved, load_subset
from pxrdgen_benchmarks.suite import Suite
from pxrdgen_benchmarks.suite_result import SuiteResult, VariantResult
from pxrdgen_benchmarks.tables import Table
from pxrdgen_crystallography.formula.parse import parse_formula
from pxrdgen_crystallography.time_limit import time_limit
from pxrdgen_testing import samples

NAMES = itertools.count()
TWO = {"1-4": 1.0, "5-8": 3.0}


def rutile(shift: float = 0.0) -> Crystal:
    """TiO2; ``shift`` moves one oxygen along c, as a fraction."""
    crystal = samples.rutile()
    coords = crystal.frac_coords.copy()
    coords[3, 2] += shift
    return replace(crystal, frac_coords=coords)


def cesium_chloride() -> Crystal:
    return Crystal(
        species=np.array([55, 17]), frac_coords=np.array([[0.0] * 3, [0.5] * 3]), basis=np.eye(3) * 4.12, name="CsCl"
    )


def record(column: Column = Column.CLEAN, bucket: str = "1-4", error: str = "", **values: Value) -> Record:
    return Record(
        variant="v", id=f"{next(NAMES)}", column=column, bucket=bucket, num_atoms=4, error=error, values=values
    )


def result(records: list[Record]) -> SuiteResult:
    return SuiteResult(
        suite=Suite(name="s"),
        variants=(VariantResult(label="v", spec={}, records=tuple(records)),),
        columns=tuple(dict.fromkeys(record.column for record in records)),
        weights=TWO,
        selection="",
        spec_sha256="",
        data_sha256="",
    )


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_is_that_of_newcombe(hits: int, n: int, low: float, high: float) -> None:
    """Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I, method 3."""
    rate = wilson(Count(hits=hits, n=n))
    assert (rate.low, rate.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert (rate.share, rate.n) == (hits / n, n)


def test_a_rate_of_nothing_is_not_a_number() -> None:
    assert math.isnan(wilson(Count(hits=0, n=0)).share)
    assert math.isnan(stratified({"1-4": Count(hits=3, n=3)}, TWO).share)


def test_buckets_are_weighted_by_their_share_of_the_split() -> None:
    rate = stratified({"1-4": Count(hits=30, n=30), "5-8": Count(hits=10, n=40)}, TWO)
    assert rate.share == pytest.approx(0.25 * 1.0 + 0.75 * 0.25)
    assert rate.n == 70


def test_the_stratified_interval_agrees_with_the_variance_formula_where_that_holds() -> None:
    counts = {"1-4": Count(hits=450, n=900), "5-8": Count(hits=360, n=900)}
    half = 1.96 * math.sqrt(0.25**2 * 0.25 / 900 + 0.75**2 * 0.24 / 900)
    rate = stratified(counts, TWO)
    assert rate.high - rate.share == pytest.approx(half, rel=0.02)
    assert rate.share - rate.low == pytest.approx(half, rel=0.02)


def test_no_hit_at_all_is_no_certainty() -> None:
    rate = stratified({"1-4": Count(hits=0, n=30), "5-8": Count(hits=0, n=30)}, TWO)
    assert rate.low == 0.0
    assert 0.05 < rate.high < 0.12


def test_a_structure_matches_itself_from_another_origin_and_with_a_longer_cell() -> None:
    shifted = rutile().frac_coords + np.array([0.1, 0.2, 0.3])
    moved = Crystal(species=rutile().species, frac_coords=shifted, basis=rutile().basis * 1.02)
    assert match_rms(moved, rutile(), STRICT) == pytest.approx(0.0, abs=1e-6)


def test_the_published_matcher_forgives_what_the_strict_one_does_not() -> None:
    """One of six atoms off by s gives a root mean square of about s sqrt(5)/6 in units of (V/N)^(1/3)."""
    assert match_rms(rutile(0.2), rutile(), STRICT) is not None
    assert match_rms(rutile(0.5), rutile(), PUBLISHED) is not None
    assert match_rms(rutile(0.5), rutile(), STRICT) is None


def test_other_elements_do_not_match() -> None:
    other = Crystal(
        species=np.array([55, 35]), frac_coords=cesium_chloride().frac_coords, basis=cesium_chloride().basis
    )
    assert match_rms(other, cesium_chloride(), PUBLISHED) is None


def test_a_comparison_that_takes_too_long_is_a_miss() -> None:
    assert match_rms(rutile(), rutile(), PUBLISHED, seconds=1e-6) is None


def test_a_time_limit_interrupts() -> None:
    with pytest.raises(TimeoutError), time_limit(0.05):
        time.sleep(5.0)


def test_hydrogen_is_left_out() -> None:
    brucite = Crystal(
        species=np.array([12, 8, 8, 1, 1]),
        frac_coords=np.array(
            [[0, 0, 0], [1 / 3, 2 / 3, 0.22], [2 / 3, 1 / 3, 0.78], [1 / 3, 2 / 3, 0.43], [2 / 3, 1 / 3, 0.57]]
        ),
        basis=np.array([[3.14, 0, 0], [-1.57, 2.719, 0], [0, 0, 4.77]]),
    )
    seen = without_hydrogen(brucite)
    assert seen is not None
    assert seen.formula == "O2 Mg"
    only = Crystal(species=np.array([1, 1]), frac_coords=np.array([[0.0] * 3, [0.2] * 3]), basis=np.eye(3) * 3)
    assert without_hydrogen(only) is None


def test_the_match_table_counts_errors_as_misses() -> None:
    records = [record(published=True, strict=True, rms=0.1), record(published=True, rms=0.3), record(error="CellError")]
    records += [record(bucket="5-8", published=True, rms=0.2, any_strict=True), record(bucket="5-8")]
    tables = solving_tables(result(records))
    published, strict, any_published, any_strict = (line[1:] for line in tables["matches"].rows)
    assert published[:2] == ("clean", "published")
    assert [cell.split()[0] for cell in published[2:5]] == ["66.7", "50.0", "54.2"]
    assert published[4].endswith("(5)")
    assert [cell.split()[0] for cell in strict[2:5]] == ["33.3", "0.0", "8.3"]
    assert any_published[4].startswith("0.0")
    assert any_strict[3].startswith("50.0")
    assert tables["rms"].rows == (("v", "clean", "all", "0.2 / 0.2 (3)"),)


def test_the_verdict_table_separates_right_from_wrong() -> None:
    records = [
        record(verdict="solved", strict=True, published=True),
        record(verdict="solved", published=True),
        record(verdict="probable", strict=True),
        record(verdict="not solved"),
        record(Column.MISMATCHED, verdict="solved"),
        record(Column.MISMATCHED, verdict="not solved"),
    ]
    clean, mismatched = (line[1:] for line in solving_tables(result(records))["verdicts"].rows)
    assert [cell.split()[0] for cell in clean[1:]] == ["50.0", "50.0", "100.0", "25.0", "25.0", "100.0", "50.0"]
    assert mismatched[0] == "mismatched (control)"
    assert [cell.split()[0] for cell in mismatched[1:5]] == ["50.0", "0.0", "0.0", "50.0"]


def test_space_groups_are_counted_among_right_answers_only() -> None:
    right = {"strict": True, "candidates": 1, "space_group_true": 136}
    records = [record(**right, space_group_found=136), record(**right, space_group_found=58), record(candidates=1)]
    assert solving_tables(result(records))["space_groups"].rows == (("v", "clean", "50.0 [9, 91] (2)"),)


def test_tables_write_markdown_and_csv() -> None:
    table = Table(title="t", header=("a", "b"), rows=(("1", "2, 3"),))
    assert table.markdown() == "t\n\n| a | b |\n| --- | --- |\n| 1 | 2, 3 |"
    assert table.csv() == 'a,b\n1,"2, 3"\n'


def test_the_committed_subset_is_thirty_of_each_size() -> None:
    subset = load_subset("val-120")
    assert len(set(subset.ids)) == 120
    assert subset.weights == {"1-4": 176, "5-8": 261, "9-12": 258, "13-20": 305}
    assert [subset.bucket(n) for n in (1, 4, 5, 12, 20)] == ["1-4", "1-4", "5-8", "9-12", "13-20"]


def test_every_beginning_holds_all_buckets() -> None:
    entries = [
        Entry(index=i, crystal=cesium_chloride(), space_group=221, bucket="1-4" if i < 4 else "5-8") for i in range(8)
    ]
    assert [entry.index for entry in interleaved(entries)] == [0, 4, 1, 5, 2, 6, 3, 7]
    assert [entry.index for entry in interleaved(entries, stride=2, limit=3)] == [0, 4, 2]


def test_a_replaced_element_is_a_homologue_of_other_scattering() -> None:
    for text in ("TiO2", "NaCl", "Mg(OH)2", "UO2", "Er2O3", "BaTiO3"):
        formula, _ = parse_formula(text)
        wrong = one_replaced(formula, np.random.default_rng(0))
        assert wrong is not None
        (old,) = set(formula.atomic_numbers) - set(wrong.atomic_numbers)
        (new,) = set(wrong.atomic_numbers) - set(formula.atomic_numbers)
        assert abs(new - old) >= 8
        assert sorted(n for _, n in wrong.counts) == sorted(n for _, n in formula.counts)
    assert one_replaced(Composition.from_species(np.array([1, 1])), np.random.default_rng(0)) is None


def test_questions_of_the_columns_differ_as_they_say() -> None:
    entries = [
        Entry(index=0, crystal=rutile(), space_group=136, bucket="5-8"),
        Entry(index=1, crystal=cesium_chloride(), space_group=221, bucket="5-8"),
    ]
    asked = {case.column: case.question() for case in simulated_cases(entries[:1], tuple(Column), entries)}
    again = {case.column: case.question() for case in simulated_cases(entries[:1], tuple(Column), entries)}
    perturbed = asked["perturbed"]
    for column, question in asked.items():
        assert np.array_equal(question.pattern.intensity, again[column].pattern.intensity), column
        assert (question.composition.formula == "TiO2") is (column != "element_replaced")
    assert asked["clean"].cell == rutile().cell
    error = np.array(perturbed.cell.parameters[:3]) / np.array(rutile().cell.parameters[:3]) - 1
    assert 1e-4 < np.abs(error).max() < 4e-3
    for control in CONTROLS:
        same_pattern = np.array_equal(asked[control].pattern.intensity, perturbed.pattern.intensity)
        assert same_pattern is (control != Column.MISMATCHED)
        ratio = asked[control].cell.volume / perturbed.cell.volume
        assert abs(ratio ** (1 / 3) - 1) == pytest.approx(0.03 if control == Column.CELL_OFF_3 else 0.0, abs=1e-9)


def test_a_stranger_is_of_other_elements_and_the_same_size() -> None:
    twin = Entry(index=0, crystal=rutile(), space_group=136, bucket="5-8")
    entries = [twin, Entry(index=1, crystal=rutile(), space_group=136, bucket="5-8")]
    entries.append(Entry(index=2, crystal=cesium_chloride(), space_group=221, bucket="1-4"))
    assert stranger_of(twin, entries).name == "rutile"
    entries.append(Entry(index=3, crystal=cesium_chloride(), space_group=221, bucket="5-8"))
    assert stranger_of(twin, entries).name == "CsCl"


def test_the_large_subset_names_its_own_file_and_buckets() -> None:
    subset = load_subset("large-val")
    assert subset.crystals == "field/large_val.parquet"
    assert len(subset.ids) == len(set(subset.ids)) == 120
    assert [subset.bucket(atoms) for atoms in (21, 80, 160)] == ["21-40", "41-80", "81-160"]
    assert load_subset("val-120").crystals == "crystals.parquet"
