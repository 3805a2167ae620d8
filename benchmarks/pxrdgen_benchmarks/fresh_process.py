"""Memory is measured in a process that has done nothing else."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")


def in_fresh_process(action: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> tuple[Result, float]:
    """What ``action`` returns in a new Python, and the peak memory of that process, MB."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(action, *args, **kwargs).result(), pool.submit(peak_mb).result()


def peak_mb() -> float:
    """Most memory this process has held so far, MB."""
    status = Path("/proc/self/status")
    if status.is_file():  # the system's other figure, ru_maxrss, counts what the parent held
        (line,) = (line for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) / 1024.0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
