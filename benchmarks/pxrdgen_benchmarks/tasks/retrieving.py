"""Does a pattern find its crystal among others? Encoders trained for a moment, or with weights that are installed.

A stranger's encoder enters an ablation by its name: ``grid: {encoder.plugin: [cnn, my-encoder]}``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field
from pydantic import JsonValue as Json

from pxrdgen.errors import BrokenPluginError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.specs.component import ComponentSpec
from pxrdgen_benchmarks.cards import Number
from pxrdgen_benchmarks.metrics import Rate, retrieval_ranks, unit_rows, wilson, within_top
from pxrdgen_benchmarks.options import Options
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.retrieval_vectors import FloatArray, View, crystal_vectors, gallery_crystals, pattern_vectors
from pxrdgen_benchmarks.subject import Subject
from pxrdgen_benchmarks.subsets import shared_folder
from pxrdgen_benchmarks.suite_result import SuiteResult
from pxrdgen_benchmarks.tables import Table, percent
from pxrdgen_benchmarks.task import Draw, ReportingTask

if TYPE_CHECKING:
    from pxrdgen.interfaces.encoder import PatternEncoder
    from pxrdgen.interfaces.structure_encoder import StructureEncoder
    from pxrdgen.values.crystal import Crystal

#: the first k places in tables.
TOPS = (1, 5, 10)
#: crystals of the heatmap.
SHOWN = 100


class RetrievingSpec(Options):
    """Two encoders and, unless they come with weights, how they are trained."""

    encoder: ComponentSpec = Field(default=ComponentSpec(plugin="peaks"), description="of patterns")
    structure_encoder: ComponentSpec = Field(default=ComponentSpec(plugin="cspnet"), description="of crystals")
    temperature: float = Field(default=0.05, gt=0, le=10, description="that cosines are divided by in training")
    steps: int = Field(default=0, ge=0, description="of training; 0 with weights, or for the untrained control")
    crystals: int = Field(default=4000, ge=16, description="of the train split, in training")
    training: dict[str, Json] = Field(default_factory=dict, description="options of the training loop")
    seed: int = Field(default=0, ge=0, lt=2**31, description="of weights and order")


class RetrievingData(Options):
    """Who is looked for among whom."""

    gallery: int = Field(default=1000, ge=10, description="crystals; filled up from train where the split has fewer")
    queries: int | None = Field(default=None, ge=1, description="crystals of the split looked for; default: all")
    split: str = Field(default="val", description="of the queries")
    views: tuple[View, ...] = Field(default=(View.CLEAN,), description="clean, augmented, perturbed")
    crystals: Path | None = Field(default=None, description="table or pack; default: the shared data folder's")


@dataclass(frozen=True, kw_only=True)
class RetrievalRow:
    """How queries of one view found their crystal.

    Args:
        top_1, top_5, top_10: per cent of the queries whose crystal is among the first.
        gallery, queries: how many there were.
        median_rank: from 1.
        loss: of the training; ``None`` without one.
        ranks: of each query, from 1.
        cosines: of the first :data:`SHOWN` queries with the first crystals, rows in turn.
    """

    top_1: float
    top_5: float
    top_10: float
    gallery: int
    queries: int
    median_rank: float
    loss: float | None
    ranks: tuple[int, ...]
    cosines: tuple[float, ...]


class Retrieving(ReportingTask):
    """Top-k hit rates with the size of the gallery, and similarity heatmaps."""

    spec_model: ClassVar[type[BaseModel]] = RetrievingSpec
    data_model: ClassVar[type[BaseModel]] = RetrievingData
    headline: ClassVar[str] = "top_10"

    def cases(self, data: Any) -> Sequence[Subject[RetrievingData]]:
        """One a view."""
        return [Subject(what=data, column=view, id="gallery") for view in data.views]

    def measure(self, case: Any, spec: Any) -> RetrievalRow:
        """Encode crystals and patterns, and look every pattern's own crystal up."""
        data, path = case.what, case.what.crystals or shared_folder() / "crystals.parquet"
        crystals, known = _gallery(path, data.split, data.gallery)
        encoders = _encoders(spec.model_dump_json(), path)
        gallery = _looked_over(crystal_vectors(encoders.structure, crystals), spec.structure_encoder.plugin, crystals)
        asked = crystals[: min(known, data.queries or known)]
        queries = _looked_over(pattern_vectors(encoders.pattern, asked, View(case.column)), spec.encoder.plugin, asked)
        return retrieval_row(queries, gallery, encoders.loss)

    def numbers(self, records: Sequence[Record], weights: Mapping[str, float]) -> list[Number]:
        """Top-k rates over the queries."""
        del weights
        return [
            Number.of_rate(record.variant, record.column, f"top-{k} of {row.gallery}", rate)
            for record, row in rows_of(records)
            for k, rate in rates_of(row).items()
        ]

    def tables(self, result: SuiteResult) -> Mapping[str, Table]:
        """Hit rates with intervals; chance is k over the gallery."""
        lines = []
        for record, row in (pair for variant in result.variants for pair in rows_of(variant.records)):
            rates = map(percent, rates_of(row).values())
            lines.append((record.variant, record.column, f"{row.gallery}", *rates, f"{row.median_rank:g}"))
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

        found: dict[str, Draw] = {}
        lines: dict[str, list[tuple[float, float]]] = {}
        maps = {}
        for variant in result.measured:
            for record, row in rows_of(variant.records):
                maps[f"{variant.label} {record.column}"] = np.reshape(row.cosines, (min(row.queries, SHOWN), -1))
                for k, rate in rates_of(row).items():
                    name = f"{variant.spec['encoder']['plugin']} {record.column}, top-{k}"
                    lines.setdefault(name, []).append((float(variant.spec["temperature"]), 100.0 * rate.share))
        for start in range(0, len(maps), 4):
            found[f"cosines_{start // 4}"] = partial(draw_heatmaps, dict([*maps.items()][start : start + 4]))
        lines = {name: sorted(points) for name, points in lines.items() if len(points) > 1}
        if lines:
            found["temperature"] = partial(draw_lines, lines, "temperature", "hit rate, %", log=True)
        return found

    def patience(self, spec: Any) -> float:
        """Training is most of it."""
        return 1800.0 + 10.0 * float(spec.steps)


