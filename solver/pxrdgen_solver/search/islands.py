"""The search on several cores: islands that search by themselves under the same rules as this process.

Each island is a fresh interpreter (``python -m pxrdgen_solver.search.island``) that is handed the task through its
standard input and answers through its standard output, so that a script which calls :func:`pxrdgen.solve` needs no
guard. It ends when its input closes, hence also when this process dies.
"""

from __future__ import annotations

import io
import os
import pickle  # speaks with processes it started itself; nothing from outside is read
import struct
import subprocess  # starts this interpreter with a module of this package, nothing else
import sys
import threading
import time
from dataclasses import dataclass, replace
from types import MappingProxyType, TracebackType
from typing import IO, Any, Self

from pxrdgen_solver.search.search import PERFECT
from pxrdgen_solver.search.searches import Found, Task

#: seconds that an island which has something to say is waited for, once it was told to stop.
SECONDS_TO_ANSWER = 20.0
#: an island that counts rounds is given up after so many seconds without a word of a round done.
SILENCE = 120.0

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, kw_only=True)
class News:
    """What an island says after each round, and after each stretch with what it found.

    Args:
        best_score: so far.
        stretch: number of the stretch that has ended; ``None`` within one.
        found: of each of its searches, where a stretch has ended.
    """

    best_score: float = float("inf")
    stretch: int | None = None
    found: tuple[Found, ...] = ()


class Islands:
    """Islands at work while the block runs, one for each set of places.

    Args:
        task: for all of them.
        places: of the searches of each.
    """

    def __init__(self, task: Task, places: tuple[tuple[int, ...], ...]) -> None:
        self._islands = [_Island(replace(task, places=own)) for own in places]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for island in self._islands:
            island.end()

    def solved(self) -> bool:
        """Whether one of them has found a fit that leaves nothing to explain."""
        return any(island.best_score < PERFECT for island in self._islands)

    def after(self, stretch: int) -> list[Found]:
        """What they had found when that stretch ended; waited for as long as they work. One that died is left out."""
        return [found for island in self._islands for found in island.after(stretch)]

    def stop(self, patience: float = SECONDS_TO_ANSWER) -> list[Found]:
        """End the searches; what they have found. Those that have not begun are not waited for."""
        begun = [island for island in self._islands if island.has_begun]
        for island in begun:
            island.stop()
        deadline = time.monotonic() + patience
        return [found for island in begun for found in island.last(max(deadline - time.monotonic(), 0.0))]


class _Island:
    def __init__(self, task: Task) -> None:
        self.best_score, self.has_begun = float("inf"), False
        self._ended: dict[int, tuple[Found, ...]] = {}
        self._heard, self._over = threading.Condition(), False
        self._rounds = 0
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pxrdgen_solver.search.island"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **threads},
            start_new_session=True,  # Ctrl-C is this process's business
        )
        self._reader = threading.Thread(target=self._talk, args=(task,), daemon=True)
        self._reader.start()

    def _talk(self, task: Task) -> None:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("an island was started without pipes")
        try:
            send(self._process.stdin, task)
            while (news := receive(self._process.stdout)) is not None:
                self._take(news)
        except (OSError, ValueError, EOFError, pickle.UnpicklingError):
            pass  # an island that breaks down is one fewer to hear from
        finally:
            with self._heard:
                self._over = True
                self._heard.notify_all()

    def _take(self, news: News) -> None:
        with self._heard:
            self.best_score, self.has_begun = min(news.best_score, self.best_score), True
            self._rounds += 1
            if news.stretch is not None:
                self._ended[news.stretch] = news.found
            self._heard.notify_all()

    def after(self, stretch: int) -> tuple[Found, ...]:
        with self._heard:
            while stretch not in self._ended and not self._over:
                before = self._rounds
                if not self._heard.wait(SILENCE) and self._rounds == before:
                    break
            return self._ended.get(stretch, ())

    def stop(self) -> None:
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
        except OSError:
            return

    def last(self, patience: float) -> tuple[Found, ...]:
        self._reader.join(patience)
        with self._heard:
            return self._ended[max(self._ended)] if self._ended else ()

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            try:
                if stream is not None:
                    stream.close()
            except OSError:
                continue


def send(stream: IO[bytes], value: object) -> None:
    """Write a value with its length before it."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    data = buffer.getvalue()
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """The next value a process of ours has sent; ``None`` at the end."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    return pickle.loads(stream.read(_LENGTH.unpack(head)[0]))  # noqa: S301


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, MappingProxyType):
            return frozen, (dict(value),)
        return NotImplemented


def frozen(entries: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    """A read-only mapping; what is sent in place of one."""
    return MappingProxyType(entries)


def default_processes() -> int:
    """One for each core this process may use, at most 8."""
    if hasattr(os, "sched_getaffinity"):
        return min(max(len(os.sched_getaffinity(0)), 1), 8)
    return min(os.cpu_count() or 1, 8)
