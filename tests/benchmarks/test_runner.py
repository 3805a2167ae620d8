"""Two crystals and a quick stand-in for the solver: nothing is lost, repeated or kept quiet about."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pxrdgen.errors import CellError, DatasetError, OptionError
from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.refinement import RefinementResult
from pxrdgen.values.solution import Candidate, Evidence, Solution, Verdict
from pxrdgen_benchmarks.cases import Case, Column, Question, SimulatedCase, simulated_cases
from pxrdgen_benchmarks.evaluate import evaluate
from pxrdgen_benchmarks.results_file import ResultsFile, read_results
from pxrdgen_benchmarks.row import Row
from pxrdgen_benchmarks.runner import run_cases
from pxrdgen_benchmarks.solve_rate import _columns
from pxrdgen_benchmarks.subsets import Entry
from pxrdgen_benchmarks.tables import match_table

SPEC = PipelineSpec(budget_s=1.0)
RUN = {"subset": "two"}


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


def cases(*columns: Column) -> list[SimulatedCase]:
    return simulated_cases(ENTRIES, columns)


def results(folder: Path) -> ResultsFile:
    return ResultsFile(path=folder / "results.jsonl", run=RUN)


def untimed(rows: list[Row]) -> list[Row]:
    return sorted((replace(row, seconds=0.0) for row in rows), key=lambda row: row.key)


def test_an_answer_becomes_a_row() -> None:
    row = evaluate(cases(Column.CLEAN)[0], SPEC, answer)
    assert (row.id, row.column, row.bucket, row.num_atoms) == ("CsCl", "clean", "1-4", 2)
    assert row.published
    assert row.strict
    assert row.rms == pytest.approx(0.0, abs=1e-6)
    assert (row.verdict, row.excess, row.gap, row.rounds) == ("solved", 1.05, None, 7)
    assert (row.space_group_true, row.space_group_found, row.candidates) == (221, 221, 2)
    assert Row.from_mapping(json.loads(row.to_json())) == row


def test_only_the_first_candidate_counts_but_any_is_noted() -> None:
    def reversed_answer(question: Question, spec: PipelineSpec) -> Solution:
        found = answer(question, spec)
        return replace(found, candidates=list(reversed(found.candidates)))

    row = evaluate(cases(Column.CLEAN)[0], SPEC, reversed_answer)
    assert not row.strict
    assert row.any_strict


def test_every_failure_is_a_row_that_counts_as_a_miss() -> None:
    row = evaluate(cases(Column.CLEAN)[1], SPEC, answer)
    assert row.error == "CellError: no thallium here"
    assert not any((row.published, row.strict, row.any_published, row.any_strict))


def test_no_candidate_is_a_miss() -> None:
    row = evaluate(cases(Column.CLEAN)[0], SPEC, lambda *_: solution([]))
    assert not row.published
    assert row.candidates == 0
    assert row.error == ""


def test_an_interrupted_search_is_no_result() -> None:
    with pytest.raises(KeyboardInterrupt):
        evaluate(cases(Column.CLEAN)[0], SPEC, lambda *_: solution([], interrupted=True))


def test_the_random_control_asks_no_solver() -> None:
    def never(question: Question, spec: PipelineSpec) -> Solution:
        raise AssertionError("asked")

    row, again = (evaluate(cases(Column.RANDOM)[0], SPEC, never) for _ in range(2))
    assert row == again
    assert row.error == ""
    assert row.candidates == 1


def test_the_solver_is_shown_nothing_of_the_answer() -> None:
    question = cases(Column.PERTURBED)[0].question()
    told = Question(pattern=question.pattern, composition=question.composition)
    assert {name for name, value in vars(question).items() if value is not getattr(told, name)} <= {"cell", "z"}
    assert question.pattern.metadata == {}


def test_finished_cases_are_not_repeated(tmp_path: Path) -> None:
    asked: list[str] = []

    def counting(question: Question, spec: PipelineSpec) -> Solution:
        asked.append(question.composition.formula)
        return answer(question, spec)

    run_cases(cases(Column.CLEAN)[:1], SPEC, results(tmp_path), workers=0, solver=counting)
    rows = run_cases(cases(Column.CLEAN, Column.RANDOM), SPEC, results(tmp_path), workers=0, solver=counting)
    assert len(rows) == 4
    assert asked == ["CsCl", "TlCl"]


def test_a_line_cut_short_is_dropped_and_done_again(tmp_path: Path) -> None:
    file = results(tmp_path)
    whole = run_cases(cases(Column.CLEAN), SPEC, file, workers=0, solver=answer)
    content = file.path.read_bytes()
    file.path.write_bytes(content[:-25])
    again = run_cases(cases(Column.CLEAN), SPEC, file, workers=0, solver=answer)
    assert untimed(again) == untimed(whole)
    _, stored = read_results(file.path)
    assert len(stored) == 2


def test_results_of_another_run_are_not_mixed_in(tmp_path: Path) -> None:
    file = results(tmp_path)
    run_cases(cases(Column.RANDOM), SPEC, file, workers=0)
    with pytest.raises(OptionError, match="another run"):
        run_cases(cases(Column.RANDOM), SPEC, replace(file, run={"subset": "three"}), workers=0)


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\n")
    with pytest.raises(DatasetError, match="notes"):
        ResultsFile(path=path, run=RUN).open()
    assert path.read_text() == "dear diary\n"


SCRIPT = """
    import os, sys, time
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    import test_runner as t

    def slow(question, spec):
        time.sleep({pause})
        return t.answer(question, spec)

    def deadly(question, spec):
        if 81 in question.composition.species(1):
            os._exit(9)
        return t.answer(question, spec)

    if __name__ == "__main__":
        columns = [t.Column(name) for name in {columns!r}]
        t.run_cases(t.cases(*columns), t.SPEC, t.results(Path({folder!r})), workers={workers}, solver={solver})