def retrieval_row(queries: FloatArray, gallery: FloatArray, loss: float | None = None) -> RetrievalRow:
    """The row of vectors [M, D] and [G, D]; query i belongs to gallery row i, rows beyond are distractors."""
    ranks = retrieval_ranks(queries, gallery, np.arange(len(queries)))
    top = {f"top_{k}": 100.0 * within_top(ranks, k).hits / len(ranks) for k in TOPS}
    corner = unit_rows(queries[:SHOWN]) @ unit_rows(gallery[:SHOWN]).T
    return RetrievalRow(
        **top,
        gallery=len(gallery),
        queries=len(queries),
        median_rank=float(np.median(ranks)),
        loss=loss,
        ranks=tuple(ranks.tolist()),
        cosines=tuple(corner.round(3).ravel().tolist()),
    )


def rows_of(records: Sequence[Record]) -> list[tuple[Record, RetrievalRow]]:
    """What was measured; failures left out."""
    return [(record, RetrievalRow(**record.values)) for record in records if not record.error]  # type: ignore[arg-type]


def rates_of(row: RetrievalRow) -> dict[int, Rate]:
    """By k."""
    return {k: wilson(within_top(np.array(row.ranks), k)) for k in TOPS}


@dataclass(frozen=True, kw_only=True)
class _Encoders:
    pattern: PatternEncoder
    structure: StructureEncoder
    loss: float | None


@lru_cache(maxsize=1)
def _encoders(spec: str, crystals: Path) -> _Encoders:
    """Built, and trained where steps are asked for; once in a worker, for all views."""
    import torch

    from pxrdgen.plugins.registry import default_registry

    torch.set_num_threads(1)
    wanted, registry, loss = RetrievingSpec.model_validate_json(spec), default_registry(), None
    if wanted.steps:
        pattern, structure, loss = _trained(wanted, crystals)
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
def _gallery(path: Path, split: str, size: int) -> tuple[list[Crystal], int]:
    return gallery_crystals(path, split=split, size=size)


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
