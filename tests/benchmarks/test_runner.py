"""Two crystals and a quick stand-in for the loop: answers become rows, and nothing is lost or repeated."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pxrdgen.errors import CellError, DatasetError, OptionError
from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.refinement import RefinementResult
from pxrdgen.values.solution import Candidate, Evidence, Solution, Verdict
from pxrdgen_benchmarks import evaluate, jobs
from pxrdgen_benchmarks.cases import Case, Column, Question, SimulatedCase, Told, simulated_cases
from pxrdgen_benchmarks.jobs import Job, do_job, run_jobs
from pxrdgen_benchmarks.parallel import Done, Workers
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.results_file import ResultsFile, read_records
from pxrdgen_benchmarks.solved_row import SolvedRow
from pxrdgen_benchmarks.subsets import Entry
from pxrdgen_benchmarks.tasks.solving import Solving

SPEC = PipelineSpec(budget_s=1.0)


def salt(number: int, edge: float, name: str) -> Crystal:
    """The CsCl type."""
    coords = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    return Crystal(species=np.array([17, number]), frac_coords=coords, basis=np.eye(3) * edge, name=name)


ENTRIES = (
    Entry(index=0, crystal=salt(55, 4.12, "CsCl"), space_group=221, bucket="1-4"),
    Entry(index=1, crystal=salt(81, 3.83, "TlCl"), space_group=221, bucket="1-4"),
)


def answer(question: Question, spec: PipelineSpec) -> Solution:
    """Knows the CsCl type; refuses thallium."""
    species = question.composition.species(question.z)
    if 81 in species:
        raise CellError("no thallium here")
    right = Crystal(species=species, frac_coords=np.array([[0.1] * 3, [0.6] * 3]), basis=question.cell.basis)
    wrong = replace(right, frac_coords=np.array([[0.0] * 3, [0.2, 0.0, 0.0]]))
    return solution([right, wrong])


def solution(crystals: list[Crystal], *, interrupted: bool = False) -> Solution:
    candidates = [
        Candidate(
            refinement=RefinementResult(
                crystal=crystal, r_wp=0.1, r_p=0.1, r_exp=0.09, gof=1.1, r_wp_without_background=0.12
            ),
            origin="stand-in",
            space_group_number=221,
            space_group_symbol="P m -3 m",
            conventional=crystal,
            score=0.0,
        )
        for crystal in crystals
    ]
    evidence = Evidence(gof=1.1, excess=1.05, gap=float("inf"), shortest_contact=1.0, unexplained=0.0)
    return Solution(
        candidates=candidates,
        verdict=Verdict.SOLVED,
        evidence=evidence,
        provenance={"rounds": 7},
        interrupted=interrupted,
    )


def cases(*columns: Column, told: Told = Told.CELL) -> list[SimulatedCase]:
    return simulated_cases(ENTRIES, columns, told=told)


def measured(monkeypatch: pytest.MonkeyPatch, case: Case, answered: Any = answer) -> SolvedRow:
    """The row of a case when the loop is that stand-in."""
    monkeypatch.setattr(evaluate, "solve", answered)
    return Solving().measure(case, SPEC)


def test_an_answer_becomes_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = measured(monkeypatch, cases(Column.CLEAN)[0])
    assert row.published
    assert row.strict
    assert row.rms == pytest.approx(0.0, abs=1e-6)
    assert (row.verdict, row.excess, row.gap, row.rounds) == ("solved", 1.05, None, 7)
    assert (row.space_group_true, row.space_group_found, row.candidates) == (221, 221, 2)


def test_only_the_first_candidate_counts_but_any_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    def reversed_answer(question: Question, spec: PipelineSpec) -> Solution:
        found = answer(question, spec)
        return replace(found, candidates=list(reversed(found.candidates)))

    row = measured(monkeypatch, cases(Column.CLEAN)[0], reversed_answer)
    assert not row.strict
    assert row.any_strict


def test_no_candidate_is_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    row = measured(monkeypatch, cases(Column.CLEAN)[0], lambda *_: solution([]))
    assert not row.published
    assert row.candidates == 0


def test_an_interrupted_search_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        measured(monkeypatch, cases(Column.CLEAN)[0], lambda *_: solution([], interrupted=True))


def test_the_random_control_asks_no_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(question: Question, spec: PipelineSpec) -> Solution:
        raise AssertionError("asked")

    row, again = (measured(monkeypatch, cases(Column.RANDOM)[0], never) for _ in range(2))
    assert row == again
    assert row.candidates == 1


@pytest.mark.parametrize(
    ("told", "known"),
    [(Told.CELL, {"cell", "z"}), (Told.Z, {"z"}), (Told.FORMULA, set())],
    ids=["cell", "z", "formula"],
)
def test_the_solver_is_shown_what_it_is_told_and_nothing_of_the_answer(
    told: Told, known: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Question] = []

    def noting(question: Question, spec: PipelineSpec) -> Solution:
        asked.append(question)
        return solution([])

    measured(monkeypatch, cases(Column.PERTURBED, told=told)[0], noting)
    (question,) = asked
    nothing = Question(pattern=question.pattern, composition=question.composition)
    assert {name for name, value in vars(question).items() if value is not getattr(nothing, name)} == known
    assert question.pattern.metadata == {}


@dataclass(frozen=True)
class Nested:
    inner: object


def job(case: Case) -> Job:
    return Job(task="solve", variant="v", spec=SPEC.model_dump_json(), case=case)


def test_every_failure_is_a_record_that_counts_as_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "solve", answer)
    fine, failed = (do_job(job(case)) for case in cases(Column.CLEAN))
    assert fine.values == asdict(measured(monkeypatch, cases(Column.CLEAN)[0]))
    assert (fine.id, fine.column, fine.bucket, fine.num_atoms, fine.error) == ("CsCl", "clean", "1-4", 2, "")
    assert failed.error == "CellError: no thallium here"
    assert not failed.flag("published")


@pytest.mark.parametrize(
    ("row", "message"),
    [({"strict": True}, "task 'solve' returned a dict"), (Nested(inner={"a": 1}), "'inner' as a dict")],
)
def test_a_row_is_a_dataclass_of_plain_values(row: object, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Solving, "measure", lambda *_: row)
    assert message in do_job(job(cases(Column.CLEAN)[0])).error


def results(folder: Path, **run: object) -> ResultsFile:
    return ResultsFile(path=folder / "results.jsonl", run=run)


def done(folder: Path, *columns: Column, **run: object) -> list[Record]:
    """Records of all cases, in this process, without the seconds."""
    found = run_jobs([job(case) for case in cases(*columns)], results(folder, **run), Workers(count=0))
    return [replace(record, seconds=0.0) for record in found]


def test_finished_cases_are_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counting(question: Question, spec: PipelineSpec) -> Solution:
        asked.append(question.composition.formula)
        return answer(question, spec)

    monkeypatch.setattr(evaluate, "solve", counting)
    done(tmp_path, Column.CLEAN)
    before = results(tmp_path).path.read_text()
    assert len(done(tmp_path, Column.CLEAN, Column.RANDOM)) == 4
    assert asked == ["CsCl", "TlCl"]
    after = results(tmp_path).path.read_text()
    assert after.startswith(before)
    assert len(after.splitlines()) == 5


def test_a_line_cut_short_is_dropped_and_done_again(tmp_path: Path) -> None:
    whole, path = done(tmp_path, Column.RANDOM), results(tmp_path).path
    path.write_bytes(path.read_bytes()[:-25])
    assert done(tmp_path, Column.RANDOM) == whole
    assert len(read_records(path)[1]) == 2


def test_results_of_another_run_are_not_mixed_in(tmp_path: Path) -> None:
    done(tmp_path, Column.RANDOM, subset="two")
    with pytest.raises(OptionError, match="another run"):
        done(tmp_path, Column.RANDOM, subset="three")


def test_a_case_whose_worker_dies_is_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "unordered", lambda _, items, __: [Done(item=item, result=None) for item in items])
    assert [record.error for record in done(tmp_path, Column.CLEAN)] == [jobs.DIED] * 2


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\n")
    with pytest.raises(DatasetError, match="notes"):
        ResultsFile(path=path).open()
    assert path.read_text() == "dear diary\n"


def test_a_case_needs_a_question() -> None:
    with pytest.raises(TypeError, match="question"):
        Case(id="x", column="clean", bucket="1-4", truth=ENTRIES[0].crystal, space_group=0)  # type: ignore[abstract]
