"""Runs on disk: a spec, a folder of checkpoints, a log, cooldowns that branch off, and the weights that come out."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from pydantic import BaseModel

from pxrdgen import __version__
from pxrdgen.component_loading import load_target
from pxrdgen.errors import OptionError, TrainingError
from pxrdgen.io.dataset_sources import read_dataset
from pxrdgen.io.weights import WeightsCard, save_weights
from pxrdgen.registry import default_registry
from pxrdgen.training.checkpoint import Progress, checkpoints, read_progress
from pxrdgen.training.corpus import Corpus
from pxrdgen.training.loop import LogLine, Trainable, fit
from pxrdgen.training.schedule import Schedule
from pxrdgen.training.spec import CorpusOptions, TrainingSpec, read_training_spec

SPEC_FILE = "spec.json"
_LOG = "log.jsonl"
_PLAN = "cooldown.json"
Report = Callable[[LogLine], None]


@runtime_checkable
class TrainableComponent(Protocol):
    """A component class whose instances are made from trained weights."""

    @classmethod
    def trainable(cls, options: BaseModel) -> Trainable:
        """An untrained model; its weights come from torch's global generator."""


def build(spec: TrainingSpec) -> Trainable:
    """The model of a spec, with weights drawn from its seed.

    Raises:
        OptionError: the component is not one that learns.
    """
    registry = default_registry()
    component = registry.resolve(spec.kind, spec.component.plugin)
    options = registry.options(spec.kind, spec.component.plugin, spec.component.options)
    target = load_target(component)
    if not isinstance(target, TrainableComponent):
        raise OptionError(f"got the {spec.kind} {spec.component.plugin!r}, which has nothing to train")
    with torch.random.fork_rng():
        torch.manual_seed(spec.training.seed)
        return target.trainable(options)


def load_corpus(options: CorpusOptions) -> Corpus:
    """The crystals of a spec."""
    dataset = read_dataset(options.path).dataset
    dataset = dataset.select(split=options.split or None, max_atoms=options.max_atoms)
    return Corpus.from_dataset(dataset, max_volume=options.max_volume, weights=options.weights)


def train(spec: TrainingSpec, folder: Path, *, max_seconds: float = math.inf, report: Report | None = None) -> Progress:
    """Train in ``folder``, continuing from its newest checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPEC_FILE).write_text(spec.model_dump_json(indent=1))
    corpus = load_corpus(spec.corpus)
    return fit(build(spec), corpus, folder, spec.training, max_seconds=max_seconds, report=_logged(folder, report))


def cool_down(
    folder: Path, *, minutes: float | None = None, steps: int | None = None, report: Report | None = None
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
    branch = folder / f"cooldown-{start.step:08d}"
    plan = branch / _PLAN
    if not plan.exists():
        length = steps or max(1, round(60.0 * (minutes or 5.0) * _steps_per_second(folder, start)))
        _branch_off(found[-1], branch)
        (branch / SPEC_FILE).write_text(spec.model_dump_json(indent=1))
        plan.write_text(json.dumps({"cooldown_start": start.step, "cooldown_steps": length}))
    schedule = Schedule(peak=spec.training.learning_rate, warmup=spec.training.warmup, **json.loads(plan.read_text()))
    corpus = load_corpus(spec.corpus)
    progress = fit(build(spec), corpus, branch, spec.training, schedule=schedule, report=_logged(branch, report))
    return branch, progress


def export(folder: Path, weights: Path, *, metrics: Path | None = None) -> WeightsCard:
    """Write the averaged weights of a run's newest checkpoint, with a card.

    Args:
        folder: of the run or the cooldown.
        weights: the ``.safetensors`` file to write.
        metrics: a JSON file with an object of measured numbers for the card.

    Raises:
        TrainingError: there is no checkpoint.
    """
    from safetensors.torch import load_file

    spec = read_training_spec(folder / SPEC_FILE)
    found = checkpoints(folder)
    if not found:
        raise TrainingError(f"got {folder} without a checkpoint; expected a run to export")
    progress, corpus = read_progress(found[-1]), load_corpus(spec.corpus)
    options = default_registry().options(spec.kind, spec.component.plugin, spec.component.options)
    card = WeightsCard(
        kind=spec.kind,
        component=spec.component.plugin,
        options=options.model_dump(mode="json"),
        max_atoms=max(corpus.groups),
        elements=corpus.elements,
        data=spec.corpus.description
        or f"{len(corpus)} crystals of {spec.corpus.path.name}, split {spec.corpus.split!r}",
        training={
            "steps": progress.step,
            "crystals_seen": progress.crystals,
            "epochs": progress.epoch,
            "hours": round(progress.seconds / 3600, 2),
            "loss": round(progress.loss, 4),
            "hardware": f"{spec.training.threads} CPU threads",
            "settings": spec.training.model_dump(mode="json"),
        },
        metrics=json.loads(metrics.read_text()) if metrics else {},
        version=__version__,
    )
    return save_weights(weights, load_file(found[-1] / "average.safetensors"), card)


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
