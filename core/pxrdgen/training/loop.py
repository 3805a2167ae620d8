"""The one training loop."""

from __future__ import annotations

import math
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Self

import torch
from torch import Tensor, nn

from pxrdgen.errors import TrainingError
from pxrdgen.training import checkpoint
from pxrdgen.training.averaging import WeightAverage
from pxrdgen.training.checkpoint import Progress
from pxrdgen.training.corpus import Corpus
from pxrdgen.training.feed import CrystalFeed, Feed
from pxrdgen.training.options import TrainingOptions
from pxrdgen.training.schedule import Schedule
from pxrdgen.training.steps import Preparation, Ready, Step, made_ready
from pxrdgen.training.task import JointTrainable, Preparing, Trainable
from pxrdgen.training.workers import MixedPrecision, Workers

__all__ = ["LogLine", "Trainable", "fit"]

_LOSS_DECAY = 0.99
#: steps that a device may be ahead of what is known of them, by its type; elsewhere none.
_LAG = {"cuda": 1}
AnyTrainable = Trainable[Any] | JointTrainable[Any]


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
    model: AnyTrainable,
    data: Corpus | Feed[Any],
    folder: Path,
    options: TrainingOptions,
    *,
    schedule: Schedule | None = None,
    max_seconds: float = math.inf,
    report: Callable[[LogLine], None] | None = None,
) -> Progress:
    """Train from the newest checkpoint in ``folder`` (or from scratch) until the schedule or the time ends.

    A SIGTERM ends the run after the step under way, with a checkpoint. Steps depend on the seed and the step number
    alone, so a run that was killed continues to the same weights, bit for bit, on a CPU with the same threads. Random
    numbers are drawn on the device that trains; another device draws others.

    Args:
        model: what learns.
        data: crystals, whose patterns are then simulated on the fly, or a feed of the model's own batches.
        folder: of the checkpoints.
        options: optimiser, seeds, bookkeeping.
        schedule: learning rate by step; a constant one when left out.
        max_seconds: of this process.
        report: called with every log line.

    Raises:
        OptionError: the options do not fit the machine.
        TrainingError: the loss or its gradient is not a number; the last good checkpoint stays, and what the step
            was made of is kept in ``bad-step-<number>``.
    """
    feed: Feed[Any] = CrystalFeed(data) if isinstance(data, Corpus) else data
    if options.device != "cpu" and not isinstance(feed, CrystalFeed):
        raise TrainingError(
            f"got the device {options.device} for a component that makes its micro-batches on the processor; "
            "train it with 'device: cpu'"
        )
    schedule = schedule or Schedule(peak=options.learning_rate, warmup=options.warmup)
    last_step = schedule.end if schedule.end is not None else options.steps
    workers = Workers.launch(options)
    if workers.fabric.world_size > 1 and isinstance(model, JointTrainable):
        raise TrainingError(
            f"got {workers.fabric.world_size} processes for a loss that couples all crystals of a step; use one"
        )
    optimizer, average = _set_up(model, options, workers.device)
    in_precision = options.precision == "bfloat16"
    wrapped = model.with_network(MixedPrecision(model.network)) if in_precision else model
    meter = _Meter(_resume(folder, model.network, average, optimizer), schedule, last_step)
    account = _Account(meter, folder, options)
    stops = meter.elapsed > max_seconds
    ready = made_ready(Preparation(feed=feed, model=model, options=options, workers=workers), meter.progress)
    with _StopRequest() as stop, closing(ready):
        for step, parts in ready:
            if step.number >= last_step or stops:
                break
            for group in optimizer.param_groups:
                group["lr"] = schedule(step.number)
            loss, contents = _train_step(wrapped, parts, step.crystals, workers.device)
            loss, stops = workers.summed(model.network, loss, stop.requested or meter.elapsed > max_seconds)
            norm = torch.nn.utils.clip_grad_norm_(model.network.parameters(), options.clip)
            account.add(_Taken(step=step, loss=loss, norm=norm, contents=contents))
            account.settle(lag=_LAG.get(workers.device.type, 0))
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            average.update(model.network, step.number + 1)
            if meter.due(options.log_every) and workers.is_first:
                _tell(report, meter.line())
            if (step.number + 1) % options.checkpoint_every == 0:
                account.settle()
                if workers.is_first:
                    checkpoint.save(folder, meter.progress, model.network, average, optimizer)
                    checkpoint.prune(folder, keep_last=2, keep_every=options.keep_every)
    account.settle()
    if workers.is_first:
        checkpoint.save(folder, meter.progress, model.network, average, optimizer)
    workers.wait()
    return meter.progress


