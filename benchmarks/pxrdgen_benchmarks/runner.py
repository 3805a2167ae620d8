"""Every case once, in parallel, whatever happens: worker processes, resumable, failures as rows."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from pxrdgen.specs import PipelineSpec
from pxrdgen_benchmarks.cases import Case
from pxrdgen_benchmarks.evaluate import Solver, evaluate, solve_question
from pxrdgen_benchmarks.results_file import ResultsFile
from pxrdgen_benchmarks.row import Row

#: libraries that would otherwise take every core in every worker.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

#: called with all rows so far and the number of cases.
Watch = Callable[[Sequence[Row], int], None]


def run_cases(
    cases: Sequence[Case],
    spec: PipelineSpec,
    results: ResultsFile,
    *,
    workers: int = 1,
    solver: Solver = solve_question,
    watch: Watch | None = None,
) -> list[Row]:
    """Evaluate what the results file lacks, each row written as soon as it is there; all rows of these cases.

    Args:
        workers: processes, of one thread each; 0 evaluates here.
        solver: importable from a module when there are workers.
        watch: told of progress, at the start and after every row.

    Raises:
        OptionError: the results file belongs to another run.
    """
    wanted = {case.key for case in cases}
    rows = [row for row in results.open() if row.key in wanted]
    done = {row.key for row in rows}
    left = [case for case in cases if case.key not in done]
    if watch is not None:
        watch(rows, len(cases))
    finished = _here(left, spec, solver) if workers == 0 else _in_workers(left, spec, solver, workers)
    for row in finished:
        results.append([row])
        rows.append(row)
        if watch is not None:
            watch(rows, len(cases))
    return rows


def _here(cases: Sequence[Case], spec: PipelineSpec, solver: Solver) -> Iterator[Row]:
    for case in cases:
        yield evaluate(case, spec, solver)


def _in_workers(cases: Sequence[Case], spec: PipelineSpec, solver: Solver, workers: int) -> Iterator[Row]:
    """Rows as they come. A case whose worker dies is tried once more, alone, then given up as a miss."""
    left = list(cases)
    while left:
        crashed, left = yield from _until_crash(left, spec, solver, workers)
        for case in crashed:
            again, _ = yield from _until_crash([case], spec, solver, 1)
            if again:
                yield Row(
                    id=case.id,
                    column=case.column,
                    bucket=case.bucket,
                    num_atoms=len(case.truth),
                    space_group_true=case.space_group,
                    error="WorkerError: the worker process died twice on this case",
                )


def _until_crash(
    cases: Sequence[Case], spec: PipelineSpec, solver: Solver, workers: int
) -> Generator[Row, None, tuple[list[Case], list[Case]]]:
    """Rows until all is done or a worker dies; returns the cases that were then under way, and those not begun."""
    queue = deque(cases)
    running: dict[Future[Row], Case] = {}
    with _pool(min(workers, len(cases))) as pool:
        while queue or running:
            while queue and len(running) < workers:
                case = queue.popleft()
                try:
                    running[pool.submit(evaluate, case, spec, solver)] = case
                except BrokenProcessPool:
                    return [case, *running.values()], list(queue)
            crashed = []
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                case = running.pop(future)
                try:
                    row = future.result()
                except BrokenProcessPool:
                    crashed.append(case)
                else:
                    yield row
            if crashed:
                return [*crashed, *running.values()], list(queue)
    return [], []


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes of one thread each, that end with this one and with this block."""
    context = multiprocessing.get_context("spawn")
    stop = context.RawValue("b", 0)  # no lock: a worker that dies while it holds one would stop everybody
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker, initargs=(os.getpid(), stop))
    try:
        yield pool
        pool.shutdown()
    finally:
        stop.value = 1
        pool.shutdown(wait=False, cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin_worker(parent: int, stop: Any) -> None:
    """One thread; Ctrl-C is the parent's business; no worker outlives its parent."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of libraries, once a process and case, between the lines of progress
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent and not stop.value:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
