"""Does a pattern find its crystal among others? ``python -m pxrdgen_benchmarks.retrieval run``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console

from pxrdgen.errors import OptionError, nearest
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.command import guarded
from pxrdgen_benchmarks.metrics import Rate, retrieval_ranks, wilson, within_top
from pxrdgen_benchmarks.retrieval_vectors import VectorStore, View, crystal_vectors, pattern_vectors
from pxrdgen_benchmarks.subsets import shared_folder

if TYPE_CHECKING:
    from pxrdgen_learning.training.contrastive import PairedEncoders

app = typer.Typer(help="Retrieval: a pattern's own crystal among others.", no_args_is_help=True)

#: sizes of the gallery in the tables; the second is that of the MP-20 test split.
GALLERIES = (1000, 9046)
TOPS = (1, 5, 10)


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """How often patterns of ``view`` find their crystal among the first few of a gallery.

    Args:
        view: what happened to the patterns.
        gallery: crystals to choose from, distractors included.
        top: by how many first places.
        median_rank: of all queries.
    """

    view: str
    gallery: int
    top: dict[int, Rate]
    median_rank: float

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Retrieval:
        """Back from what ``run`` wrote."""
        top = {int(k): Rate(**rate) for k, rate in entry["top"].items()}
        return cls(view=entry["view"], gallery=entry["gallery"], top=top, median_rank=entry["median_rank"])


def measure(
    queries: np.ndarray, gallery: np.ndarray, *, view: str, sizes: Sequence[int] = GALLERIES
) -> list[Retrieval]:
    """Retrieval by gallery size; query i belongs to gallery row i, rows beyond the queries are distractors."""
    own = np.arange(len(queries))
    found = []
    for size in sorted({min(size, len(gallery)) for size in sizes if min(size, len(gallery)) >= len(queries)}):
        ranks = retrieval_ranks(queries, gallery[:size], own)
        top = {k: wilson(within_top(ranks, k)) for k in TOPS}
        found.append(Retrieval(view=view, gallery=size, top=top, median_rank=float(np.median(ranks))))
    return found


def gallery_crystals(
    path: Path, *, split: str, distractors: int, seed: int = 0, max_atoms: int = 20
) -> tuple[list[Crystal], int]:
    """Crystals of ``split``, shuffled, then distractors from the train split; and how many are no distractors."""
    from pxrdgen_learning.data.dataset_sources import read_dataset

    dataset = read_dataset(path).dataset
    rng = np.random.default_rng(seed)
    queries = list(dataset.select(split=split, max_atoms=max_atoms))
    train = dataset.select(split="train", max_atoms=max_atoms)
    taken = rng.permutation(len(train.num_atoms))[:distractors]
    queries = [queries[row] for row in rng.permutation(len(queries))]
    others = list(train.take(taken)) if distractors else []
    return [crystal.sorted_by_species() for crystal in (*queries, *others)], len(queries)


@app.command()
def run(
    encoder: Annotated[str, typer.Option(help="Pattern encoder: a plugin's name.")] = "peaks",
    structure: Annotated[str, typer.Option(help="Structure encoder: a plugin's name.")] = "cspnet",
    weights: Annotated[
        str, typer.Option(help="Weights of the pattern encoder; '<name>_structure' are the other's.")
    ] = "peaks",
    views: Annotated[str, typer.Option(help=f"Comma-separated: {', '.join(View)}.")] = "clean,augmented",
    galleries: Annotated[str, typer.Option(help="Comma-separated sizes.")] = ",".join(map(str, GALLERIES)),
    limit: Annotated[int | None, typer.Option(min=1, help="Queries of the view 'perturbed'; default: all.")] = None,
    split: Annotated[str, typer.Option(help="Whose patterns are the queries.")] = "val",
    crystals: Annotated[Path | None, typer.Option(help="Parquet or pack; default: the shared data folder's.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for vectors and retrieval.json; continued if it has any.")
    ] = None,
) -> None:
    """Encode patterns and crystals, and count; killed or stopped at any moment, the same command continues.

    Distractors come from the train split, drawn with a fixed seed; the encoders may have seen them.

    Examples:

      python -m pxrdgen_benchmarks.retrieval run --out retrieval

      python -m pxrdgen_benchmarks.retrieval run --weights runs/peaks.safetensors --views perturbed --limit 120
    """
    import torch

    from pxrdgen.interfaces.kinds import ComponentKind
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen.specs.pipeline import ComponentSpec
    from pxrdgen_learning.weights.weights import verify_weights

    torch.set_num_threads(1)
    chosen, sizes = _views(views), [int(size) for size in galleries.split(",")]
    of_pattern, of_structure = weights, _structure_weights(weights)
    pattern_encoder = default_registry().build(ComponentKind.ENCODER, ComponentSpec(plugin=encoder, weights=of_pattern))
    structure_encoder = default_registry().build(
        ComponentKind.STRUCTURE_ENCODER, ComponentSpec(plugin=structure, weights=of_structure)
    )
    for network in (pattern_encoder, structure_encoder):
        if isinstance(network, torch.nn.Module):
            network.eval()
    cards = [verify_weights(default_registry().weights(name).path) for name in (of_pattern, of_structure)]
    store = VectorStore(folder=out, key="-".join(card.sha256 for card in cards))
    path = crystals or shared_folder() / "crystals.parquet"
    everything, known = gallery_crystals(path, split=split, distractors=max(max(sizes) - 1000, 0))
    console = Console(stderr=True)
    console.print(f"{known} queries, {len(everything)} crystals to choose from")
    gallery = store.vectors("crystals", everything, lambda part: crystal_vectors(structure_encoder, part))
    results = []
    for view in chosen:
        asked = everything[: min(known, limit or known) if view is View.PERTURBED else known]
        queries = store.vectors(view, asked, lambda part, view=view: pattern_vectors(pattern_encoder, part, view))
        results += measure(queries, gallery, view=view, sizes=sizes)
    if out is not None:
        (out / "retrieval.json").write_text(json.dumps([asdict(result) for result in results], indent=1))
    typer.echo(markdown(results))


@app.command()
def curve(
    run_folder: Annotated[Path, typer.Argument(help="Folder of a contrastive training with its checkpoints.")],
    max_atoms: Annotated[int, typer.Option(min=1, help="Largest crystals of the gallery.")] = 20,
    view: Annotated[View, typer.Option(help="What happens to the patterns.")] = View.CLEAN,
    crystals: Annotated[Path | None, typer.Option(help="Parquet or pack; default: the shared data folder's.")] = None,
) -> None:
    """Retrieval among the validation crystals for every checkpoint that a training kept.

    Example:

      python -m pxrdgen_benchmarks.retrieval curve runs/peaks
    """
    import torch

    from pxrdgen_learning.training.checkpoint import checkpoints, read_progress

    torch.set_num_threads(1)
    path = crystals or shared_folder() / "crystals.parquet"
    everything, known = gallery_crystals(path, split="val", distractors=0, max_atoms=max_atoms)
    typer.echo("| step | epochs | loss " + markdown([]).split("patterns ")[1].splitlines()[0])
    typer.echo("|" + "---|" * (6 + len(TOPS)))
    trained_on = corpus_size(run_folder)
    for folder in checkpoints(run_folder):
        pair = trained_pair(run_folder, folder)
        gallery = crystal_vectors(pair.structure, everything)
        found = measure(pattern_vectors(pair.pattern, everything, view), gallery, view=view, sizes=(known,))
        progress = read_progress(folder)
        row = markdown(found).splitlines()[-1].split("|", 2)[2]
        typer.echo(f"| {progress.step} | {progress.crystals / trained_on:.1f} | {progress.loss:.2f} |{row}")


@app.command()
def show(folder: Annotated[Path, typer.Argument(help="What run was given as --out.")]) -> None:
    """The table of a finished run.

    Example:

      python -m pxrdgen_benchmarks.retrieval show retrieval
    """
    path = folder / "retrieval.json"
    if not path.is_file():
        raise OptionError(f"got {folder} without {path.name}; expected the folder of a finished run")
    typer.echo(markdown([Retrieval.from_json(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]))


def trained_pair(run_folder: Path, checkpoint: Path) -> PairedEncoders:
    """The encoders of a training with the averaged weights of one of its checkpoints.

    Raises:
        OptionError: the folder is of another kind of training.
    """
    from safetensors.torch import load_file

    from pxrdgen_learning.training import runs
    from pxrdgen_learning.training.contrastive import ContrastiveTask, PairedEncoders
    from pxrdgen_learning.training.spec import read_training_spec

    task = runs.build(read_training_spec(run_folder / runs.SPEC_FILE))
    if not isinstance(task, ContrastiveTask) or not isinstance(task.encoders, PairedEncoders):
        raise OptionError(f"got {run_folder}, which trains no encoder; expected a contrastive training")
    task.encoders.load_state_dict(load_file(checkpoint / "average.safetensors"), strict=False)
    return task.encoders.eval()


def corpus_size(run_folder: Path) -> int:
    """Crystals of a training's corpus."""
    from pxrdgen_learning.training import runs
    from pxrdgen_learning.training.spec import read_training_spec

    return len(runs.load_corpus(read_training_spec(run_folder / runs.SPEC_FILE).corpus))


def markdown(results: Sequence[Retrieval]) -> str:
    """Markdown, percent with 95 % intervals."""
    lines = [
        "| patterns | n | gallery | " + " | ".join(f"top-{k}" for k in TOPS) + " | median rank |",
        "|" + "---|" * (4 + len(TOPS)),
    ]
    for result in results:
        rates = " | ".join(
            f"{100 * rate.share:.1f} ({100 * rate.low:.1f}-{100 * rate.high:.1f})" for rate in result.top.values()
        )
        n = next(iter(result.top.values())).n
        lines.append(f"| {result.view} | {n} | {result.gallery} | {rates} | {result.median_rank:g} |")
    return "\n".join(lines)


def _structure_weights(weights: str) -> str:
    suffix = ".safetensors"
    return weights.removesuffix(suffix) + "_structure" + (suffix if weights.endswith(suffix) else "")


def _views(text: str) -> tuple[View, ...]:
    known = [view.value for view in View]
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise OptionError(f"got the view {name!r}, expected one of {', '.join(known)}{nearest(name, known)}")
    return tuple(View(name) for name in dict.fromkeys(names))


def main() -> None:
    """Errors of ours are one line and their exit code."""
    guarded(app)


if __name__ == "__main__":
    main()
