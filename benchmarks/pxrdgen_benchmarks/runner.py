"""Every case once, in parallel, whatever happens: resumable, failures as rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen_benchmarks.cases import Case
from pxrdgen_benchmarks.evaluate import Solver, evaluate, solve_with_cell
from pxrdgen_benchmarks.parallel import Workers, unordered
from pxrdgen_benchmarks.results_file import AnyLine, ResultsFile
from pxrdgen_benchmarks.row import Row

Item = TypeVar("Item")

#: what a row says when there is none because the process ended.
DIED = "WorkerError: the worker process died twice on this case"
#: called with all rows so far and the number of cases.
Watch = Callable[[Sequence[Row], int], None]


def run_items(
    items: Sequence[Item],
    work: Callable[[Item], AnyLine],
    results: ResultsFile[AnyLine],
    *,
    key: Callable[[Item], tuple[str, ...]],
    lost: Callable[[Item], AnyLine],
    workers: Workers,
    watch: Callable[[Sequence[AnyLine], int], None] | None = None,
) -> list[AnyLine]:
    """Do what the results file lacks, each line written as soon as it is there; all lines of these items.

    Args:
        key: the key of the line an item leads to.
        lost: the line of an item whose worker died twice.
        watch: told of progress, at the start and after every line.

    Raises:
        OptionError: the results file belongs to another run.
    """
    wanted = {key(item) for item in items}
    lines = [line for line in results.open() if line.key in wanted]
    done = {line.key for line in lines}
    if watch is not None:
        watch(lines, len(items))
    for finished in unordered(work, [item for item in items if key(item) not in done], workers):
        line = lost(finished.item) if finished.result is None else finished.result
        results.append([line])
        lines.append(line)
        if watch is not None:
            watch(lines, len(items))
    return lines


def run_cases(
    cases: Sequence[Case],
    spec: PipelineSpec,
    results: ResultsFile[Row],
    *,
    workers: int = 1,
    solver: Solver = solve_with_cell,
    watch: Watch | None = None,
) -> list[Row]:
    """Evaluate what the results file lacks; all rows of these cases.

    Args:
        workers: processes, of one thread each; 0 evaluates here.
        solver: importable from a module when there are workers.
        watch: told of progress, at the start and after every row.

    Raises:
        OptionError: the results file belongs to another run.
    """
    return run_items(
        cases,
        partial(evaluate, spec=spec, solver=solver),
        results,
        key=lambda case: case.key,
        lost=_lost,
        workers=Workers(count=workers),
        watch=watch,
    )


def _lost(case: Case) -> Row:
    return Row(
        id=case.id,
        column=case.column,
        bucket=case.bucket,
        num_atoms=len(case.truth),
        space_group_true=case.space_group,
        error=DIED,
    )
