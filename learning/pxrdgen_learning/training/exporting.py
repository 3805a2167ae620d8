"""The weights that come out of a run, each file with its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import JsonValue
from torch import Tensor

from pxrdgen import __version__
from pxrdgen.errors import TrainingError
from pxrdgen.plugins.registry import default_registry
from pxrdgen.plugins.resolution import resolve_spec
from pxrdgen_learning.training.checkpoint import Progress, checkpoints, read_progress
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.options import TrainingOptions
from pxrdgen_learning.training.parts import HasParts, TrainedPart
from pxrdgen_learning.training.runs import SPEC_FILE, build, load_corpus
from pxrdgen_learning.training.spec import TrainingSpec, read_training_spec
from pxrdgen_learning.weights.weights import WeightsCard, save_weights


def export(folder: Path, weights: Path, *, metrics: Path | None = None, half: bool = False) -> WeightsCard:
    """Write the averaged weights of a run's newest checkpoint, with a card; returns that of the spec's component.

    A contrastive run has a second file, ``<name>_structure.safetensors``, of its structure encoder.

    Args:
        folder: of the run or the cooldown.
        weights: the ``.safetensors`` file to write.
        metrics: a JSON file with an object of measured numbers for the card.
        half: whether numbers are stored with 16 bits; networks compute with 32 all the same.

    Raises:
        TrainingError: there is no checkpoint.
    """
    from safetensors.torch import load_file

    spec = read_training_spec(folder / SPEC_FILE)
    found = checkpoints(folder)
    if not found:
        raise TrainingError(f"got {folder} without a checkpoint; expected a run to export")
    progress, corpus = read_progress(found[-1]), load_corpus(spec.corpus)
    tensors = load_file(found[-1] / "average.safetensors")
    if half:
        tensors = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    measured = json.loads(metrics.read_text()) if metrics else {}
    cards = [_save_part(part, weights, tensors, spec, corpus, progress, measured) for part in _parts(spec)]
    return cards[0]


def _parts(spec: TrainingSpec) -> tuple[TrainedPart, ...]:
    model = build(spec)
    if isinstance(model, HasParts):
        return model.parts
    return (TrainedPart(suffix="", kind=spec.kind, component=spec.component, prefix=""),)


def _save_part(
    part: TrainedPart,
    weights: Path,
    tensors: Mapping[str, Tensor],
    spec: TrainingSpec,
    corpus: Corpus,
    progress: Progress,
    measured: dict[str, JsonValue],
) -> WeightsCard:
    registry = default_registry()
    settled = registry.settle(part.kind, part.component, untrained=True)
    card = WeightsCard(
        kind=part.kind,
        component=settled.component.record.name,
        options=resolve_spec(settled.options, registry).model_dump(mode="json"),
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
            "hardware": _hardware(spec.training),
            "settings": spec.training.model_dump(mode="json"),
            **({"contrastive": spec.contrastive.model_dump(mode="json")} if spec.contrastive else {}),
        },
        metrics=measured,
        version=__version__,
    )
    own = {name.removeprefix(part.prefix): value for name, value in tensors.items() if name.startswith(part.prefix)}
    return save_weights(weights.with_name(f"{weights.stem}{part.suffix}{weights.suffix}"), own, card)


def _hardware(training: TrainingOptions) -> str:
    """In words."""
    if training.device == "cpu":
        return f"{training.threads} CPU threads"
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else training.device
    return f"{training.processes} x {name}"
