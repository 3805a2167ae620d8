"""Runs on disk: a spec, a folder of checkpoints, a log, cooldowns that branch off."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pxrdgen.errors import OptionError, TrainingError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.trainable import (
    Feed,
    FeedingComponent,
    JointTrainable,
    Trainable,
    TrainableComponent,
)
from pxrdgen.plugins.loading import load_target
from pxrdgen.plugins.registry import default_registry
from pxrdgen_learning.data.dataset_sources import read_dataset
from pxrdgen_learning.training.checkpoint import Progress, checkpoints, read_progress
from pxrdgen_learning.training.contrastive import ContrastiveTask, PairedEncoders
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.feed import CrystalFeed
from pxrdgen_learning.training.loop import LogLine, fit
from pxrdgen_learning.training.parts import TrainedPart
from pxrdgen_learning.training.schedule import Schedule
from pxrdgen_learning.training.spec import ContrastiveOptions, CorpusOptions, TrainingSpec, read_training_spec
from pxrdgen_learning.training.stopping import StopRequest

SPEC_FILE = "spec.json"
_LOG = "log.jsonl"
_PLAN = "cooldown.json"
Report = Callable[[LogLine], None]


def build(spec: TrainingSpec) -> Trainable[Any] | JointTrainable[Any]:
    """The model of a spec, with weights drawn from its seed.

    Raises:
        OptionError: the component is not one that learns.
    """
    with torch.random.fork_rng():
        torch.manual_seed(spec.training.seed)
        return _contrastive(spec) if spec.kind is ComponentKind.ENCODER else _component(spec)


def _component(spec: TrainingSpec) -> Trainable[Any]:
    registry = default_registry()
    settled = registry.settle(spec.kind, spec.component, untrained=True)
    target = load_target(settled.component)
    if not isinstance(target, TrainableComponent):
        raise OptionError(f"got the {spec.kind} {spec.component.plugin!r}, which has nothing to train")
    return settled.filled(lambda: target.trainable(settled.options, **registry.parts(settled.options)))


def _contrastive(spec: TrainingSpec) -> ContrastiveTask:
    registry, contrast = default_registry(), spec.contrastive or ContrastiveOptions()
    chosen = (
        (ComponentKind.ENCODER, spec.component, "", "pattern."),
        (ComponentKind.STRUCTURE_ENCODER, contrast.structure_encoder, "_structure", "structure."),
    )
    parts = tuple(
        TrainedPart(kind=kind, component=part, suffix=suffix, prefix=prefix) for kind, part, suffix, prefix in chosen
    )
    pattern, structure = (registry.build(part.kind, part.component) for part in parts)
    encoders = PairedEncoders(pattern, structure, contrast.temperature, learn_temperature=contrast.learn_temperature)
    return ContrastiveTask(encoders=encoders, grid=encoders.grid, simulation=spec.training.simulation, parts=parts)


def feed_of(spec: TrainingSpec, corpus: Corpus) -> Feed[Any]:
    """What the model of a spec is fed with: the component's own batches of the corpus where it makes any."""
    registry = default_registry()
    settled = registry.settle(spec.kind, spec.component, untrained=True)
    target = load_target(settled.component)
    return target.feed(corpus, settled.options) if isinstance(target, FeedingComponent) else CrystalFeed(corpus)


def load_corpus(options: CorpusOptions) -> Corpus:
    """The crystals of a spec."""
    dataset = read_dataset(options.path).dataset
    dataset = dataset.select(split=options.split or None, max_atoms=options.max_atoms)
    return Corpus.from_dataset(dataset, max_volume=options.max_volume, weights=options.weights)


