"""Named subsets of crystals, with the weights that turn size buckets into a figure for the whole split."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import numpy as np

from pxrdgen.errors import DatasetError, OptionError, nearest
from pxrdgen.values.crystal import Crystal

#: names a JSON file of further subsets, in the format of the committed one.
SUBSETS_VARIABLE = "PXRDGEN_SUBSETS"
#: atoms of the crystals of a random draw, and its seed.
SMALLEST, LARGEST, DRAW_SEED = 5, 52, 7


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Crystals by id.

    Args:
        name: of the subset.
        ids: in their fixed order; a crystal's place in it seeds everything random about its problems.
        bucket_weights: (label, weight) by size, smallest first; labels as in ``"5-8"`` atoms.
        note: how its crystals were chosen.
        crystals: file of the shared data folder that holds them.
    """

    name: str
    ids: tuple[str, ...]
    bucket_weights: tuple[tuple[str, float], ...]
    note: str = ""
    crystals: str = "crystals.parquet"

    @cached_property
    def weights(self) -> dict[str, float]:
        """Weight of each bucket by label."""
        return dict(self.bucket_weights)

    def bucket(self, num_atoms: int) -> str:
        """Label of the bucket that holds this size.

        Raises:
            DatasetError: no bucket does.
        """
        for label, _ in self.bucket_weights:
            low, high = label.split("-")
            if int(low) <= num_atoms <= int(high):
                return label
        raise DatasetError(f"got a crystal of {num_atoms} atoms, expected a size in one of {', '.join(self.weights)}")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One crystal of a subset.

    Args:
        index: place in the subset.
        crystal: named by its id, atoms sorted by atomic number.
        space_group: 1-230, 0 where unknown.
        bucket: label of its size bucket.
    """

    index: int
    crystal: Crystal
    space_group: int
    bucket: str


def load_subset(name: str) -> Subset:
    """A committed subset, or one of the file that the variable ``PXRDGEN_SUBSETS`` names.

    Raises:
        OptionError: no subset of that name.
        DatasetError: the file cannot be read.
    """
    known = json.loads((files("pxrdgen_benchmarks") / "data" / "subsets.json").read_text(encoding="utf-8"))
    if own := os.environ.get(SUBSETS_VARIABLE):
        try:
            known |= json.loads(Path(own).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DatasetError(f"got {SUBSETS_VARIABLE}={own}, which is not a file of subsets ({error})") from error
    if name not in known:
        raise OptionError(f"got the subset {name!r}, expected one of {', '.join(known)}{nearest(name, known)}")
    found = known[name]
    weights = tuple(found["bucket_weights"].items())
    said = {key: found[key] for key in ("note", "crystals") if key in found}
    return Subset(name=name, ids=tuple(found["ids"]), bucket_weights=weights, **said)


def load_entries(subset: Subset, crystals: Path | None = None) -> list[Entry]:
    """The crystals of a subset, in its order.

    Args:
        crystals: a table or pack that holds them; default the subset's, in :func:`shared_folder`.

    Raises:
        DatasetError: the file cannot be read or lacks a crystal.
    """
    from pxrdgen_learning.data.dataset_sources import read_dataset

    dataset = read_dataset(crystals or shared_folder() / subset.crystals).dataset.by_ids(subset.ids)
    return [
        Entry(
            index=index,
            crystal=crystal.sorted_by_species(),
            space_group=int(dataset.space_group[index]),
            bucket=subset.bucket(len(crystal)),
        )
        for index, crystal in enumerate(dataset)
    ]


def val_entries(
    count: int | None,
    crystals: Path | None = None,
    *,
    sizes: tuple[int, int] = (SMALLEST, LARGEST),
    seed: int = DRAW_SEED,
) -> list[Entry]:
    """Crystals of the val split with ``sizes`` atoms (both ends included), drawn by seed; longer draws start alike."""
    from pxrdgen_learning.data.dataset_sources import read_dataset

    dataset = read_dataset(crystals or shared_folder() / "crystals.parquet").dataset
    atoms = dataset.num_atoms
    eligible = np.flatnonzero((dataset.split == "val") & (atoms >= sizes[0]) & (atoms <= sizes[1]))
    chosen = np.random.default_rng(seed).permutation(eligible)[:count].tolist()
    return [
        Entry(
            index=place,
            crystal=dataset[row].sorted_by_species(),
            space_group=int(dataset.space_group[row]),
            bucket="all",
        )
        for place, row in enumerate(chosen)
    ]


def interleaved(entries: list[Entry], *, stride: int = 1, limit: int | None = None) -> list[Entry]:
    """The entries with buckets in turn, so that every beginning of the list is representative.

    Args:
        stride: keep every stride-th crystal of each bucket.
        limit: keep this many crystals in all.
    """
    buckets: dict[str, list[Entry]] = {}
    for entry in entries:
        buckets.setdefault(entry.bucket, []).append(entry)
    kept = [bucket[::stride] for bucket in buckets.values()]
    ranks = range(max((len(bucket) for bucket in kept), default=0))
    return [bucket[rank] for rank in ranks for bucket in kept if rank < len(bucket)][:limit]


def shared_folder() -> Path:
    """The data folder beside the project: ``$PXRDGEN_SHARED/data``, else ``shared/data`` beside the source tree.

    Raises:
        DatasetError: there is none.
    """
    beside = Path(__file__).resolve().parents[3] / "shared"
    folder = Path(os.environ.get("PXRDGEN_SHARED", beside)) / "data"
    if not folder.is_dir():
        raise DatasetError(
            f"got no data folder at {folder}; set PXRDGEN_SHARED to the folder that holds data/, or fetch crystals "
            "(pxrdgen data fetch mp20 --split train --split val --out mp20; pxrdgen data pack mp20/train.csv "
            "mp20/val.csv --out mp20.npz) and name them: --crystals mp20.npz"
        )
    return folder
