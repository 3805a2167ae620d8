"""Fox beside ``pxrdgen solve``: cell and space group known, the same CPU seconds on one core.

``python -m pxrdgen_benchmarks.fox run --program fox --out fox.jsonl``, the same with ``--program pxrdgen``, then
``... table fox.jsonl pxrdgen.jsonl``. Crystals of 13 to 20 atoms are drawn from the val split. Fox is told more than
pxrdgen: the number of independent atoms of each element, which its users would have to guess, and background, zero,
widths and cell from our whole-pattern fit. Each program's first answer counts.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.cards import Number
from pxrdgen_benchmarks.cases import Column, SimulatedCase, simulated_cases
from pxrdgen_benchmarks.count_cards import rate_number, write_count_card
from pxrdgen_benchmarks.fox_input import FoxProblem
from pxrdgen_benchmarks.fox_run import fox_program, run_fox
from pxrdgen_benchmarks.metrics import PUBLISHED, STRICT, Count, match_rms, wilson
from pxrdgen_benchmarks.subsets import val_entries
from pxrdgen_benchmarks.tables import Table, percent
from pxrdgen_benchmarks.tasks.space_groups import TOLERANCE
from pxrdgen_solver.question.question import Question

app = typer.Typer(help="Fox beside pxrdgen, equal time.", no_args_is_help=True)

#: atoms of the crystals, and the seed of the draw.
SIZES, DRAW_SEED = (13, 20), 11
#: share of the time that the search may use; the rest goes into preparation and refinement.
SEARCH_SHARE = 0.75


class Program(StrEnum):
    """Which program solves."""

    FOX = "fox"
    PXRDGEN = "pxrdgen"


@dataclass(frozen=True, kw_only=True)
class FoxRow:
    """One crystal solved by one program.

    Args:
        id, column: of the case.
        program: that solved it.
        space_group: Hermann-Mauguin symbol given.
        num_atoms: in the primitive cell.
        sites: independent atoms of the truth.
        strict, published: whether the first answer matches the truth.
        cpu_s: used by all of it.
        trials: Fox's, in all runs.
    """

    id: str
    column: str
    program: str
    space_group: str
    num_atoms: int
    sites: int
    strict: bool
    published: bool
    cpu_s: float
    trials: int = 0
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The question with the symmetry of the truth: conventional cell as typed, group, independent atoms."""

    question: Question
    cell: UnitCell
    symbol: str
    points: int
    sites: tuple[int, ...]


@app.command()
def run(
    program: Annotated[Program, typer.Option(help="fox or pxrdgen.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="JSON lines; continued if it exists.")],
    crystals: Annotated[int, typer.Option(help="How many.")] = 20,
    seconds: Annotated[float, typer.Option(help="CPU seconds a crystal.")] = 30.0,
    column: Annotated[Column, typer.Option(help="clean or perturbed.")] = Column.PERTURBED,
    limit: Annotated[int, typer.Option(help="Stop after this many new crystals.")] = 1000,
) -> None:
    """Solve crystals with one program and write a row for each."""
    if program is Program.FOX and fox_program() is None:
        typer.echo("skipped: no program 'fox' on PATH (Debian: apt-get install objcryst-fox xvfb)")
        return
    done = {(row.id, row.column, row.program) for row in read_rows(out)} if out.exists() else set()
    cases = simulated_cases(val_entries(crystals, sizes=SIZES, seed=DRAW_SEED), [column])
    for case in [case for case in cases if (*case.key, program.value) not in done][:limit]:
        row = solved_row(case, program, seconds)
        with out.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(row)) + "\n")
        typer.echo(f"{row.id} {row.space_group} {row.sites} sites: strict {row.strict}, {row.cpu_s:.0f} s {row.error}")


@app.command()
def table(results: Annotated[list[Path], typer.Argument(help="files written by run")]) -> None:
    """Solved by each program, with 95 % intervals."""
    typer.echo(fox_table([row for path in results for row in read_rows(path)]).markdown())


