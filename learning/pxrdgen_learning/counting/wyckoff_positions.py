"""How often crystals use Wyckoff positions: counts the tables that the generator ``wyckoff`` goes by.

``python -m pxrdgen_learning.counting.wyckoff_positions crystals.parquet FOLDER`` rewrites the counts of both tables in
``crystallography/pxrdgen_crystallography/data`` from the training split; which positions there are stays as it is.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from pxrdgen.errors import DatasetError
from pxrdgen.values.crystal import Crystal

#: A; structures are this far from the symmetry they are counted with at most.
TOLERANCE = 0.05
#: names of the two tables.
POSITIONS, SEQUENCES = "wyckoff_positions.csv", "wyckoff_sequences.csv"


@dataclass
class WyckoffCounts:
    """What has been counted.

    Args:
        crystals: looked at and understood.
        orbits: on each (space group, letter).
        sequences: crystals with each (space group, letters of each element's orbits, elements in no order).
    """

    crystals: int = 0
    orbits: Counter[tuple[int, str]] = field(default_factory=Counter)
    sequences: Counter[tuple[int, str]] = field(default_factory=Counter)

    def add(self, crystal: Crystal) -> None:
        """Count one; crystals whose symmetry moyo cannot find are left out."""
        import moyopy

        cell = moyopy.Cell(crystal.basis.tolist(), crystal.frac_coords.tolist(), crystal.species.tolist())
        try:
            found = moyopy.MoyoDataset(cell, symprec=TOLERANCE, setting=moyopy.Setting.standard())
        except BaseException as error:  # moyo's panics are no Exceptions
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            return
        letters: dict[int, list[str]] = {}
        for atom in sorted(set(found.orbits)):
            letter = found.wyckoffs[atom]
            letters.setdefault(int(crystal.species[atom]), []).append(letter)
            self.orbits[found.number, letter] += 1
        sequence = " ".join(sorted("".join(sorted(own)) for own in letters.values()))
        self.sequences[found.number, sequence] += 1
        self.crystals += 1


def counted(crystals: Iterable[Crystal]) -> WyckoffCounts:
    """The counts of all of them."""
    counts = WyckoffCounts()
    for crystal in crystals:
        counts.add(crystal)
    return counts


def positions_file(counts: WyckoffCounts, old: str) -> str:
    """The table of positions with new counts.

    Raises:
        DatasetError: a crystal has a letter the table does not know.
    """
    rows = list(csv.DictReader(line for line in old.splitlines() if not line.startswith("#")))
    known = {(int(row["space_group"]), row["letter"]) for row in rows}
    if unknown := sorted(set(counts.orbits) - known):
        raise DatasetError(f"got orbits on {unknown[:5]}, which the table of positions lacks; is it of another moyo?")
    stream = io.StringIO()
    stream.write(
        "# Wyckoff positions of the 230 space groups (reference settings: origin 2, hexagonal axes, b unique): letter, "
        "points in the\n# conventional cell, one representative, and how many orbits on it the "
        f"{counts.crystals:,} crystals of the training split have\n"
        "space_group,letter,multiplicity,coordinates,orbits\n"
    )
    for row in rows:
        orbits = counts.orbits[int(row["space_group"]), row["letter"]]
        stream.write(f'{row["space_group"]},{row["letter"]},{row["multiplicity"]},"{row["coordinates"]}",{orbits}\n')
    return stream.getvalue()


def sequences_file(counts: WyckoffCounts) -> str:
    """The table of sequences."""
    stream = io.StringIO()
    stream.write(
        f"# How often sequences of Wyckoff letters occur in the {counts.crystals:,} crystals of the training split: "
        "the letters of each element's orbits,\n# elements parted by blanks and in no order; reference settings, the "
        "origin being one of several equivalent ones\nspace_group,letters,crystals\n"
    )
    for (number, letters), crystals in sorted(counts.sequences.items()):
        stream.write(f"{number},{letters},{crystals}\n")
    return stream.getvalue()


def main(
    crystals: Annotated[Path, typer.Argument(help="Table of crystals with a column 'split'.")],
    folder: Annotated[Path, typer.Argument(help="Where both tables lie.")],
    split: Annotated[str, typer.Option(help="Which crystals count.")] = "train",
) -> None:
    """Count, and rewrite both tables."""
    import logging

    from rich.progress import track

    from pxrdgen_learning.data.dataset_sources import read_dataset

    logging.getLogger("moyo").setLevel(logging.CRITICAL)  # it speaks of every non-primitive cell
    dataset = read_dataset(crystals).dataset.select(split=split)
    counts = counted(track(dataset, description="counting", total=len(dataset)))
    positions = positions_file(counts, (folder / POSITIONS).read_text(encoding="utf-8"))
    (folder / POSITIONS).write_text(positions, encoding="utf-8")
    (folder / SEQUENCES).write_text(sequences_file(counts), encoding="utf-8")
    typer.echo(f"counted {counts.crystals} of {len(dataset)} crystals: {len(counts.sequences)} sequences")


if __name__ == "__main__":
    typer.run(main)
