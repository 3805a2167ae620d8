"""Does a pattern find its crystal among others? Encoders trained for a moment, or with weights that are installed.

A stranger's encoder enters an ablation by its name: ``grid: {encoder.plugin: [cnn, my-encoder]}``.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from pydantic import JsonValue as Json

from pxrdgen.errors import BrokenPluginError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.specs.pipeline import ComponentSpec
from pxrdgen_benchmarks.cards import Number
from pxrdgen_benchmarks.metrics import retrieval_ranks, unit_rows, wilson, within_top
from pxrdgen_benchmarks.record import Record, Value
from pxrdgen_benchmarks.subsets import shared_folder
from pxrdgen_benchmarks.suite_tables import groups
from pxrdgen_benchmarks.tables import Table, percent
from pxrdgen_benchmarks.task import Draw, ReportingTask, SuiteResult

if TYPE_CHECKING:
    from pxrdgen.interfaces.encoder import PatternEncoder
    from pxrdgen.interfaces.structure_encoder import StructureEncoder
    from pxrdgen.values.crystal import Crystal

#: the first k places in tables.
TOPS = (1, 5, 10)
#: crystals of the heatmap.
SHOWN = 100


class RetrievingSpec(BaseModel):
    """Two encoders and, unless they come with weights, how they are trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: ComponentSpec = Field(default=ComponentSpec(plugin="peaks"), description="of patterns")
    structure_encoder: ComponentSpec = Field(default=ComponentSpec(plugin="cspnet"), description="of crystals")
    temperature: float = Field(default=0.05, gt=0, le=10, description="that cosines are divided by in training")
    steps: int = Field(default=0, ge=0, description="of training; 0 with weights, or for the untrained control")
    crystals: int = Field(default=4000, ge=16, description="of the train split, in training")
    training: dict[str, Json] = Field(default_factory=dict, description="options of the training loop")
    seed: int = Field(default=0, ge=0, lt=2**31, description="of weights and order")


