"""A function over many items in worker processes, by joblib: loky on this machine, or a dask cluster."""

from __future__ import annotations

import functools
import importlib.util
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pxrdgen.errors import PxrdgenError

Item = TypeVar("Item")
Result = TypeVar("Result")

#: asks for a dask cluster on this machine instead of one that runs already.
LOCAL_DASK = "local"


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Where the work is done.

    Args:
        count: processes of one thread each; 0 works in this process.
        dask: address of a scheduler (``tcp://...``), or ``local`` for a cluster of ``count`` workers here; empty for
            joblib's own processes.
    """

    count: int = 2
    dask: str = ""


@dataclass(frozen=True, kw_only=True)
class Done(Generic[Item, Result]):
    """An item with its result; ``None`` when its worker died twice."""

    item: Item
    result: Result | None


def unordered(work: Callable[[Item], Result], items: Sequence[Item], workers: Workers) -> Iterator[Done[Item, Result]]:
    """Each item once, results as they come. An item whose worker dies is tried once more, alone, then given up.

    ``work`` must be importable where the workers are; what it raises ends everything.
    """
    if workers.count == 0 and not workers.dask:
        for item in items:
            yield Done(item=item, result=work(item))
        return
    parent = 0 if workers.dask else os.getpid()
    with _backend(workers) as count:
        left = list(items)
        while left:
            suspects, left = yield from _until_crash(work, left, count, parent)
            for item in suspects:
                again, _ = yield from _until_crash(work, [item], 1, parent)
                if again:
                    yield Done(item=item, result=None)


def _until_crash(
    work: Callable[[Item], Result], items: Sequence[Item], count: int, parent: int
) -> Generator[Done[Item, Result], None, tuple[list[Item], list[Item]]]:
    """Results until all is done or a worker dies; returns the items then under way, and those not begun."""
    from joblib import Parallel, delayed

    begun: list[int] = []
    done: set[int] = set()

    def feed() -> Iterator[Any]:
        for number, item in enumerate(items):
            begun.append(number)
            yield delayed(_numbered)(work, number, item, parent)

    # two slots even for one item: joblib would do the work of one in this process
    pool = Parallel(n_jobs=max(count, 2), pre_dispatch=count, batch_size=1, return_as="generator_unordered")
    results: Any = pool(feed())
    try:
        for number, result in results:
            done.add(number)
            yield Done(item=items[number], result=result)
    except _deaths():
        started = set(begun)
        suspects = [item for number, item in enumerate(items) if number in started - done]
        return suspects, [item for number, item in enumerate(items) if number not in started]
    finally:
        results.close()
    return [], []


def _numbered(work: Callable[[Item], Result], number: int, item: Item, parent: int) -> tuple[int, Result]:
    _begin_worker(parent)
    return number, work(item)


@functools.cache
def _begin_worker(parent: int) -> None:
    """Ctrl-C is the parent's business; no worker outlives its parent, where it has one on this machine (not 0)."""
    warnings.simplefilter("ignore")  # of libraries, once a process and case, between the lines of progress
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not parent:  # a dask worker: its nanny looks after it
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _backend(workers: Workers) -> Iterator[int]:
    """joblib set up; yields how many items may be under way."""
    if importlib.util.find_spec("joblib") is None:
        raise PxrdgenError("working in parallel needs joblib: pip install 'pxrdgen[bench]', or use --workers 0")
    from joblib import parallel_config

    if not workers.dask:
        with parallel_config(backend="loky", inner_max_num_threads=1):
            yield workers.count
        return
    if importlib.util.find_spec("distributed") is None:
        raise PxrdgenError("a dask cluster needs dask: pip install 'dask[distributed]', or leave --dask out")
    from distributed import Client, LocalCluster

    if workers.dask == LOCAL_DASK:
        cluster: Any = LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=max(workers.count, 1), threads_per_worker=1, processes=True, dashboard_address=None
        )
    else:
        cluster = None
    try:
        with Client(cluster or workers.dask) as client:  # type: ignore[no-untyped-call]
            slots = sum(client.nthreads().values()) or max(workers.count, 1)
            with parallel_config(backend="dask"):
                yield slots
    finally:
        if cluster is not None:
            cluster.close()


def _deaths() -> tuple[type[BaseException], ...]:
    """What is raised when a worker process is no more."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    found: list[type[BaseException]] = [BrokenProcessPool]
    if "distributed" in sys.modules:
        from distributed.scheduler import KilledWorker

        found.append(KilledWorker)
    return tuple(found)
