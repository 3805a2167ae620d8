"""The search on several cores: islands that search by themselves, their populations joined at the end.

Each island is a fresh interpreter (``python -m pxrdgen_solver.search.island``) that is handed the problem through its
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType, TracebackType
from typing import IO, Any, Self

from pxrdgen.interfaces.structure_generator import StructureGenerator
from pxrdgen.values.candidates import GroupTrial
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.problem import StructureProblem
from pxrdgen_solver.search.pool import Pool, joined
from pxrdgen_solver.search.search import PERFECT, SearchSettings

#: seconds that an island which has something to say is waited for.
PATIENCE = 20.0
#: seeds of islands lie this far apart.
SEED_STEP = 7919

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, kw_only=True)
class Task:
    """What an island searches."""

    problem: StructureProblem
    target: IntensityTarget
    generators: Mapping[str, StructureGenerator]
    settings: SearchSettings
    seed: int


@dataclass(frozen=True, kw_only=True)
class News:
    """What an island says after each round, and at the end with its population."""

    best_score: float
    pool: Pool | None = None
    trials: tuple[GroupTrial, ...] = ()


class Islands:
    """``count`` islands at work while the block runs.

    Args:
        task: for all of them; each gets a seed of its own.
    """

    def __init__(self, task: Task, count: int) -> None:
        self._islands = [_Island(replace(task, seed=task.seed + SEED_STEP * (number + 1))) for number in range(count)]

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

    def results(self, patience: float = PATIENCE) -> list[News]:
        """Populations of the islands that have one; those still starting are not waited for."""
        started = [island for island in self._islands if island.has_begun]
        for island in started:
            island.stop()
        deadline = time.monotonic() + patience
        found = [island.result(max(deadline - time.monotonic(), 0.0)) for island in started]
        return [news for news in found if news is not None]


class _Island:
    def __init__(self, task: Task) -> None:
        self.best_score, self.has_begun = float("inf"), False
        self._last: News | None = None
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
                self._last, self.best_score, self.has_begun = news, news.best_score, True
        except (OSError, ValueError, EOFError, pickle.UnpicklingError):
            return  # an island that breaks down is one fewer to hear from

    def stop(self) -> None:
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
        except OSError:
            return

    def result(self, patience: float) -> News | None:
        self._reader.join(patience)
        return self._last if self._last is not None and self._last.pool is not None else None

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


def merged(
    pool: Pool, trials: Sequence[GroupTrial], news: Sequence[News], keep: int, groups: int
) -> tuple[Pool, tuple[GroupTrial, ...]]:
    """One population and one record of the space groups from this process's and the islands'."""
    pools = [entry.pool for entry in news if entry.pool is not None]
    if pools:
        pool = replace(
            joined([pool, *pools]).best_of_each(keep, groups), rounds=pool.rounds + sum(p.rounds for p in pools)
        )
    found: dict[tuple[int, str, float], GroupTrial] = {}
    for trial in (*trials, *(trial for entry in news for trial in entry.trials)):
        key = (trial.space_group_number, trial.space_group_symbol, trial.probability)
        known = found.get(key)
        if known is None:
            found[key] = trial
            continue
        best = min(known, trial, key=lambda one: one.best_score)
        found[key] = replace(
            best, starts=known.starts + trial.starts, assignments=max(known.assignments, trial.assignments)
        )
    return pool, tuple(sorted(found.values(), key=lambda trial: (trial.best_score, -trial.probability)))


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
