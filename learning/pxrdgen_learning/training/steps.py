"""The steps of a training in their order, with all that is made ready before the network sees them.

What a micro-batch holds depends on the run's seed, the step and its place in the step alone, so it does not matter when
or on which thread it is made.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from pxrdgen.errors import TrainingError
from pxrdgen.interfaces.trainable import Feed, JointTrainable, Preparing
from pxrdgen_learning.training.batch import Rows
from pxrdgen_learning.training.checkpoint import Progress
from pxrdgen_learning.training.options import TrainingOptions
from pxrdgen_learning.training.workers import Workers


@dataclass(frozen=True, kw_only=True)
class Step:
    """The micro-batches of one step, how many steps came before, and where in the epochs it lies."""

    number: int
    epoch: int
    position: int
    micro: tuple[Rows, ...]

    @property
    def crystals(self) -> int:
        """Of all micro-batches."""
        return sum(len(rows.rows) for rows in self.micro)

    def after(self, progress: Progress) -> Progress:
        """The progress once this step is done."""
        return replace(progress, step=progress.step + 1, epoch=self.epoch, position=self.position + 1)


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What a loss takes: a micro-batch, what the model prepared of it, or all of a step where they hang together.

    Args:
        content: that.
        rng: source of the randomness that is left, on the device.
        seed: of this micro-batch; for what draws from torch's global generator, such as dropout.
        made: on a GPU, when the content will be there, if another stream is working on it.
    """

    content: Any
    rng: torch.Generator
    seed: int
    made: torch.cuda.Event | None = None

    def wait(self) -> None:
        """Have the work that follows on this thread's stream begin after the content is there."""
        if self.made is not None:
            torch.cuda.current_stream().wait_event(self.made)


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Makes micro-batches ready for a model."""

    feed: Feed[Any]
    model: object
    options: TrainingOptions
    workers: Workers

    def tasks(self, step: Step) -> list[Callable[[], Ready]]:
        """One call for each loss of this process."""
        if isinstance(self.model, JointTrainable):
            return [partial(self._joint, step)]
        return [partial(self._one, step, place, rows) for place, rows in self.workers.share(step.micro)]

    def aside(self, task: Callable[[], Ready]) -> Ready:
        """What a task makes; on a GPU in a stream of this thread's own, so that waiting there keeps nobody else."""
        if self.workers.device.type != "cuda":
            return task()
        with torch.cuda.stream(_own_stream(self.workers.device)):
            ready = task()
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
        return replace(ready, made=event)

    def _one(self, step: Step, place: int, rows: Rows) -> Ready:
        seed, rng = self._seeded(step, place)
        batch = self.feed.batch(rows, self.options, rng)
        content = self.model.prepare(batch, rng) if isinstance(self.model, Preparing) else batch
        return Ready(content=content, rng=rng, seed=seed)

    def _joint(self, step: Step) -> Ready:
        seed, rng = self._seeded(step, 0)
        return Ready(content=[self.feed.batch(rows, self.options, rng) for rows in step.micro], rng=rng, seed=seed)

    def _seeded(self, step: Step, place: int) -> tuple[int, torch.Generator]:
        seed = ((self.options.seed * 1_000_003 + 7_919 + step.number) * 1_009 + place) % 2**63
        return seed, torch.Generator(device=self.workers.device).manual_seed(seed)


def steps(feed: Feed[Any], options: TrainingOptions, progress: Progress) -> Iterator[Step]:
    """Steps without end, from where ``progress`` stands.

    Raises:
        TrainingError: an epoch has no step.
    """
    number, epoch, skip = progress.step, progress.epoch, progress.position
    while True:
        empty = True
        for position, micro in enumerate(feed.order(options, epoch)):
            empty = False
            if position >= skip:
                yield Step(number=number, epoch=epoch, position=position, micro=micro)
                number += 1
        if empty:
            raise TrainingError("got a corpus too small for one step; lower `atoms` or `per_step`")
        epoch, skip = epoch + 1, 0


def made_ready(preparation: Preparation, progress: Progress) -> Generator[tuple[Step, Iterator[Ready]], None, None]:
    """Each step with its micro-batches; they are made when asked for, or ahead of time where threads may be used."""
    coming = steps(preparation.feed, preparation.options, progress)
    threads = preparation.options.prefetch
    if threads == 0:
        for step in coming:
            yield step, (task() for task in preparation.tasks(step))
        return
    if preparation.workers.device.type == "cuda":
        # torch loads its linear algebra at the first use, which several threads at once would make fail
        torch.linalg.inv(torch.eye(1, device=preparation.workers.device))
    pool = ThreadPoolExecutor(threads, thread_name_prefix="prefetch")
    try:
        waiting: deque[tuple[Step, list[Future[Ready]]]] = deque()
        for step in coming:
            waiting.append((step, [pool.submit(preparation.aside, task) for task in preparation.tasks(step)]))
            if len(waiting) > threads:
                first, futures = waiting.popleft()
                yield first, (future.result() for future in futures)
    finally:
        pool.shutdown(cancel_futures=True)


_own = threading.local()


def _own_stream(device: torch.device) -> torch.cuda.Stream:
    """A stream for each thread."""
    if not hasattr(_own, "stream"):
        _own.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream: torch.cuda.Stream = _own.stream
    return stream
