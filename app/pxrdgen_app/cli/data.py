"""``pxrdgen data``: public tables fetched, tables and folders of crystals made into one file, and what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pxrdgen.errors import OutputError

if TYPE_CHECKING:
    from pxrdgen_learning.data.dataset import CrystalDataset
    from pxrdgen_learning.data.dataset_sources import DatasetReading

app = typer.Typer(no_args_is_help=True, help="Fetch, prepare and check tables of crystals.")

_REASONS_SHOWN = 5


@app.command("pack")
def pack_crystals(
    sources: Annotated[
        list[Path],
        typer.Argument(help="A .parquet table, a .csv with material_id and cif, a .cif, a folder of CIFs, or a pack."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .npz file to write.")],
    split: Annotated[
        list[str] | None, typer.Option("--split", "-s", help="Keep only this split; may be given several times.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Pack crystals from one or more sources into one file.

    Rows that cannot be read (disorder, broken CIFs) are skipped and listed. The file carries a checksum of its
    content, needs only numpy to be read, and is written whole or not at all.

    Examples:

      pxrdgen data pack crystals.parquet --out crystals.npz

      pxrdgen data pack mp_20/train.csv mp_20/val.csv --out mp20.npz

      pxrdgen data pack my_cifs/ --out mine.npz

      pxrdgen data pack crystals.npz --split val --out val.npz
    """
    from pxrdgen_learning.data.dataset import CrystalDataset, pack

    if out.suffix != ".npz":
        raise OutputError(f"got the output file {out}, expected a name that ends in .npz")
    if out.exists() and not force:
        raise OutputError(f"got the output file {out}, which exists; choose another name, or --force to replace it")
    if not out.parent.is_dir():
        raise OutputError(f"got the output file {out}, but there is no folder {out.parent}; make it first")
    readings = [_read(source) for source in sources]
    dataset = CrystalDataset.concatenate([reading.dataset for reading in readings])
    if split:
        dataset = dataset.select(split=split)
    checksum = pack(dataset, out)
    skipped = [entry for reading in readings for entry in reading.skipped]
    for name, reason in skipped[:_REASONS_SHOWN]:
        typer.echo(f"skipped {name}: {reason}", err=True)
    if len(skipped) > _REASONS_SHOWN:
        typer.echo(f"skipped {len(skipped) - _REASONS_SHOWN} more", err=True)
    size = out.stat().st_size / 2**20
    typer.echo(f"{out}: {len(dataset)} crystals, {dataset.species.size} atoms, {size:.1f} MiB, {len(skipped)} skipped")
    typer.echo(f"sha256 {checksum}")


@app.command("fetch")
def fetch_dataset(
    name: Annotated[str, typer.Argument(help="The dataset: mp20.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for its files; default: its name.")] = None,
    split: Annotated[
        list[str] | None, typer.Option("--split", "-s", help="Only this split; may be given several times.")
    ] = None,
    mirror: Annotated[str, typer.Option("--mirror", help="Another address that holds the same files.")] = "",
) -> None:
    """Fetch a public dataset from its home; what was cut off is continued, what is there is checked.

    Files have a SHA-256: the published one, or, where none is published, that of the first download, kept in
    checksums.json. 'pxrdgen data pack' makes one file of them.

    Examples:

      pxrdgen data fetch mp20 --split val

      pxrdgen data fetch mp20 --out mp20

      pxrdgen data pack mp20/train.csv mp20/val.csv --out mp20.npz
    """
    from pxrdgen.errors import OptionError, nearest
    from pxrdgen_learning.data.download import fetch
    from pxrdgen_learning.data.public_datasets import public_dataset

    dataset = public_dataset(name)
    known = [file.split for file in dataset.files]
    for wanted in split or ():
        if wanted not in known:
            raise OptionError(f"got the split {wanted!r}, expected one of {', '.join(known)}{nearest(wanted, known)}")
    folder = out or Path(name)
    folder.mkdir(parents=True, exist_ok=True)
    address = f"{mirror.rstrip('/')}/" if mirror else dataset.address
    for file in dataset.files:
        if split and file.split not in split:
            continue
        target = folder / file.name
        with _bytes_shown(file.name) as progress:
            sha256 = fetch(address + file.name, target, sha256=file.sha256, progress=progress)
        rows = _csv_rows(target)
        if rows != file.rows:
            typer.echo(f"note: {target} holds {rows} crystals, published are {file.rows}", err=True)
        typer.echo(f"{target}: {rows} crystals, sha256 {sha256}")
    typer.echo(f"licence: {dataset.licence}; cite {dataset.cite}", err=True)


@app.command("info")
def show_info(
    file: Annotated[Path, typer.Argument(help="A pack, or any other source that 'data pack' reads.")],
) -> None:
    """Show what a pack holds: counts by split, source and size, its elements, its checksum.

    Examples:

      pxrdgen data info crystals.npz
    """
    dataset = _read(file).dataset
    typer.echo(f"{file}: {len(dataset)} crystals, {dataset.species.size} atoms")
    typer.echo(f"sha256 {dataset.checksum()}")
    if not len(dataset):
        return
    for title, lines in _facts(dataset):
        typer.echo(f"\n{title}")
        for line in lines:
            typer.echo(f"  {line}")


def _facts(dataset: CrystalDataset) -> list[tuple[str, list[str]]]:
    import numpy as np

    from pxrdgen.values.elements import SYMBOLS

    def counts(values: list[str]) -> list[str]:
        names, numbers = np.unique(np.array(values), return_counts=True)
        order = np.argsort(-numbers, kind="stable")
        return [f"{names[row] or '(none)':32} {numbers[row]:7d}" for row in order]

    present = [SYMBOLS[number] for number in np.unique(dataset.species).tolist()]
    rows = [" ".join(present[start : start + 20]) for start in range(0, len(present), 20)]
    return [
        ("by split", counts(dataset.split.tolist())),
        ("by source", counts(dataset.source.tolist())),
        ("by atoms in the cell", [f"{bucket.label:32} {bucket.rows.size:7d}" for bucket in dataset.size_buckets()]),
        (f"{len(present)} elements", rows),
    ]


def _csv_rows(path: Path) -> int:
    import csv

    from pxrdgen_files.cif import MAX_BYTES

    before = csv.field_size_limit(MAX_BYTES)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return max(sum(1 for _ in csv.reader(stream)) - 1, 0)
    finally:
        csv.field_size_limit(before)


@contextmanager
def _bytes_shown(name: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar of bytes on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"fetching {name}", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def _read(source: Path) -> DatasetReading:
    """Read a source with a progress bar on stderr, shown only where it takes a while."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from pxrdgen_learning.data.dataset_sources import read_dataset

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"reading {source.name}", total=None)
        return read_dataset(source, progress=lambda done, total: bar.update(task, completed=done, total=total or None))