def train(
    spec: TrainingSpec,
    folder: Path,
    *,
    max_seconds: float = math.inf,
    report: Report | None = None,
    stop: StopRequest | None = None,
) -> Progress:
    """Train in ``folder``, continuing from its newest checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPEC_FILE).write_text(spec.model_dump_json(indent=1))
    data = feed_of(spec, load_corpus(spec.corpus))
    return fit(
        build(spec), data, folder, spec.training, max_seconds=max_seconds, report=_logged(folder, report), stop=stop
    )


def train_and_cool_down(
    spec: TrainingSpec, folder: Path, *, seconds: float, share: float, report: Report | None = None
) -> tuple[Path, Progress]:
    """Train for ``seconds`` of which the last ``share`` are a cooldown; returns the folder of the result.

    Stopped in the cooldown and called again, it goes on with that. Stopped before, it returns the run's own folder.

    Raises:
        OptionError: several processes, which cannot branch off a run together, or no end.
    """
    if spec.training.processes > 1:
        raise OptionError(
            f"got {spec.training.processes} processes and a cooldown; train first, then use 'pxrdgen train cooldown'"
        )
    if math.isinf(seconds):
        raise OptionError(f"got a cooldown of {share:g} of a time without end; give --hours as well")
    with StopRequest() as stop:
        begun = checkpoints(folder)
        if not (begun and (_branch(folder, read_progress(begun[-1])) / _PLAN).exists()):
            progress = train(spec, folder, max_seconds=seconds * (1.0 - share), report=report, stop=stop)
            if stop.requested:
                return folder, progress
        return cool_down(folder, minutes=seconds * share / 60.0, report=report, stop=stop)


def _branch(folder: Path, start: Progress) -> Path:
    return folder / f"cooldown-{start.step:08d}"


def cool_down(
    folder: Path,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    report: Report | None = None,
    stop: StopRequest | None = None,
) -> tuple[Path, Progress]:
    """Branch off a run's newest checkpoint into ``cooldown-<step>`` and anneal there; repeat to continue after a kill.

    Args:
        folder: of the run.
        minutes: length, by the throughput of the last stretch; or
        steps: length in steps.

    Raises:
        TrainingError: there is no checkpoint to start from.
    """
    spec = read_training_spec(folder / SPEC_FILE)
    found = checkpoints(folder)
    if not found:
        raise TrainingError(f"got {folder} without a checkpoint; expected a run to cool down")
    start = read_progress(found[-1])
    branch = _branch(folder, start)
    plan = branch / _PLAN
    if not plan.exists():
        length = steps or max(1, round(60.0 * (5.0 if minutes is None else minutes) * _steps_per_second(folder, start)))
        _branch_off(found[-1], branch)
        (branch / SPEC_FILE).write_text(spec.model_dump_json(indent=1))
        plan.write_text(json.dumps({"cooldown_start": start.step, "cooldown_steps": length}))
    schedule = Schedule(peak=spec.training.learning_rate, warmup=spec.training.warmup, **json.loads(plan.read_text()))
    data = feed_of(spec, load_corpus(spec.corpus))
    progress = fit(
        build(spec), data, branch, spec.training, schedule=schedule, report=_logged(branch, report), stop=stop
    )
    return branch, progress


def _branch_off(source: Path, branch: Path) -> None:
    branch.mkdir(exist_ok=True)
    if not checkpoints(branch):
        copy = branch / f".copy-{source.name}"
        shutil.copytree(source, copy, dirs_exist_ok=True)
        copy.rename(branch / source.name)


def _steps_per_second(folder: Path, progress: Progress) -> float:
    """Throughput of the last hundred logged steps or so, else of the whole run."""
    lines = (folder / _LOG).read_text().splitlines()[-6:] if (folder / _LOG).exists() else []
    if len(lines) > 1:
        first, last = json.loads(lines[0]), json.loads(lines[-1])
        if last["seconds"] > first["seconds"] and last["step"] > first["step"]:
            return float((last["step"] - first["step"]) / (last["seconds"] - first["seconds"]))
    return progress.step / max(progress.seconds, 1.0)


def _logged(folder: Path, report: Report | None) -> Report:
    def both(line: LogLine) -> None:
        with (folder / _LOG).open("a") as handle:
            handle.write(json.dumps(vars(line)) + "\n")
        if report is not None:
            report(line)

    return both