"""


def script(folder: Path, columns: tuple[Column, ...], *, pause: float, workers: int, solver: str = "slow") -> list[str]:
    text = SCRIPT.format(
        tests=str(Path(__file__).parent),
        folder=str(folder),
        columns=[column.value for column in columns],
        pause=pause,
        workers=workers,
        solver=solver,
    )
    file = folder / "run.py"
    file.write_text(textwrap.dedent(text))
    return [sys.executable, str(file)]


def test_killed_in_the_middle_and_run_again_gives_the_same_table(tmp_path: Path) -> None:
    columns = (Column.CLEAN, Column.PERTURBED, Column.CELL_OFF_3)
    interrupted, undisturbed = tmp_path / "interrupted", tmp_path / "undisturbed"
    interrupted.mkdir()
    undisturbed.mkdir()
    process = subprocess.Popen(script(interrupted, columns, pause=0.3, workers=0))
    file = results(interrupted)
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline and (not file.path.exists() or len(file.path.read_text().splitlines()) < 3):
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _, before = read_results(file.path)
    assert 2 <= len(before) < 6
    again = run_cases(cases(*columns), SPEC, file, workers=0, solver=answer)
    whole = run_cases(cases(*columns), SPEC, results(undisturbed), workers=0, solver=answer)
    _, stored = read_results(file.path)
    assert len({row.key for row in stored}) == len(stored) == 6
    assert untimed(again) == untimed(whole)
    weights = {"1-4": 1.0}
    assert match_table(untimed(again), weights) == match_table(untimed(whole), weights)


def test_a_worker_that_dies_costs_its_case_only(tmp_path: Path) -> None:
    subprocess.run(script(tmp_path, (Column.CLEAN,), pause=0.0, workers=2, solver="deadly"), check=True, timeout=300)
    _, rows = read_results(results(tmp_path).path)
    assert len({row.key for row in rows}) == len(rows) == 2
    for row in rows:
        assert row.strict is (row.id == "CsCl")
        assert ("died" in row.error) is (row.id == "TlCl")


def test_columns_are_asked_for_in_any_way() -> None:
    pair = (Column.CLEAN, Column.MISMATCHED)
    assert _columns(["clean,mismatched"]) == _columns(["clean", "mismatched", "clean"]) == pair
    assert _columns(["all"]) == tuple(Column)
    with pytest.raises(OptionError, match="did you mean 'perturbed'"):
        _columns(["pertubed"])


def test_a_case_needs_a_question() -> None:
    with pytest.raises(TypeError, match="question"):
        Case(id="x", column="clean", bucket="1-4", truth=ENTRIES[0].crystal, space_group=0)  # type: ignore[abstract]
