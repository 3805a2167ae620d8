"""Does a generator learn a few crystals by heart? Training goes on until single samples match, or a limit.

``python -m pxrdgen_benchmarks.overfit flow/attention --out FOLDER`` trains a small network on 32 crystals and, every
few hundred steps, asks it for samples in the true cell from clean patterns. Killed at any moment, the same command
goes on.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import typer

from pxrdgen.errors import DatasetError, OptionError, nearest
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import default_registry
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.command import guarded
from pxrdgen_benchmarks.metrics import PUBLISHED, Count, Rate, match_rms, wilson
from pxrdgen_benchmarks.perturbed import clean_task
from pxrdgen_benchmarks.posed import Asked, ask
from pxrdgen_benchmarks.results_file import ResultsFile
from pxrdgen_benchmarks.subsets import shared_folder
from pxrdgen_learning.data.dataset import CrystalDataset, pack
from pxrdgen_learning.data.dataset_sources import read_dataset
from pxrdgen_learning.training.options import TrainingOptions
from pxrdgen_learning.training.simulation_options import SimulationOptions
from pxrdgen_learning.training.spec import CorpusOptions, TrainingSpec, read_training_spec
from pxrdgen_solver.question.question import Question

#: networks of test size: large enough to learn a few crystals, small enough for minutes on one thread.
DENOISERS: Mapping[str, Mapping[str, int]] = {
    "attention": {"width": 96, "layers": 4, "heads": 4, "peak_width": 48, "pair_hidden": 64, "pair_width": 12},
    "cspnet": {"width": 96, "layers": 4, "frequencies": 16},
}
ENCODERS: Mapping[str, Mapping[str, Any]] = {
    "peaks": {"width": 64, "hidden": 64, "heads": 4},
    "cnn": {"width": 64, "channels": [16, 32, 32], "points": 1024},
    "transformer": {"width": 64, "points": 1000, "hidden": 64, "layers": 2, "heads": 4, "feed_forward": 128},
}
#: share of samples that have to match.
LEARNED = 0.9


@dataclass(frozen=True, kw_only=True)
class Milestone:
    """How far a training was.

    Args:
        step: steps done.
        seconds: spent on them.
        crystals: seen, each as often as it was.
        loss: running mean.
        hits: samples that match, under the published matcher.
        samples: drawn, the same number from each crystal.
    """

    step: int
    seconds: float
    crystals: int
    loss: float
    hits: int
    samples: int

    @property
    def key(self) -> tuple[str, ...]:
        """Names it within a run."""
        return (str(self.step),)

    @property
    def rate(self) -> Rate:
        """Share that matches, with Wilson's interval over all samples."""
        return wilson(Count(hits=self.hits, n=self.samples))

    @property
    def learned(self) -> bool:
        """Whether that is enough."""
        return self.hits >= LEARNED * self.samples

    def to_json(self) -> str:
        """One line of text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_mapping(cls, line: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_json`."""
        return cls(**line)

    def __str__(self) -> str:
        rate = self.rate
        return (
            f"step {self.step:5d}, {self.seconds:6.0f} s: {self.hits} of {self.samples} samples match, "
            f"{100 * rate.share:.1f} % [{100 * rate.low:.1f}, {100 * rate.high:.1f}], loss {self.loss:.3f}"
        )


@dataclass(frozen=True, kw_only=True)
class OverfitPlan:
    """What is asked.

    Args:
        crystals: how many are to be learned.
        max_atoms: of each; those of one atom are left out, for there is nothing to learn.
        copies: of each in the training set, so that batches are of a useful size.
        every: steps between milestones.
        limit: steps at a constant learning rate, at most.
        cooldown: steps in which the rate falls to zero after that.
        samples: drawn from each crystal at a milestone.
        sample_steps: of a sample.
        sampler: by name; the generator's default unless given.
        seed: of the choice.
    """

    crystals: int = 32
    max_atoms: int = 8
    copies: int = 8
    every: int = 500
    limit: int = 6_000
    cooldown: int = 3_000
    samples: int = 4
    sample_steps: int = 25
    sampler: str = ""
    seed: int = 0


