"""The refinement benchmark: starts are off by what they say, rows count right, runs continue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from pxrdgen.errors import OptionError
from pxrdgen.interfaces.refiner import Refiner
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.refinement import Measurement, RefinementResult, RefinementStart
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_benchmarks.refinement_cases import (
    CandidateRefinement,
    SimulatedRefinement,
    displaced,
    is_centrosymmetric,
    strained,
)
from pxrdgen_benchmarks.refinement_rows import RefinementRow, read_rows
from pxrdgen_benchmarks.refinement_run import evaluate_refinement, run_refinements
from pxrdgen_benchmarks.refinement_tables import (
    agreement_table,
    before_after_table,
    coordinate_pulls,
    home_table,
    is_home,
    is_worse,
)
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry, invariance_error


def rutile(u: float = 0.3053) -> SymmetrisedCrystal:
    coords = [[0, 0, 0], [0.5, 0.5, 0.5], [u, u, 0], [-u, -u, 0], [0.5 + u, 0.5 - u, 0.5], [0.5 - u, 0.5 + u, 0.5]]
    crystal = Crystal(
        species=np.array([22, 22, 8, 8, 8, 8]), frac_coords=np.array(coords), basis=UnitCell(4.59, 4.59, 2.96).basis
    )
    return find_symmetry(crystal, 0.01)


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
        id="rutile", part="simulated", group="centrosymmetric", index=3, truth=symmetry.crystal, symmetry=symmetry
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


class Broken(Refiner):
    """Raises, which no refiner may."""

    def refine(self, measurement: Measurement, starts: Sequence[RefinementStart]) -> Sequence[RefinementResult]:
        del measurement, starts
        raise RuntimeError("out of ink")


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
    found = CandidateRefinement(id="r", part="candidates", group="displaced 0.3", index=1, truth=truth, level=0.3)
    measurement, start = found.task()
    delta = start.crystal.frac_coords - truth.frac_coords
    delta -= np.rint(delta)
    assert np.std(delta @ truth.basis) == pytest.approx(0.3, rel=0.4)
    assert start.symmetry is None
    # no noise: the counts are the expectation, which is no whole number
    assert np.abs(measurement.intensity - np.rint(measurement.intensity)).max() > 0.1


def test_home_needs_the_structure_and_the_fit() -> None:
    found = case()
    assert is_home(evaluate_refinement(found, Oracle(found.truth)))
    assert not is_home(evaluate_refinement(found, Oracle(found.truth, gof=1.3)))
    assert not is_home(evaluate_refinement(found, Oracle(displaced(rutile(), 0.2, np.random.default_rng(1)).crystal)))


def test_a_refiner_that_raises_is_a_row() -> None:
    row = evaluate_refinement(case(), Broken())
    assert "out of ink" in row.error
    assert not is_home(row)


def test_a_run_continues_where_it_was_killed(tmp_path: Path) -> None:
    path, found = tmp_path / "rows.jsonl", case()
    other = replace(found, id="other")
    run_refinements([found], lambda _: Oracle(found.truth), path, {"refiner": "oracle"})
    path.write_bytes(path.read_bytes() + b'{"id": "oth')
    rows = run_refinements([found, other], lambda _: Oracle(found.truth), path, {"refiner": "oracle"})
    assert [row.id for row in rows] == ["rutile", "other"]
    assert len(read_rows(path)[1]) == 2
    with pytest.raises(OptionError, match="another run"):
        run_refinements([found], lambda _: Oracle(found.truth), path, {"refiner": "other"})


def row(**values: object) -> RefinementRow:
    base: dict[str, object] = {"id": "a", "part": "simulated", "group": "centrosymmetric", "num_atoms": 2}
    return RefinementRow(**(base | values))  # type: ignore[arg-type]


def test_rates_and_agreement_are_counted() -> None:
    ours = row(
        rms_after=0.001, gof=1.0, r_wp=0.05, cell=(4.0,) * 3 + (90.0,) * 3, cell_su=(1e-3,) * 3 + (0.0,) * 3,
        coords=((0.0, 0.0, 0.1), (0.5, 0.5, 0.4)), coordinate_su=((0.0, 0.0, 1e-3), (0.0, 0.0, 1e-3)),
    )  # fmt: skip
    # shifted along a floating origin, and one coordinate 1 su further apart
    theirs = replace(ours, coords=((0.0, 0.0, 0.2), (0.5, 0.5, 0.501)), cell=(4.002, 4.0, 4.0, 90.0, 90.0, 90.0))
    assert coordinate_pulls(ours, theirs) == pytest.approx([0.5, 0.5])
    table = agreement_table("ours", "theirs", {"ours": [ours], "theirs": [theirs]})
    assert [line[1] for line in table.rows] == ["cell", "coordinates"]
    assert table.rows[0][6] == "2.00"
    lost = replace(ours, id="b", rms_after=0.2)
    assert home_table({"ours": [ours, lost]}).rows[0][2].startswith("50.0")


def test_what_refinement_made_worse_is_counted() -> None:
    rows = [
        row(part="candidates", rms_before=0.15, rms_after=0.01),
        row(part="candidates", rms_before=0.15, rms_after=0.3),
        row(part="candidates", rms_before=0.35, rms_after=None),
        row(part="candidates", rms_before=None, rms_after=None),
    ]
    assert [is_worse(entry) for entry in rows] == [False, True, True, False]
    table = before_after_table(rows)
    assert [line[0] for line in table.rows] == ["0.1-0.2", "0.3-0.4", "no match", "all that matched before"]
    assert table.rows[0][4].startswith("50.0")
    assert table.rows[-1][-1].startswith("66.7")


def test_the_built_in_refiner_brings_rutile_home() -> None:
    from pxrdgen_benchmarks.refinement import refiner_for

    found = case()
    result = evaluate_refinement(found, refiner_for("least_squares", {})(found))
    assert is_home(result)
    assert result.rms_before is not None
    assert result.rms_before > 0.02
    assert len(result.coords) == 6
