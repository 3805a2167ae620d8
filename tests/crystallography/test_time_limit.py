"""Limits on time nest: the inner one ends its own block, the outer one goes on counting."""

from __future__ import annotations

import contextlib
import signal
import time

import pytest

from pxrdgen_crystallography.time_limit import time_limit


def wait(limit: float | None = None) -> None:
    """Swallows every ordinary exception, as a search does with a stranger's."""
    if limit is not None:
        with time_limit(limit):
            return wait()
    deadline = time.monotonic() + 20.0
    while time.monotonic() < deadline:
        with contextlib.suppress(Exception):
            time.sleep(0.05)
    raise AssertionError("nobody ended the block")


def wait_again_and_again(limit: float) -> None:
    for _ in range(3):
        with contextlib.suppress(TimeoutError):
            wait(limit)
    wait()


def test_a_block_that_swallows_exceptions_is_ended_all_the_same() -> None:
    with pytest.raises(TimeoutError, match=r"0\.1 s"), time_limit(0.1):
        wait()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_inner_limit_leaves_the_outer_one_running() -> None:
    with pytest.raises(TimeoutError, match=r"0\.4 s"), time_limit(0.4):
        wait_again_and_again(0.05)


def test_an_outer_limit_ends_an_inner_block_that_has_time_left() -> None:
    with pytest.raises(TimeoutError, match=r"0\.1 s"), time_limit(0.1), contextlib.suppress(TimeoutError):
        wait(20.0)
