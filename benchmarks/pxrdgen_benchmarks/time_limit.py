"""A bound on how long a block of code may run."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the block after ``seconds``; inside another limit, after what is left of that one if that is less.

    Works in the main thread of a process on systems with ``SIGALRM``, which workers are; elsewhere there is no limit.

    Raises:
        TimeoutError: the block took longer.
    """
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    started = time.monotonic()
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    allowed = min(seconds, left) if left else seconds

    def stop(*_: object) -> None:
        raise TimeoutError(f"took longer than {allowed:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, allowed)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - started), 1e-3))