class RetrievingData(BaseModel):
    """Who is looked for among whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gallery: int = Field(default=1000, ge=10, description="crystals of the split, each a query too")
    split: str = Field(default="val", description="of the gallery")
    views: tuple[str, ...] = Field(default=("clean",), description="clean, augmented, perturbed")
    crystals: Path | None = Field(default=None, description="table or pack; default: the shared data folder's")


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """All queries of one view."""

    column: str
    truth_file: Path
    split: str
    size: int
    id: str = "gallery"
    bucket: str = "all"
    num_atoms: int = 0
    columns: tuple[str, ...] = field(default=())


class Retrieving(ReportingTask):
    """Top-k hit rates with the size of the gallery, and similarity heatmaps."""

    spec_model: ClassVar[type[BaseModel]] = RetrievingSpec
    data_model: ClassVar[type[BaseModel]] = RetrievingData
    headline: ClassVar[str] = "top_10"

    def cases(self, data: Any) -> Sequence[Gallery]:
        """One a view."""
        path = data.crystals or shared_folder() / "crystals.parquet"
        return [Gallery(column=view, truth_file=path, split=data.split, size=data.gallery) for view in data.views]

    def measure(self, case: Any, spec: Any) -> Mapping[str, Value]:
        """Hit rates in percent, median rank, ranks and a corner of the cosines."""
        from pxrdgen_benchmarks.retrieval_vectors import View, crystal_vectors, pattern_vectors

        crystals = _gallery(case)
        encoders = _encoders(spec.model_dump_json(), str(case.truth_file))
        gallery = _looked_over(crystal_vectors(encoders.structure, crystals), spec.structure_encoder.plugin, crystals)
        queries = pattern_vectors(encoders.pattern, crystals, View(case.column))
        queries = _looked_over(queries, spec.encoder.plugin, crystals)
        ranks = retrieval_ranks(queries, gallery, np.arange(len(crystals)))
        corner = unit_rows(queries[:SHOWN]) @ unit_rows(gallery[:SHOWN]).T
        tops = {f"top_{k}": 100.0 * within_top(ranks, k).hits / len(ranks) for k in TOPS}
        return {
            **tops,
            "gallery": len(crystals),
            "median_rank": float(np.median(ranks)),
            "loss": encoders.loss,
            "ranks": json.dumps(ranks.tolist()),
            "cosines": json.dumps(corner.round(3).tolist()),
        }

    def metrics(self, records: Sequence[Record]) -> Mapping[str, float]:
        """Rates by view."""
        names = (*(f"top_{k}" for k in TOPS), "median_rank", "gallery", "loss")
        return {f"{r.column}.{name}": r.number(name) for r in records for name in names if name in r.values}

    def numbers(self, records: Sequence[Record], weights: Mapping[str, float]) -> list[Number]:
        """Top-k rates, n being the queries, which are the gallery."""
        del weights
        found = []
        for record in records:
            ranks = _ranks(record)
            for k in TOPS if ranks.size else ():
                rate = wilson(within_top(ranks, k))
                found.append(
                    Number(
                        variant=record.variant,
                        column=record.column,
                        name=f"top-{k} of {ranks.size}, %",
                        value=100 * rate.share,
                        low=100 * rate.low,
                        high=100 * rate.high,
                        n=rate.n,
                    )
                )
        return found

    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """Hit rates with intervals; chance is k over the gallery."""
        lines = []
        for variant, column, records in groups(result):
            for record in records:
                ranks = _ranks(record)
                rates = (_rate(ranks, k) for k in TOPS) if ranks.size else ("–",) * len(TOPS)
                median = f"{record.number('median_rank'):g}" if ranks.size else "–"
                lines.append((variant, column, str(ranks.size or "–"), *rates, median))
        return {
            "hits": Table(
                title="Own crystal among the first k of the gallery, % [95 % interval] (queries)",
                header=("variant", "patterns", "gallery", *(f"top-{k}" for k in TOPS), "median rank"),
                rows=tuple(lines),
            )
        }

    def figures(self, result: SuiteResult) -> Mapping[str, Draw]:
        """Heatmaps of cosines (figure 2 a, b), hit rates against temperature (figure 2 c)."""
        from pxrdgen_benchmarks.figures import draw_heatmaps, draw_lines

        maps = {
            f"{variant} {column}": np.array(json.loads(str(records[0].values["cosines"])))
            for variant, column, records in groups(result)
            if records[0].values.get("cosines")
        }
        found: dict[str, Draw] = {}
        for start in range(0, len(maps), 4):
            some = dict(list(maps.items())[start : start + 4])
            found[f"cosines_{start // 4}"] = partial(draw_heatmaps, some)
        lines: dict[str, list[tuple[float, float]]] = {}
        for variant in result.measured:
            for record in variant.records:
                for k in TOPS:
                    if f"top_{k}" in record.values:
                        name = f"{variant.spec['encoder']['plugin']} {record.column}, top-{k}"
                        point = (float(variant.spec["temperature"]), record.number(f"top_{k}"))
                        lines.setdefault(name, []).append(point)
        lines = {name: sorted(points) for name, points in lines.items() if len(points) > 1}
        if lines:
            found["temperature"] = partial(draw_lines, lines, "temperature", "hit rate, %", log=True)
        return found

    def patience(self, spec: Any) -> float:
        """Training is most of it."""
        return 1800.0 + 10.0 * float(spec.steps)


@dataclass(frozen=True, kw_only=True)
class _Encoders:
    pattern: PatternEncoder
    structure: StructureEncoder
    loss: float | None


@lru_cache(maxsize=1)
def _encoders(spec: str, crystals: str) -> _Encoders:
    """Built, and trained where steps are asked for; once in a worker, for all views."""
    import torch

    from pxrdgen.plugins.registry import default_registry

    torch.set_num_threads(1)
    wanted, registry, loss = RetrievingSpec.model_validate_json(spec), default_registry(), None
    if wanted.steps:
        pattern, structure, loss = _trained(wanted, Path(crystals))
    else:
        with torch.random.fork_rng():
            torch.manual_seed(wanted.seed)
            pattern = registry.build(ComponentKind.ENCODER, wanted.encoder)
            structure = registry.build(ComponentKind.STRUCTURE_ENCODER, wanted.structure_encoder)
    for network in (pattern, structure):
        if isinstance(network, torch.nn.Module):
            network.eval()
    return _Encoders(pattern=pattern, structure=structure, loss=loss)


def _trained(wanted: RetrievingSpec, crystals: Path) -> tuple[PatternEncoder, StructureEncoder, float]:
    """The encoders after so many steps against each other, and the loss."""
    from pxrdgen.specs.validation import validated
    from pxrdgen_learning.training import runs
    from pxrdgen_learning.training.feed import CrystalFeed
    from pxrdgen_learning.training.loop import fit
    from pxrdgen_learning.training.spec import ContrastiveOptions, CorpusOptions, TrainingSpec

    options = {"threads": 1, "warmup": 20, "atoms": 320, **wanted.training, "steps": wanted.steps, "seed": wanted.seed}
    spec = validated(
        TrainingSpec,
        {
            "kind": ComponentKind.ENCODER,
            "component": wanted.encoder,
            "corpus": CorpusOptions(path=crystals),
            "training": options,
            "contrastive": ContrastiveOptions(
                structure_encoder=wanted.structure_encoder, temperature=wanted.temperature
            ),
        },
        "retrieval",
    )
    task: Any = runs.build(spec)
    with tempfile.TemporaryDirectory() as folder:
        progress = fit(task, CrystalFeed(_corpus(crystals, wanted.crystals)), Path(folder), spec.training)
    return task.network.pattern, task.network.structure, progress.loss


def _corpus(path: Path, count: int) -> Any:
    from pxrdgen_learning.data.dataset_sources import read_dataset
    from pxrdgen_learning.training.corpus import Corpus

    train = read_dataset(path).dataset.select(split="train", max_atoms=12)
    rows = np.sort(np.random.default_rng(7).permutation(len(train))[:count])
    return Corpus.from_dataset(train.by_ids([str(name) for name in train.ids[rows]]))


@lru_cache(maxsize=1)
def _gallery(case: Gallery) -> list[Crystal]:
    """The crystals, in a fixed random order."""
    from pxrdgen_learning.data.dataset_sources import read_dataset

    dataset = read_dataset(case.truth_file).dataset.select(split=case.split, max_atoms=20)
    order = np.random.default_rng(6).permutation(len(dataset))[: case.size]
    every = list(dataset)
    return [every[row].sorted_by_species() for row in order]


def _looked_over(vectors: Any, name: str, crystals: Sequence[Crystal]) -> Any:
    """What an encoder said, if it is one finite vector a crystal.

    Raises:
        BrokenPluginError: it is not; the message names the encoder.
    """
    if vectors.ndim != 2 or len(vectors) != len(crystals):
        raise BrokenPluginError(
            f"encoder {name!r} returned vectors of shape {list(vectors.shape)}; expected [{len(crystals)}, D]"
        )
    if not np.isfinite(vectors).all():
        raise BrokenPluginError(f"encoder {name!r} returned numbers that are not finite")
    return vectors


def _ranks(record: Record) -> Any:
    text = record.values.get("ranks")
    return np.array(json.loads(text)) if isinstance(text, str) else np.array([])


def _rate(ranks: Any, k: int) -> str:
    return percent(wilson(within_top(ranks, k)))
