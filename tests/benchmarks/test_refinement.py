"""The refinement task: starts are off by what they say, rows count right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pytest

from pxrdgen.interfaces.refiner import Refiner
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.refinement import Measurement, RefinementResult, RefinementStart
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.refinement_cases import (
    GENERATED,
    CandidateRefinement,
    MeasuredRefinement,
    Part,
    SimulatedRefinement,
    displaced,
    is_centrosymmetric,
    proposals,
    strained,
)
from pxrdgen_benchmarks.suite import Suite
from pxrdgen_benchmarks.suite_result import SuiteResult, VariantResult
from pxrdgen_benchmarks.tasks import refining
from pxrdgen_benchmarks.tasks.refining import (
    RefinementRow,
    Refining,
    RefiningSpec,
    agreement_table,
    before_after_table,
    coordinate_pulls,
    rows_of,
)
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry, invariance_error
from pxrdgen_testing import samples


def rutile() -> SymmetrisedCrystal:
    return find_symmetry(samples.rutile(), 0.01)


def wurtzite() -> SymmetrisedCrystal:
    """Polar: its origin floats along c."""
    third = 1.0 / 3.0
    coords = [[third, 2 * third, 0.0], [2 * third, third, 0.5], [third, 2 * third, 0.382], [2 * third, third, 0.882]]
    crystal = Crystal(
        species=np.array([30, 30, 8, 8]),
        frac_coords=np.array(coords),
        basis=UnitCell(3.25, 3.25, 5.2, 90, 90, 120).basis,
    )
    return find_symmetry(crystal, 0.01)


def case(symmetry: SymmetrisedCrystal | None = None) -> SimulatedRefinement:
    symmetry = symmetry or rutile()
    return SimulatedRefinement(
        id="rutile", column=Part.SIMULATED, bucket="centrosymmetric", index=3, truth=symmetry.crystal, symmetry=symmetry
    )


@dataclass(frozen=True)
class Oracle(Refiner):
    """Returns what it was told, whatever it is asked."""

    answer: Crystal
    gof: float = 1.0

    def refine(self, measurement: Measurement, starts: Sequence[RefinementStart]) -> Sequence[RefinementResult]:
        del measurement
        return [
            RefinementResult(
                crystal=self.answer,
                r_wp=0.05,
                r_p=0.04,
                r_exp=0.05 / self.gof,
                gof=self.gof,
                cell_su=(1e-4, 1e-4, 1e-4, 0.0, 0.0, 0.0),
                coordinate_su=np.full((len(self.answer), 3), 1e-3),
            )
            for _ in starts
        ]


@pytest.mark.parametrize("symmetry", [rutile(), wurtzite()], ids=["rutile", "wurtzite"])
def test_starts_are_off_by_what_they_say_and_keep_the_group(symmetry: SymmetrisedCrystal) -> None:
    rng = np.random.default_rng(0)
    moved = displaced(symmetry, 0.1, rng)
    assert invariance_error(moved) < 1e-9
    delta = moved.crystal.frac_coords - symmetry.crystal.frac_coords
    delta -= np.rint(delta)
    assert np.abs(delta.mean(axis=0)).max() < 1e-12
    lengths = np.linalg.norm(delta @ symmetry.crystal.basis, axis=1)
    assert np.sqrt(np.mean(lengths[lengths > 1e-9] ** 2)) == pytest.approx(0.1)
    off = strained(symmetry, 0.005, rng)
    assert invariance_error(off) < 1e-9
    strain = np.linalg.inv(symmetry.crystal.basis) @ off.crystal.basis - np.eye(3)
    assert np.abs(np.linalg.eigvalsh(0.5 * (strain + strain.T))).max() == pytest.approx(0.005, rel=1e-6)


def test_rutile_has_a_centre_and_wurtzite_has_none() -> None:
    assert is_centrosymmetric(rutile())
    assert not is_centrosymmetric(wurtzite())


def test_the_same_case_is_the_same_task() -> None:
    (first, start), (second, again) = case().task(), case().task()
    assert np.array_equal(first.intensity, second.intensity)
    assert np.array_equal(start.crystal.frac_coords, again.crystal.frac_coords)
    assert not start.cell_fitted


def test_a_displaced_candidate_is_as_far_as_its_level() -> None:
    truth = rutile().crystal
    found = CandidateRefinement(id="r", column=Part.CANDIDATES, bucket="displaced 0.3", index=1, truth=truth, level=0.3)
    measurement, start = found.task()
    delta = start.crystal.frac_coords - truth.frac_coords
    delta -= np.rint(delta)
    assert np.std(delta @ truth.basis) == pytest.approx(0.3, rel=0.4)
    assert start.symmetry is None
    # no noise: the counts are the expectation, which is no whole number
    assert np.abs(measurement.intensity - np.rint(measurement.intensity)).max() > 0.1


def test_proposals_are_of_the_crystal_in_its_own_cell() -> None:
    measurement, _ = case().task()
    coords = proposals(rutile().crystal, measurement, seed=1)
    assert coords.shape == (GENERATED, 6, 3)
    assert np.array_equal(coords, proposals(rutile().crystal, measurement, seed=1))


def measured(refiner: Refiner, monkeypatch: pytest.MonkeyPatch) -> RefinementRow:
    monkeypatch.setattr(refining, "_refiner_of", lambda *_: refiner)
    return Refining().measure(case(), RefiningSpec())


def test_home_needs_the_structure_and_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, away = rutile().crystal, displaced(rutile(), 0.2, np.random.default_rng(1)).crystal
    found = [measured(refiner, monkeypatch) for refiner in (Oracle(truth), Oracle(truth, gof=1.3), Oracle(away))]
    assert [row.home for row in found] == [True, False, False]
    assert found[0].rms_after == pytest.approx(0.0, abs=1e-6)
    assert found[0].rms_before is not None
    assert found[0].rms_before > 0.02
    assert (len(found[0].coords), len(found[0].coordinate_su), found[0].cell_su[3]) == (18, 18, 0.0)


def row(**values: object) -> RefinementRow:
    base: dict[str, object] = {
        "rms_before": 0.1, "rms_after": 0.001, "matched_before": True, "matched_after": True, "home": True,
        "r_wp": 0.05, "r_wp_without_background": 0.06, "gof": 1.0, "converged": True,
        "cpu_seconds": 1.0, "cell": (4.0,) * 3 + (90.0,) * 3, "cell_su": (1e-3,) * 3 + (0.0,) * 3,
        "coords": (0.0, 0.0, 0.1, 0.5, 0.5, 0.4), "coordinate_su": (0.0, 0.0, 1e-3, 0.0, 0.0, 1e-3),
    }  # fmt: skip
    return RefinementRow(**(base | values))  # type: ignore[arg-type]


def record(found: RefinementRow | None, name: str = "a", variant: str = "ours") -> Record:
    values = {} if found is None else asdict(found)
    return Record(
        variant=variant, id=name, column="simulated", bucket="centrosymmetric", values=values,
        error="" if found else "RuntimeError: out of ink",
    )  # fmt: skip


def result(**runs: list[Record]) -> SuiteResult:
    variants = tuple(
        VariantResult(label=label, spec={}, error="", records=tuple(records), versions={})
        for label, records in runs.items()
    )
    return SuiteResult(
        suite=Suite(name="x", task="refinement"), variants=variants, columns=("simulated",), weights={}, selection="",
        spec_sha256="", data_sha256="",
    )  # fmt: skip


def test_a_failure_counts_as_not_home() -> None:
    tables = Refining().tables(result(ours=[record(row()), record(None, "b")]))
    (line,) = [line for line in tables["rates"].rows if line[2] == "home"]
    assert line[-1].startswith("50.0")
    assert set(tables) == {"rates", "numbers"}, "no second refiner, no candidates"
    two = Refining().tables(result(ours=[record(row())], theirs=[record(row())]))
    assert two["agreement_1"].title.startswith("ours against theirs")


def test_agreement_is_counted_over_what_both_brought_home() -> None:
    # shifted along a floating origin, and one coordinate 1 su further apart
    theirs = row(coords=(0.0, 0.0, 0.2, 0.5, 0.5, 0.501), cell=(4.002, 4.0, 4.0, 90.0, 90.0, 90.0))
    assert coordinate_pulls(row(), theirs) == pytest.approx([0.5, 0.5])
    ours = rows_of([record(row()), record(row(), "b"), record(None, "c")])
    table = agreement_table(
        "ours", "theirs", {"ours": ours, "theirs": rows_of([record(theirs), record(replace(theirs, home=False), "b")])}
    )
    assert [line[1:4] for line in table.rows] == [("cell", "1", "3"), ("coordinates", "1", "2")]
    assert table.rows[0][6] == "2.00"


def test_what_refinement_made_worse_is_counted() -> None:
    rows = [
        row(rms_before=0.15, rms_after=0.01),
        row(rms_before=0.15, rms_after=0.3),
        row(rms_before=0.35, rms_after=None),
        row(rms_before=None, rms_after=None),
    ]
    assert [entry.worse for entry in rows] == [False, True, True, False]
    table = before_after_table("ours", rows)
    assert [line[0] for line in table.rows] == ["0.1-0.2", "0.3-0.4", "no match", "all that matched before"]
    assert table.rows[0][4].startswith("50.0")
    assert table.rows[-1][-1].startswith("66.7")


def test_the_built_in_refiner_brings_rutile_home() -> None:
    found = Refining().measure(case(), RefiningSpec())
    assert found.home
    assert found.rms_before is not None
    assert found.rms_before > 0.02


def test_measured_patterns_are_fitted_with_one_model_unless_the_spec_says_another() -> None:
    told = MeasuredRefinement(
        id="x", column=Part.MEASURED, bucket="x", index=0, truth=rutile().crystal, example=None,  # type: ignore[arg-type]
        span=(15.0, 130.0), texture_axis=(0, 0, 1), sh_l=0.05,
    ).model()  # fmt: skip
    assert told["texture_axis"] == [0, 0, 1]
    for said, terms in (({}, told["background_terms"]), ({"background_terms": 5}, 5)):
        spec = RefiningSpec.model_validate({"refiner": {"plugin": "least_squares", "options": said}})
        built = refining._refiner_of(spec.model_dump_json(), json.dumps(told))
        assert built.options.background_terms == terms  # type: ignore[attr-defined]
