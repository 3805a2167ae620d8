"""Every case once, in parallel, whatever happens: resumable, failures as rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pxrdgen_benchmarks.parallel import Workers, unordered
from pxrdgen_benchmarks.results_file import AnyLine, ResultsFile

Item = TypeVar("Item")

#: what a row says when there is none because the process ended.
DIED = "WorkerError: the worker process died twice on this case"


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
