"""The one training loop."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Protocol, Self

import torch
from torch import Tensor, nn

from pxrdgen.errors import TrainingError
from pxrdgen.training import checkpoint
from pxrdgen.training.averaging import WeightAverage
from pxrdgen.training.batch import Rows, TrainingBatch, epoch_order, make_batch
from pxrdgen.training.checkpoint import Progress
from pxrdgen.training.corpus import Corpus
from pxrdgen.training.options import TrainingOptions
from pxrdgen.training.schedule import Schedule

_LOSS_DECAY = 0.99


class Trainable(Protocol):
    """A model the loop can train: a network and a loss per crystal."""

    @property
    def network(self) -> nn.Module:
        """The part that learns."""

    def with_network(self, network: nn.Module) -> Self:
        """The same model around a wrapped network."""

    def loss(self, batch: TrainingBatch, rng: torch.Generator) -> Tensor:
        """[B] loss of each crystal; all randomness comes from ``rng``."""


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """What is told about a stretch of training."""

    step: int
    loss: float
    rate: float
    crystals_per_second: float
    seconds: float
    seconds_left: float | None


def fit(
    model: Trainable,
    corpus: Corpus,
    folder: Path,
    options: TrainingOptions,
    *,
    schedule: Schedule | None = None,
    max_seconds: float = math.inf,
    report: Callable[[LogLine], None] | None = None,
) -> Progress:
    """Train from the newest checkpoint in ``folder`` (or from scratch) until the schedule or the time ends.

    A SIGTERM ends the run after the step under way, with a checkpoint. Steps depend on the seed and the step number
    alone, so a run that was killed continues to the same weights, bit for bit, on a CPU with the same threads.

    Raises:
        TrainingError: the loss is not a number; the last good checkpoint stays.
    """
    schedule = schedule or Schedule(peak=options.learning_rate, warmup=options.warmup)
    last_step = schedule.end if schedule.end is not None else options.steps
    network, optimizer, average, backward = _set_up(model, options)
    wrapped = model.with_network(network)
    progress = _resume(folder, model.network, average, optimizer)
    meter = _Meter(progress, schedule, last_step)
    with _StopRequest() as stop:
        for step in _steps(corpus, options, progress):
            if progress.step >= last_step or stop.requested or meter.elapsed > max_seconds:
                break
            for group in optimizer.param_groups:
                group["lr"] = schedule(progress.step)
            loss, crystals = _train_step(wrapped, corpus, step, options, progress.step, backward)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"got a loss of {loss} at step {progress.step}; the last good checkpoint is in {folder}. "
                    "Lower the learning rate and run again to continue from there"
                )
            torch.nn.utils.clip_grad_norm_(model.network.parameters(), options.clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            progress = meter.advance(step.after(progress), loss, crystals)
            average.update(model.network, progress.step)
            if progress.step % options.log_every == 0:
                _tell(report, meter.line())
            if progress.step % options.checkpoint_every == 0:
                checkpoint.save(folder, progress, model.network, average, optimizer)
                checkpoint.prune(folder, keep_last=2, keep_every=options.keep_every)
    checkpoint.save(folder, progress, model.network, average, optimizer)
    return progress


def _tell(report: Callable[[LogLine], None] | None, line: LogLine) -> None:
    if report is not None:
        report(line)


Backward = Callable[[Tensor], None]


def _set_up(
    model: Trainable, options: TrainingOptions
) -> tuple[nn.Module, torch.optim.Optimizer, WeightAverage, Backward]:
    from lightning_fabric import Fabric

    torch.set_num_threads(options.threads)
    fabric = Fabric(accelerator="cpu", devices=1)
    decayed = [p for p in model.network.parameters() if p.ndim > 1]
    plain = [p for p in model.network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": options.weight_decay}, {"params": plain, "weight_decay": 0.0}],
        lr=options.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    average = WeightAverage(model.network, options.ema)
    network, _ = fabric.setup(model.network, optimizer)
    return network, optimizer, average, fabric.backward


def _resume(folder: Path, network: nn.Module, average: WeightAverage, optimizer: torch.optim.Optimizer) -> Progress:
    folder.mkdir(parents=True, exist_ok=True)
    found = checkpoint.checkpoints(folder)
    return checkpoint.load(found[-1], network, average, optimizer) if found else Progress()


@dataclass(frozen=True, kw_only=True)
class _Step:
    """The micro-batches of one step and where in the epochs it lies."""

    epoch: int
    position: int
    micro: tuple[Rows, ...]

    def after(self, progress: Progress) -> Progress:
        """The progress once this step is done."""
        return replace(progress, step=progress.step + 1, epoch=self.epoch, position=self.position + 1)


def _steps(corpus: Corpus, options: TrainingOptions, progress: Progress) -> Iterator[_Step]:
    epoch, skip = progress.epoch, progress.position
    while True:
        order = epoch_order(corpus, atoms=options.atoms, per_step=options.per_step, seed=options.seed, epoch=epoch)
        empty = True
        for position, micro in enumerate(order):
            empty = False
            if position >= skip:
                yield _Step(epoch=epoch, position=position, micro=micro)
        if empty:
            raise TrainingError("got a corpus too small for one step; lower `atoms` or `per_step`")
        epoch, skip = epoch + 1, 0


def _train_step(
    model: Trainable, corpus: Corpus, step: _Step, options: TrainingOptions, number: int, backward: Backward
) -> tuple[float, int]:
    """Accumulate the gradient of the mean loss over all crystals of the step; returns that loss and their number."""
    rng = torch.Generator().manual_seed(options.seed * 1_000_003 + 7_919 + number)
    crystals = sum(len(rows.rows) for rows in step.micro)
    total = 0.0
    for rows in step.micro:
        batch = make_batch(corpus, rows, options.simulation, rng)
        loss = model.loss(batch, rng).sum() / crystals
        backward(loss)
        total += float(loss.detach())
    return total, crystals


class _Meter:
    """Running loss, throughput and time left."""

    def __init__(self, progress: Progress, schedule: Schedule, last_step: int) -> None:
        self._progress, self._schedule, self._last_step = progress, schedule, last_step
        self._start, self._before = time.monotonic(), progress.seconds
        self._window_start, self._window_step, self._window_crystals = self._start, progress.step, 0

    @property
    def elapsed(self) -> float:
        """Seconds of this process."""
        return time.monotonic() - self._start

    def advance(self, progress: Progress, loss: float, crystals: int) -> Progress:
        """Take in one step."""
        decay = min(_LOSS_DECAY, progress.step / (progress.step + 1))
        smooth = decay * progress.loss + (1 - decay) * loss
        self._window_crystals += crystals
        self._progress = replace(
            progress, crystals=progress.crystals + crystals, seconds=self._before + self.elapsed, loss=smooth
        )
        return self._progress

    def line(self) -> LogLine:
        """Summary of the stretch since the last call."""
        now, progress = time.monotonic(), self._progress
        span = max(now - self._window_start, 1e-9)
        per_step = span / max(progress.step - self._window_step, 1)
        line = LogLine(
            step=progress.step,
            loss=progress.loss,
            rate=self._schedule(progress.step),
            crystals_per_second=self._window_crystals / span,
            seconds=progress.seconds,
            seconds_left=(self._last_step - progress.step) * per_step if self._schedule.end is not None else None,
        )
        self._window_start, self._window_step, self._window_crystals = now, progress.step, 0
        return line


class _StopRequest:
    """Turns SIGTERM into a flag while training runs, where the main thread allows it."""

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> Self:
        try:
            self._previous = signal.signal(signal.SIGTERM, self._note)
        except ValueError:
            self._previous = None
        return self

    def __exit__(self, *details: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.requested = True