@app.command()
def card(
    results: Annotated[list[Path], typer.Argument(help="files written by run")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The card to write.")],
    seconds: Annotated[float, typer.Option(help="CPU seconds a crystal that were allowed.")] = 30.0,
) -> None:
    """Write the card of both programs' results."""
    rows = [row for path in results for row in read_rows(path)]
    write_count_card(
        results,
        out,
        fox_numbers(rows),
        title=f"Fox beside pxrdgen: 13-20 atoms, cell and space group known, {seconds:g} CPU seconds",
        task="fox",
        run={"sizes": list(SIZES), "seed": DRAW_SEED, "seconds": seconds},
        order=20,
        headline=["strict"],
        caveats=[
            "Fox is told the number of independent atoms of each element, which pxrdgen is not, and given background, "
            "zero, widths and cell of our whole-pattern fit; it runs as its users run it (parallel tempering), and its "
            "best answer when time is up counts.",
            "pxrdgen may search for three quarters of the time and refines in the rest.",
        ],
    )


def solved_row(case: SimulatedCase, program: Program, seconds: float) -> FoxRow:
    """Ask one program; whatever goes wrong is a row without a match."""
    known = _known(case)
    row = FoxRow(
        id=case.id,
        column=case.column,
        program=program.value,
        space_group=known.symbol,
        num_atoms=len(case.truth),
        sites=len(known.sites),
        strict=False,
        published=False,
        cpu_s=0.0,
    )
    started = time.process_time()
    try:
        if program is Program.FOX:
            answers, cpu_s, trials = _by_fox(known, seconds)
            row = replace(row, cpu_s=round(cpu_s, 1), trials=trials)
        else:
            answers = _by_pxrdgen(known, seconds)
            row = replace(row, cpu_s=round(time.process_time() - started, 1))
    except Exception as error:  # every failure is a row that counts as a miss
        return replace(
            row, cpu_s=round(time.process_time() - started, 1), error=f"{type(error).__name__}: {error}"[:300]
        )
    return replace(
        row,
        strict=any(match_rms(answer, case.truth, STRICT) is not None for answer in answers),
        published=any(match_rms(answer, case.truth, PUBLISHED) is not None for answer in answers),
    )


def _known(case: SimulatedCase) -> _Known:
    """The question in the conventional cell of the reference setting of the truth's group."""
    from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry

    question = case.question()
    _, transform = case.truth.cell.niggli()
    truth = replace(
        case.truth,
        basis=transform @ case.truth.basis,
        frac_coords=case.truth.frac_coords @ np.linalg.inv(transform) % 1.0,
    )
    symmetry = find_symmetry(truth, TOLERANCE)
    cell = UnitCell.from_basis(symmetry.to_standard @ transform @ question.cell.basis)
    return _Known(
        question=question,
        cell=cell,
        symbol=symmetry.space_group.hm_symbol,
        points=round(float(np.linalg.det(symmetry.to_standard))),
        sites=tuple(int(truth.species[atom]) for atom in np.unique(symmetry.orbits)),
    )


def _by_pxrdgen(known: _Known, seconds: float) -> list[Crystal]:
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen.values.space_group import parse_space_group
    from pxrdgen_solver.loop.solve_question import solve_question

    question = replace(
        known.question,
        cell=known.cell,
        z=(known.question.z or 1) * known.points,
        space_group=parse_space_group(known.symbol),
    )
    spec = PipelineSpec(budget_s=SEARCH_SHARE * seconds)
    solution = solve_question(question, spec, default_registry(), clock=time.process_time)
    return [solution.best.crystal] if solution.best is not None else []


def _by_fox(known: _Known, seconds: float) -> tuple[list[Crystal], float, int]:
    from pxrdgen.values.space_group import parse_space_group
    from pxrdgen_crystallography.decomposition.decompose import decompose
    from pxrdgen_crystallography.preparation import prepare
    from pxrdgen_solver.question.problem import build_problem

    question, group = known.question, parse_space_group(known.symbol)
    prepared = prepare(question.pattern)
    problem = build_problem(
        prepared.pattern, question.composition, cell=known.cell, z=question.z * known.points, space_group=group
    )
    pattern = prepared.pattern
    decomposition = decompose(
        pattern.two_theta,
        pattern.intensity,
        pattern.uncertainty,
        prepared.background,
        prepared.instrument,
        problem.basis,
        background_su=prepared.background_su,
    )
    told = FoxProblem(
        prepared=prepared,
        decomposition=decomposition,
        cell=UnitCell.from_basis(problem.to_user @ decomposition.basis),
        space_group=problem.space_group or group,
        sites=known.sites,
    )
    counts = {
        int(number): problem.lattice_points * count for number, count in Counter(problem.species.tolist()).items()
    }
    outcome = run_fox(told, counts, seconds)
    return list(outcome.crystals), outcome.cpu_s, outcome.runs * outcome.trials


def fox_table(rows: Sequence[FoxRow]) -> Table:
    """Solved by program and column."""
    lines = []
    for program, column in dict.fromkeys((row.program, row.column) for row in rows):
        own = [row for row in rows if (row.program, row.column) == (program, column)]
        rates = [
            percent(wilson(Count(hits=sum(getattr(row, matcher) for row in own), n=len(own))))
            for matcher in ("strict", "published")
        ]
        lines.append((program, column, *rates, f"{np.median([row.cpu_s for row in own]):.0f}"))
    header = ("program", "patterns", "strict", "published", "CPU seconds, median")
    return Table(title="cell and space group known", header=header, rows=tuple(lines))


def fox_numbers(rows: Sequence[FoxRow]) -> list[Number]:
    """Rates of both matchers by program and column."""
    found = []
    for program, column in dict.fromkeys((row.program, row.column) for row in rows):
        own = [row for row in rows if (row.program, row.column) == (program, column)]
        for matcher in ("strict", "published"):
            found.append(rate_number(program, column, matcher, sum(getattr(row, matcher) for row in own), len(own)))
    return found


def read_rows(path: Path) -> list[FoxRow]:
    """Rows of a results file; a line cut short is skipped."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(FoxRow(**json.loads(line)))
        except json.JSONDecodeError:
            continue
    return rows


if __name__ == "__main__":
    app()