def small_spec(name: str, data: Path | None = None, *, cell: str = "given") -> TrainingSpec:
    """The training spec of ``GENERATOR/DENOISER`` or ``GENERATOR/DENOISER/ENCODER`` at test size, clean patterns.

    Args:
        name: of the components.
        data: crystals; the shared ones unless given.
        cell: given, or generated with the atoms.

    Raises:
        OptionError: no such name.
    """
    generator, *parts = name.split("/")
    if not 1 <= len(parts) <= 2:
        raise OptionError(f"got {name!r}, expected GENERATOR/DENOISER, GENERATOR/DENOISER/ENCODER or a .yml file")
    options: dict[str, Any] = {"pattern_dropout": 0.0, "denoiser": _sized(parts[0], DENOISERS), "cell": cell}
    if len(parts) == 2:
        options["encoder"] = _sized(parts[1], ENCODERS)
    training = TrainingOptions(
        learning_rate=2e-3,
        warmup=50,
        ema=0.995,
        atoms=256,
        per_step=1,
        threads=1,
        simulation=SimulationOptions(clean_fraction=1.0),
    )
    return TrainingSpec.model_validate(
        {
            "component": {"plugin": generator, "options": options},
            "corpus": CorpusOptions(path=data or shared_folder() / "crystals.parquet"),
            "training": training,
        }
    )