def _tell(report: Callable[[LogLine], None] | None, line: LogLine) -> None:
    if report is not None:
        report(line)


def _set_up(
    model: AnyTrainable, options: TrainingOptions, device: torch.device
) -> tuple[torch.optim.Optimizer, WeightAverage]:
    model.network.to(device)
    decayed = [p for p in model.network.parameters() if p.ndim > 1]
    plain = [p for p in model.network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": options.weight_decay}, {"params": plain, "weight_decay": 0.0}],
        lr=options.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    model.network.train()
    return optimizer, WeightAverage(model.network, options.ema)


def _resume(folder: Path, network: nn.Module, average: WeightAverage, optimizer: torch.optim.Optimizer) -> Progress:
    folder.mkdir(parents=True, exist_ok=True)
    found = checkpoint.checkpoints(folder)
    return checkpoint.load(found[-1], network, average, optimizer) if found else Progress()


def _train_step(
    model: AnyTrainable, parts: Iterable[Ready], crystals: int, device: torch.device
) -> tuple[Tensor, list[Ready]]:
    """Accumulate this process' part of the gradient of the mean loss over all ``crystals`` of the step.

    Returns its part of that loss, and what it was computed from; the device is not waited for.
    """
    total = torch.zeros((), device=device)
    used = []
    with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
        for part in parts:
            part.wait()
            torch.default_generator.manual_seed(part.seed)
            if device.type == "cuda":
                torch.cuda.manual_seed(part.seed)
            if isinstance(model, JointTrainable):
                losses = model.joint_loss(part.content, part.rng)
            elif isinstance(model, Preparing):
                losses = model.prepared_loss(part.content)
            else:
                losses = model.loss(part.content, part.rng)
            share = losses.sum() / crystals
            share.backward()  # type: ignore[no-untyped-call]
            total += share.detach()
            used.append(part)
    return total, used


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """A step whose numbers the device may still be computing.

    Args:
        step: which.
        loss, norm: [] the mean loss and the norm of its gradient.
        contents: what the device reads meanwhile, kept from being overwritten.
    """

    step: Step
    loss: Tensor
    norm: Tensor
    contents: list[Ready]


class _Account:
    """Steps taken and not looked at yet: a GPU is given the next step before the last one's loss is read."""

    def __init__(self, meter: _Meter, folder: Path, options: TrainingOptions) -> None:
        self._meter, self._folder, self._options = meter, folder, options
        self._open: deque[_Taken] = deque()

    def add(self, taken: _Taken) -> None:
        """Note a step."""
        self._open.append(taken)

    def settle(self, lag: int = 0) -> None:
        """Look at all steps but the newest ``lag``.

        Raises:
            TrainingError: the loss or its gradient is not a number.
        """
        while len(self._open) > lag:
            taken = self._open.popleft()
            loss, norm = float(taken.loss), float(taken.norm)
            number = taken.step.number
            if not (math.isfinite(loss) and math.isfinite(norm)):
                kept = checkpoint.keep_bad_step(self._folder, number, self._options.seed, taken.step.micro)
                raise TrainingError(
                    f"got a loss of {loss} and a gradient of {norm} at step {number}; its crystals are listed "
                    f"in {kept}, the last good checkpoint is in {self._folder}. "
                    "Lower the learning rate and run again to continue from there"
                )
            self._meter.advance(taken.step, loss)


class _Meter:
    """Progress, running loss, throughput and time left."""

    def __init__(self, progress: Progress, schedule: Schedule, last_step: int) -> None:
        self.progress, self._schedule, self._last_step = progress, schedule, last_step
        self._start, self._before = time.monotonic(), progress.seconds
        self._window_start, self._window_step, self._window_crystals = self._start, progress.step, 0

    @property
    def elapsed(self) -> float:
        """Seconds of this process."""
        return time.monotonic() - self._start

    def advance(self, step: Step, loss: float) -> None:
        """Take in one step."""
        progress = step.after(self.progress)
        decay = min(_LOSS_DECAY, progress.step / (progress.step + 1))
        smooth = decay * progress.loss + (1 - decay) * loss
        self._window_crystals += step.crystals
        self.progress = replace(
            progress, crystals=progress.crystals + step.crystals, seconds=self._before + self.elapsed, loss=smooth
        )

    def due(self, every: int) -> bool:
        """Whether a line is to be told, one in ``every`` steps."""
        return self.progress.step % every == 0 and self.progress.step > self._window_step

    def line(self) -> LogLine:
        """Summary of the stretch since the last call."""
        now, progress = time.monotonic(), self.progress
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
