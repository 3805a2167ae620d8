"""What is known of the steps taken: progress, running loss, throughput, time left."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from pxrdgen.errors import TrainingError
from pxrdgen_learning.training import checkpoint
from pxrdgen_learning.training.checkpoint import Progress
from pxrdgen_learning.training.options import TrainingOptions
from pxrdgen_learning.training.schedule import Schedule
from pxrdgen_learning.training.steps import Ready, Step

_LOSS_DECAY = 0.99


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """What is told about a stretch of training."""

    step: int
    loss: float
    rate: float
    crystals_per_second: float
    seconds: float
    seconds_left: float | None


@dataclass(frozen=True, kw_only=True)
class Taken:
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


class Account:
    """Steps taken and not looked at yet, and what those that were add up to.

    A GPU is given the next step before the loss of the last one is read.

    Args:
        progress: where the run stood.
        folder: of the run.
        options, schedule: of the run.
        last_step: where it ends.
        report: called with every log line.
    """

    def __init__(
        self,
        progress: Progress,
        folder: Path,
        options: TrainingOptions,
        schedule: Schedule,
        last_step: int,
        report: Callable[[LogLine], None] | None,
    ) -> None:
        self.progress, self._folder, self._options = progress, folder, options
        self._schedule, self._last_step, self._report = schedule, last_step, report
        self._open: deque[Taken] = deque()
        self._start, self._before = time.monotonic(), progress.seconds
        self._window_start, self._window_step, self._window_crystals = self._start, progress.step, 0

    @property
    def elapsed(self) -> float:
        """Seconds of this process."""
        return time.monotonic() - self._start

    def add(self, taken: Taken) -> None:
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
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise self._bad(taken.step, loss, norm)
            self._advance(taken.step, loss)
            if self.progress.step % self._options.log_every == 0 and self._report is not None:
                self._report(self._line())

    def _bad(self, step: Step, loss: float, norm: float) -> TrainingError:
        kept = checkpoint.keep_bad_step(self._folder, step.number, self._options.seed, step.micro)
        return TrainingError(
            f"got a loss of {loss} and a gradient of {norm} at step {step.number}; its crystals are listed "
            f"in {kept}, the last good checkpoint is in {self._folder}. "
            "Lower the learning rate and run again to continue from there"
        )

    def _advance(self, step: Step, loss: float) -> None:
        progress = step.after(self.progress)
        decay = min(_LOSS_DECAY, progress.step / (progress.step + 1))
        smooth = decay * progress.loss + (1 - decay) * loss
        self._window_crystals += step.crystals
        self.progress = replace(
            progress, crystals=progress.crystals + step.crystals, seconds=self._before + self.elapsed, loss=smooth
        )

    def _line(self) -> LogLine:
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
