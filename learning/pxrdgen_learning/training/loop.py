"""The one training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pxrdgen.errors import TrainingError
from pxrdgen.interfaces.trainable import Feed, JointTrainable, Preparing, Trainable
from pxrdgen_learning.training import checkpoint
from pxrdgen_learning.training.account import Account, LogLine, Taken
from pxrdgen_learning.training.averaging import WeightAverage
from pxrdgen_learning.training.checkpoint import Progress
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.feed import CrystalFeed
from pxrdgen_learning.training.options import TrainingOptions
from pxrdgen_learning.training.schedule import Schedule
from pxrdgen_learning.training.steps import Preparation, Ready, made_ready
from pxrdgen_learning.training.stopping import StopRequest
from pxrdgen_learning.training.workers import MixedPrecision, Workers

__all__ = ["LogLine", "Trainable", "fit"]

#: steps that a device may be ahead of what is known of them, by its type; elsewhere none.
_LAG = {"cuda": 1}
AnyTrainable = Trainable[Any] | JointTrainable[Any]


def fit(
    model: AnyTrainable,
    data: Corpus | Feed[Any],
    folder: Path,
    options: TrainingOptions,
    *,
    schedule: Schedule | None = None,
    max_seconds: float = math.inf,
    report: Callable[[LogLine], None] | None = None,
    stop: StopRequest | None = None,
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
        stop: a request to end after the step under way; SIGTERM makes one unless given.

    Raises:
        OptionError: the options do not fit the machine.
        TrainingError: the loss or its gradient is not a number; the last good checkpoint stays, and what the step
            was made of is kept in ``bad-step-<number>.json``. On a GPU it is noticed one step later; no checkpoint is
            written in between.
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
    progress = _resume(folder, model.network, average, optimizer)
    account = Account(progress, folder, options, schedule, last_step, report if workers.is_first else None)
    stops = account.elapsed > max_seconds
    ready = made_ready(Preparation(feed=feed, model=model, options=options, workers=workers), progress)
    with nullcontext(stop) if stop else StopRequest() as asked, closing(ready):
        for step, parts in ready:
            if step.number >= last_step or stops:
                break
            for group in optimizer.param_groups:
                group["lr"] = schedule(step.number)
            loss, contents = _train_step(wrapped, parts, step.crystals, workers.device)
            loss, stops = workers.summed(model.network, loss, asked.requested or account.elapsed > max_seconds)
            norm = torch.nn.utils.clip_grad_norm_(model.network.parameters(), options.clip)
            account.add(Taken(step=step, loss=loss, norm=norm, contents=contents))
            account.settle(lag=_LAG.get(workers.device.type, 0))
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            average.update(model.network, step.number + 1)
            if (step.number + 1) % options.checkpoint_every == 0:
                account.settle()
                if workers.is_first:
                    checkpoint.save(folder, account.progress, model.network, average, optimizer)
                    checkpoint.prune(folder, keep_last=2, keep_every=options.keep_every)
    account.settle()
    if workers.is_first:
        checkpoint.save(folder, account.progress, model.network, average, optimizer)
    workers.wait()
    return account.progress


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
    _learn(model.network)
    return optimizer, WeightAverage(model.network, options.ema)


def _learn(network: nn.Module) -> None:
    """Training mode, but for parts none of whose parameters learn: their dropout stays off, their statistics fixed."""
    network.train()
    for part in network.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()


def _resume(folder: Path, network: nn.Module, average: WeightAverage, optimizer: torch.optim.Optimizer) -> Progress:
    folder.mkdir(parents=True, exist_ok=True)
    found = checkpoint.checkpoints(folder)
    return checkpoint.load(found[-1], network, average, optimizer) if found else Progress()


def _train_step(
    model: AnyTrainable, parts: Iterable[Ready], crystals: int, device: torch.device
) -> tuple[Tensor, list[Ready]]:
    """Accumulate this process' part of the gradient of the mean loss over all ``crystals`` of the step.

    Returns its part of that loss, which is not waited for, and what it was computed from.
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
