"""Does a generator learn a few crystals by heart? It is trained until single samples match, or a limit.

Every few hundred steps it is asked for samples from clean patterns, the cell given or to be found. Training and
milestones are kept in a folder, so that a run which is killed goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field, JsonValue

from pxrdgen.errors import DatasetError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.task import Task
from pxrdgen.plugins.registry import default_registry
from pxrdgen.specs.component import ComponentSpec
from pxrdgen_benchmarks.cases import Column, simulated_cases
from pxrdgen_benchmarks.metrics import PUBLISHED, Count, match_rms, wilson
from pxrdgen_benchmarks.options import Options
from pxrdgen_benchmarks.posed import ask
from pxrdgen_benchmarks.subject import Subject
from pxrdgen_benchmarks.subsets import Entry, shared_folder
from pxrdgen_learning.data.dataset import CrystalDataset, pack
from pxrdgen_learning.data.dataset_sources import read_dataset
from pxrdgen_learning.training.checkpoint import Progress
from pxrdgen_learning.training.options import TrainingOptions
from pxrdgen_learning.training.simulation_options import SimulationOptions
from pxrdgen_learning.training.spec import CorpusOptions, TrainingSpec

#: share of samples that have to match.
LEARNED = 0.9


class OverfittingSpec(Options):
    """What is trained, and for how long."""

    plugin: str = Field(default="flow", description="name of the generator")
    options: dict[str, JsonValue] = Field(default_factory=dict, description="its options: denoiser, encoder, cell")
    training: TrainingOptions = Field(
        default=TrainingOptions(
            learning_rate=2e-3,
            warmup=50,
            ema=0.995,
            atoms=256,
            per_step=1,
            threads=1,
            simulation=SimulationOptions(clean_fraction=1.0),
        ),
        description="options of the training loop but its steps; clean patterns on one thread",
    )
    copies: int = Field(default=8, ge=1, description="of each crystal, so that batches are of a useful size")
    every: int = Field(default=500, ge=1, description="steps between milestones")
    limit: int = Field(default=6_000, ge=1, description="steps at a constant learning rate, at most")
    cooldown: int = Field(default=3_000, ge=1, description="steps after that, the rate falling to zero")
    samples: int = Field(default=4, ge=1, description="from each crystal at a milestone")
    sampling: dict[str, JsonValue] = Field(default={"steps": 25}, description="options of the sampler: steps, sampler")


class OverfittingData(Options):
    """What is learned."""

    crystals: Path | None = Field(default=None, description="table or pack; default: the shared data folder's")
    split: str = Field(default="train", description="of the table; empty for all")
    count: int = Field(default=32, ge=1, description="crystals")
    max_atoms: int = Field(default=8, ge=2, description="of each; one atom is nothing to learn")
    seed: int = Field(default=0, ge=0, description="of the choice")
    folder: Path | None = Field(default=None, description="where a killed run goes on; without it, it starts again")


@dataclass(frozen=True, kw_only=True)
class Milestone:
    """How far a training was.

    Args:
        learned: whether so many single samples match.
        matched, low, high: per cent that match under the published matcher, with Wilson's interval over all samples.
        samples: drawn, the same number from each crystal.
        steps, crystals, train_seconds, loss: of the training, the last a running mean.
    """

    learned: bool
    matched: float
    low: float
    high: float
    samples: int
    steps: int
    crystals: int
    train_seconds: float
    loss: float


class Overfitting(Task):
    """Single samples that match after training on a few crystals."""

    spec_model: ClassVar[type[BaseModel]] = OverfittingSpec
    data_model: ClassVar[type[BaseModel]] = OverfittingData
    headline: ClassVar[str] = "learned"
    card_values: ClassVar[tuple[str, ...]] = ("learned", "matched", "steps")

    def cases(self, data: Any) -> Sequence[Subject[OverfittingData]]:
        """All crystals together."""
        return [Subject(what=data, column="single samples")]

    def measure(self, case: Any, spec: Any) -> Milestone:
        """Train; the last milestone."""
        data = case.what
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory()))
            if data.folder is not None:
                told = spec.model_dump_json() + data.model_dump_json() + chosen(data).checksum()
                folder = data.folder / f"{spec.plugin}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
            return learn(data, spec, folder)[-1]

    def patience(self, spec: Any) -> float:
        """Days: a step may take seconds."""
        return float(600.0 + 10.0 * (spec.limit + spec.cooldown))


def chosen(data: OverfittingData) -> CrystalDataset:
    """Random crystals that are small enough.

    Raises:
        DatasetError: there are too few.
    """
    path = data.crystals or shared_folder() / "crystals.parquet"
    dataset = read_dataset(path).dataset.select(split=data.split or None, max_atoms=data.max_atoms)
    dataset = dataset.take(np.flatnonzero(dataset.num_atoms > 1))
    if len(dataset) < data.count:
        raise DatasetError(
            f"got {len(dataset)} crystals of 2 to {data.max_atoms} atoms in {path}, expected {data.count}"
        )
    return dataset.take(np.random.default_rng(data.seed).permutation(len(dataset))[: data.count])


def learn(data: OverfittingData, spec: OverfittingSpec, folder: Path) -> list[Milestone]:
    """Train in ``folder`` until a milestone says it is learned, or a limit and a cooldown; continues what is there."""
    from pxrdgen_learning.training import runs
    from pxrdgen_learning.training.exporting import export

    folder.mkdir(parents=True, exist_ok=True)
    crystals, file = chosen(data), folder / "milestones.jsonl"
    corpus = CorpusOptions(path=(folder / "crystals.npz").resolve(), split="", weights={})
    pack(_copied(crystals, spec.copies), corpus.path)
    component = ComponentSpec(plugin=spec.plugin, options=spec.options)
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    found = [Milestone(**json.loads(line)) for line in lines]
    while not found or not (found[-1].learned or found[-1].steps > spec.limit):
        reached, trained = found[-1].steps if found else 0, folder
        if reached < spec.limit:
            training = spec.training.model_copy(update={"steps": min(reached + spec.every, spec.limit)})
            progress = runs.train(TrainingSpec(component=component, corpus=corpus, training=training), folder)
        else:
            trained, progress = runs.cool_down(folder, steps=spec.cooldown)
        weights = folder / "overfitted.safetensors"
        export(trained, weights)
        found.append(milestone(progress, _hits(weights, crystals, spec), spec.samples * len(crystals)))
        fresh = file.with_suffix(".part")
        fresh.write_text("".join(json.dumps(asdict(each)) + "\n" for each in found), encoding="utf-8")
        fresh.replace(file)
    return found


def milestone(progress: Progress, hits: int, samples: int) -> Milestone:
    """So many of the samples matched."""
    rate = wilson(Count(hits=hits, n=samples))
    return Milestone(
        learned=rate.share >= LEARNED,
        matched=100.0 * rate.share,
        low=100.0 * rate.low,
        high=100.0 * rate.high,
        samples=samples,
        steps=progress.step,
        crystals=progress.crystals,
        train_seconds=progress.seconds,
        loss=progress.loss,
    )


def _copied(crystals: CrystalDataset, copies: int) -> CrystalDataset:
    """Each crystal several times over."""
    arrays = {field.name: getattr(crystals, field.name) for field in fields(crystals)}
    return CrystalDataset.concatenate(
        [CrystalDataset(**{**arrays, "ids": np.char.add(crystals.ids, f"-{copy}")}) for copy in range(copies)]
    )


def _hits(weights: Path, crystals: CrystalDataset, spec: OverfittingSpec) -> int:
    """Samples that match their crystal, asked for by its clean pattern."""
    import torch

    component = ComponentSpec(plugin=spec.plugin, weights=str(weights.resolve()), options=spec.sampling)
    generator: Any = default_registry().build(ComponentKind.GENERATOR, component)
    cell = "generated" if spec.options.get("cell") == "generated" else "given"
    entries = [Entry(index=n, crystal=crystal, space_group=0, bucket="all") for n, crystal in enumerate(crystals)]
    hits = 0
    for number, case in enumerate(simulated_cases(entries, [Column.CLEAN])):
        rng = torch.Generator().manual_seed(number)
        found = ask(case.question(), cell=cell).answers(spec.plugin, generator, spec.samples, rng)
        hits += sum(crystal is not None and match_rms(crystal, case.truth, PUBLISHED) is not None for crystal in found)
    return hits
