"""A bound on how long a block of code may run."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class _TimeUp(BaseException):
    """Raised inside the block, past every ``except Exception`` in it; its own limit turns it into an error."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the block after ``seconds``; limits nest, and an outer one goes on counting inside an inner one.

    Works in the main thread of a process on systems with ``SIGALRM``, which workers are; elsewhere there is no limit.

    Raises:
        TimeoutError: the block took longer.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    started = time.monotonic()
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    own, outer = started + seconds, started + left if left else math.inf

    def stop(*_: object) -> None:
        raise _TimeUp

    before = signal.signal(signal.SIGALRM, stop)
    try:
        # the shortest of limits is up before the block begins
        signal.setitimer(signal.ITIMER_REAL, max(min(own, outer) - started, 1e-6))
        yield
    except _TimeUp:
        if outer < own:
            raise
        raise TimeoutError(f"took longer than {seconds:g} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        if outer < math.inf:
            signal.setitimer(signal.ITIMER_REAL, max(outer - time.monotonic(), 1e-3))
