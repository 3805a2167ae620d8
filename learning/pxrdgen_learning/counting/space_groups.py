"""Makes the tables of space groups: ``python -m pxrdgen_learning.counting.space_groups crystals.parquet``.

``extinction_symbols.csv`` follows from the operations of the 230 groups. ``group_counts.csv`` counts, in the train
split of a table of crystals, how often each group occurs on each type of lattice and with each sorted list of atom
counts.
"""

from __future__ import annotations

import csv
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.space_groups.lattice_type import lattice_type
from pxrdgen_crystallography.space_groups.prior import contents_key
from pxrdgen_crystallography.space_groups.subgroups import lattice_symmetry
from pxrdgen_crystallography.space_groups.symbols import derive_extinction_symbol
from pxrdgen_crystallography.symmetry.conventional import ENANTIOMORPHS
from pxrdgen_learning.data.dataset_sources import read_dataset

FOLDER = Path(str(files("pxrdgen_crystallography.space_groups"))) / "data"

#: contents seen fewer times than this say nothing that the lattice alone does not.
AT_LEAST = 2


def main(
    crystals: Annotated[Path | None, typer.Argument(help="table or pack of crystals with a train split")] = None,
) -> None:
    """Write both tables; without crystals, the first alone."""
    _write_symbols(FOLDER / "extinction_symbols.csv")
    if crystals is not None:
        _write_group_counts(FOLDER / "group_counts.csv", crystals)


def _write_symbols(target: Path) -> None:
    with target.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["number", "symbol"])
        for number in range(1, 231):
            rows.writerow([number, derive_extinction_symbol(parse_space_group(number))])


def _write_group_counts(target: Path, crystals: Path) -> None:
    dataset = read_dataset(crystals).dataset
    counts: Counter[tuple[str, str, int]] = Counter()
    for row in np.flatnonzero((dataset.split == "train") & (dataset.space_group > 0)):
        crystal = dataset[int(row)]
        _, transform = crystal.cell.niggli()
        basis = transform @ crystal.basis
        number = int(dataset.space_group[row])
        key = (lattice_type(basis, lattice_symmetry(basis).exact_rotations), contents_key(crystal.species))
        counts[(*key, min(number, ENANTIOMORPHS.get(number, number)))] += 1
    together: Counter[tuple[str, str]] = Counter()
    for (lattice, contents, _), count in counts.items():
        together[lattice, contents] += count
    merged: Counter[tuple[str, str, int]] = Counter()
    for (lattice, contents, number), count in counts.items():
        merged[lattice, contents if together[lattice, contents] >= AT_LEAST else "", number] += count
    with target.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["lattice", "contents", "number", "count"])
        rows.writerows((*key, count) for key, count in sorted(merged.items()))


if __name__ == "__main__":
    typer.run(main)
