"""Crystals from tables, CSVs of CIFs, folders of CIFs and packs, as one :class:`CrystalDataset`."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import DatasetError, InputError
from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.symmetry.primitive import primitive
from pxrdgen_files.cif import MAX_BYTES, read_cif, read_cif_text
from pxrdgen_learning.data.dataset import CrystalDataset, load_pack

#: Called with how many crystals were read so far, and of how many (0 when unknown).
Progress = Callable[[int, int], None]

_PARQUET_COLUMNS = ("id", "source", "split", "formula", "num_atoms", "space_group", "lattice", "species", "frac_coords")
_SPLITS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class DatasetReading:
    """What a source gave.

    Args:
        dataset: the crystals that could be read.
        skipped: (name, reason) of those that could not.
    """

    dataset: CrystalDataset
    skipped: tuple[tuple[str, str], ...] = ()


def read_dataset(path: str | Path, *, progress: Progress | None = None) -> DatasetReading:
    """Crystals from a ``.parquet`` table, a ``.csv`` with a ``cif`` column, a ``.cif``, a folder of CIFs, or a pack.

    CIFs and CSV rows are brought to their primitive Niggli cell; rows that cannot be read are skipped and reported.
    Tables and packs are taken as they are. A CSV named after a split (``train.csv``) gives its crystals that split.

    Raises:
        DatasetError: no such file, an unknown kind of file, missing columns, nothing readable.
    """
    path = Path(path)
    if not path.exists():
        raise DatasetError(
            f"got {path}, which does not exist; expected a .parquet, .csv, .npz or .cif file, or a folder"
        )
    suffix = path.suffix.lower()
    if path.is_dir():
        return _read_folder(path, progress)
    if suffix == ".npz":
        return DatasetReading(dataset=load_pack(path))
    if suffix == ".parquet":
        return DatasetReading(dataset=_read_parquet(path))
    if suffix == ".csv":
        return _read_csv(path, progress)
    if suffix == ".cif":
        return _from_cifs(((path.stem, path),), source="cif", split="", total=1, progress=progress, where=path)
    raise DatasetError(
        f"got {path} with the suffix {suffix!r}, expected .parquet, .csv, .npz or .cif, or a folder of CIFs"
    )


def _read_parquet(path: Path) -> CrystalDataset:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DatasetError(f"got {path}, which is not a readable parquet table ({error})") from error
    missing = [name for name in _PARQUET_COLUMNS if name not in table.column_names]
    if missing:
        raise DatasetError(
            f"got {path} without the column(s) {', '.join(missing)}; expected {', '.join(_PARQUET_COLUMNS)}"
        )

    def flat(name: str) -> NDArray[Any]:
        column = table.column(name).combine_chunks()
        return np.asarray(column.flatten().to_numpy(zero_copy_only=False))

    def text(name: str) -> NDArray[np.str_]:
        return np.array(table.column(name).to_pylist(), dtype=np.str_)

    try:
        return CrystalDataset(
            ids=text("id"),
            source=text("source"),
            split=text("split"),
            formula=text("formula"),
            num_atoms=table.column("num_atoms").to_numpy(),
            space_group=table.column("space_group").to_numpy(),
            basis=flat("lattice").reshape(-1, 3, 3),
            species=flat("species"),
            frac_coords=flat("frac_coords").reshape(-1, 3),
        )
    except (ValueError, TypeError, pyarrow.ArrowException) as error:
        raise DatasetError(f"got {path}, whose columns do not describe crystals ({error})") from error


def _read_folder(path: Path, progress: Progress | None) -> DatasetReading:
    files = sorted(entry for entry in path.rglob("*") if entry.suffix.lower() == ".cif" and entry.is_file())
    if not files:
        raise DatasetError(f"got the folder {path}, which holds no .cif file")
    named: list[tuple[str, str | Path]] = [(str(entry.relative_to(path).with_suffix("")), entry) for entry in files]
    return _from_cifs(named, source=path.resolve().name, split="", total=len(named), progress=progress, where=path)


def _read_csv(path: Path, progress: Progress | None) -> DatasetReading:
    split = path.stem if path.stem in _SPLITS else ""
    return _from_cifs(_csv_rows(path), source=path.resolve().parent.name, split=split, progress=progress, where=path)


def _csv_rows(path: Path) -> Iterator[tuple[str, str]]:
    """(id, CIF text) of each row of a table with the columns of MP-20: ``material_id`` and ``cif``."""
    before = csv.field_size_limit(MAX_BYTES)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in ("material_id", "cif") if name not in (reader.fieldnames or ())]
            if missing:
                raise DatasetError(
                    f"got {path} without the column(s) {', '.join(missing)}; expected a CSV with material_id and cif"
                )
            for row in reader:
                yield row["material_id"] or f"row {reader.line_num}", row["cif"] or ""
    except (csv.Error, UnicodeDecodeError) as error:
        raise DatasetError(f"got {path}, which is not a readable CSV ({error})") from error
    finally:
        csv.field_size_limit(before)


def _from_cifs(
    named: Iterable[tuple[str, str | Path]],
    *,
    source: str,
    split: str,
    progress: Progress | None,
    where: Path,
    total: int = 0,
) -> DatasetReading:
    crystals: list[Crystal] = []
    groups: list[int] = []
    skipped: list[tuple[str, str]] = []
    seen: set[str] = set()
    for done, (name, content) in enumerate(named, start=1):
        try:
            if name in seen:
                raise DatasetError(f"got a second crystal named {name!r}; ids must be distinct")
            crystal = read_cif_text(content, name=name) if isinstance(content, str) else read_cif(content)
            crystal, group = _standard(crystal, name)
        except InputError as error:
            skipped.append((name, str(error)))
        else:
            seen.add(name)
            crystals.append(crystal)
            groups.append(group)
        if progress is not None:
            progress(done, total)
    if not crystals:
        reason = f"; the first: {skipped[0][1]}" if skipped else ""
        raise DatasetError(f"got {where}, of which no crystal could be read{reason}")
    dataset = CrystalDataset.from_crystals(crystals, source=source, split=split, space_group=groups)
    return DatasetReading(dataset=dataset, skipped=tuple(skipped))


def _standard(crystal: Crystal, name: str) -> tuple[Crystal, int]:
    """The primitive Niggli cell under a given name, and the space-group number (0 where none is found)."""
    import spglib

    small = primitive(crystal)
    cell: Any = (small.basis, small.frac_coords, small.species)
    found = spglib.get_spacegroup(cell, symprec=0.01)
    number = int(found.split("(")[1].rstrip(")")) if found else 0
    named = Crystal(
        species=small.species, frac_coords=small.frac_coords, basis=small.basis, u_iso=small.u_iso, name=name
    )
    return named, number