def _sized(name: str, sizes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    if name not in sizes:
        raise OptionError(f"got {name!r}, expected one of {', '.join(sizes)}{nearest(name, sizes)}")
    return {"plugin": name, "options": dict(sizes[name])}


def chosen(corpus: CorpusOptions, plan: OverfitPlan) -> CrystalDataset:
    """Random crystals of the spec's corpus that are small enough.

    Raises:
        DatasetError: there are too few.
    """
    dataset = read_dataset(corpus.path).dataset.select(split=corpus.split or None, max_atoms=plan.max_atoms)
    dataset = dataset.take(np.flatnonzero(dataset.num_atoms > 1))
    if len(dataset) < plan.crystals:
        raise DatasetError(
            f"got {len(dataset)} crystals of 2 to {plan.max_atoms} atoms in {corpus.path}, expected {plan.crystals}"
        )
    return dataset.take(np.random.default_rng(plan.seed).permutation(len(dataset))[: plan.crystals])


def overfit(
    spec: TrainingSpec,
    folder: Path,
    plan: OverfitPlan,
    *,
    max_seconds: float = math.inf,
    report: Callable[[Milestone], None] | None = None,
) -> list[Milestone]:
    """Train in ``folder`` until a milestone says it is learned, or a limit and a cooldown; continues what is there.

    Args:
        spec: what is trained; its corpus is where the crystals come from.
        folder: of checkpoints, milestones and the last weights.
        plan: how.
        max_seconds: of this process; a milestone is not begun after it.
        report: called with every new milestone.

    Raises:
        OptionError: the folder holds another run.
    """
    from pxrdgen_learning.training import runs
    from pxrdgen_learning.training.exporting import export

    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    crystals = chosen(spec.corpus, plan)
    run = {"spec": spec.model_dump(mode="json"), "plan": asdict(plan), "crystals": crystals.checksum()}
    file = ResultsFile(path=folder / "milestones.jsonl", run=run, parse=Milestone.from_mapping)
    milestones = file.open()
    spec = _on_copies(spec, crystals, folder / "crystals.npz", plan.copies)
    cell = "generated" if spec.component.options.get("cell") == "generated" else "given"
    questions = [ask(_question(crystal), cell=cell) for crystal in crystals]
    while not milestones or not (milestones[-1].learned or milestones[-1].step > plan.limit):
        left = max_seconds - (time.monotonic() - started)
        reached = milestones[-1].step if milestones else 0
        if reached < plan.limit:
            goal, trained = min(reached + plan.every, plan.limit), folder
            training = spec.training.model_copy(update={"steps": goal})
            progress = runs.train(spec.model_copy(update={"training": training}), folder, max_seconds=max(left, 0.0))
            if progress.step < goal:
                break
        elif left <= 0.0:
            break
        else:
            trained, progress = runs.cool_down(folder, steps=plan.cooldown)
        weights = folder / "overfitted.safetensors"
        export(trained, weights)
        milestone = Milestone(
            step=progress.step,
            seconds=progress.seconds,
            crystals=progress.crystals,
            loss=progress.loss,
            hits=_hits(spec.component.plugin, weights, list(crystals), questions, plan),
            samples=plan.samples * len(crystals),
        )
        file.append([milestone])
        milestones.append(milestone)
        if report is not None:
            report(milestone)
    return milestones


def _on_copies(spec: TrainingSpec, crystals: CrystalDataset, path: Path, copies: int) -> TrainingSpec:
    """``spec`` with a corpus of the crystals, each several times over."""
    repeated = [
        CrystalDataset(**{**_arrays(crystals), "ids": np.char.add(crystals.ids, f"-{copy}")}) for copy in range(copies)
    ]
    pack(CrystalDataset.concatenate(repeated), path)
    corpus = spec.corpus.model_copy(update={"path": path.resolve(), "split": "", "weights": {}})
    return spec.model_copy(update={"corpus": corpus})


def _arrays(dataset: CrystalDataset) -> dict[str, Any]:
    return {field.name: getattr(dataset, field.name) for field in fields(dataset)}


def _question(crystal: Crystal) -> Question:
    """The clean pattern of a crystal with its true cell."""
    composition, z = Composition.from_species(crystal.species).reduced()
    task = clean_task(crystal)
    return Question(pattern=task.pattern, cell=task.cell, composition=composition, z=z)


def _hits(plugin: str, weights: Path, truths: Sequence[Crystal], questions: Sequence[Asked], plan: OverfitPlan) -> int:
    """Samples that match their crystal."""
    import torch

    options: dict[str, Any] = {"weights": str(weights.resolve()), "steps": plan.sample_steps}
    if plan.sampler:
        options["sampler"] = plan.sampler
    generator: Any = default_registry().build(ComponentKind.GENERATOR, plugin, options)
    hits = 0
    for number, (truth, question) in enumerate(zip(truths, questions, strict=True)):
        rng = torch.Generator().manual_seed(number)
        found = question.answers(plugin, generator, plan.samples, rng)
        hits += sum(crystal is not None and match_rms(crystal, truth, PUBLISHED) is not None for crystal in found)
    return hits


def main(
    spec: Annotated[str, typer.Argument(help="GENERATOR/DENOISER[/ENCODER] at test size, or a training spec (.yml).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder; continued if it holds the same run.")],
    data: Annotated[Path | None, typer.Option(help="Crystals; the spec's or the shared ones unless given.")] = None,
    cell: Annotated[
        str | None,
        typer.Option(help="given (default) or generated; a .yml file says it itself ('either': given)."),
    ] = None,
    crystals: Annotated[int, typer.Option(min=1, help="How many to learn.")] = 32,
    max_atoms: Annotated[int, typer.Option(min=2, help="Of each.")] = 8,
    every: Annotated[int, typer.Option(min=1, help="Steps between milestones.")] = 500,
    limit: Annotated[int, typer.Option(min=1, help="Steps at a constant rate, at most.")] = 6_000,
    cooldown: Annotated[int, typer.Option(min=1, help="Steps after that, the rate falling to zero.")] = 3_000,
    samples: Annotated[int, typer.Option(min=1, help="From each crystal at a milestone.")] = 4,
    sample_steps: Annotated[int, typer.Option(min=2, help="Of a sample.")] = 25,
    sampler: Annotated[str, typer.Option(help="The generator's default unless given.")] = "",
    minutes: Annotated[float, typer.Option(min=0.0, help="Stop after this time; run again to go on.")] = math.inf,
) -> None:
    """Train on a few crystals until 90 % of single samples match them (published matcher, true cell, clean patterns).

    Examples:

      python -m pxrdgen_benchmarks.overfit flow/attention --out runs/overfit-flow

      python -m pxrdgen_benchmarks.overfit diffusion/cspnet/cnn --out runs/overfit-cnn --minutes 10

      python -m pxrdgen_benchmarks.overfit flow/attention/peaks --cell generated --out runs/overfit-cell

      python -m pxrdgen_benchmarks.overfit my-training.yml --out runs/overfit-mine --crystals 8
    """
    if spec.endswith((".yml", ".yaml", ".json")):
        if cell is not None:
            raise OptionError(f"got --cell {cell} with the file {spec}; write the option cell into the file")
        training = read_training_spec(Path(spec))
        if data is not None:
            training = training.model_copy(update={"corpus": training.corpus.model_copy(update={"path": data})})
    else:
        training = small_spec(spec, data, cell=cell or "given")
    plan = OverfitPlan(
        crystals=crystals,
        max_atoms=max_atoms,
        every=every,
        limit=limit,
        cooldown=cooldown,
        samples=samples,
        sample_steps=sample_steps,
        sampler=sampler,
    )
    found = overfit(
        training, out, plan, max_seconds=60.0 * minutes, report=lambda milestone: typer.echo(str(milestone))
    )
    last = f"; the last: {found[-1]}" if found else ""
    learned = bool(found) and found[-1].learned
    typer.echo(f"{'learned' if learned else 'not learned'} after {len(found)} milestones{last}")
    raise typer.Exit(0 if learned else 1)


if __name__ == "__main__":
    guarded(lambda: typer.run(main))
