"""The shipped tables: Wyckoff positions of the 230 space groups, and how often crystals use them.

Positions were derived from the operations (module ``derivation``) and named by moyo, successor of spglib
(Togo, Shinohara & Tanaka 2024, doi:10.1080/27660400.2024.2384822); frequencies were counted over the training split.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_TERM = re.compile(r"([+-]?)(\d*)(/\d+)?([xyz]?)")


@dataclass(frozen=True, kw_only=True)
class TabulatedPosition:
    """A Wyckoff position in the reference setting of its group (origin 2, hexagonal axes, unique axis b).

    Args:
        letter: of the International Tables.
        multiplicity: points in the conventional cell.
        directions: [3, freedom] one orbit's first point is directions @ u + origin.
        origin: [3].
        frequency: orbits on it in the training split.
    """

    letter: str
    multiplicity: int
    directions: FloatArray
    origin: FloatArray
    frequency: int


@lru_cache(maxsize=1)
def tabulated_positions() -> Mapping[int, tuple[TabulatedPosition, ...]]:
    """Positions of each space group number, in order of their letters."""
    found: dict[int, list[TabulatedPosition]] = {}
    for row in _rows("wyckoff_positions.csv"):
        directions, origin = parse_coordinates(row["coordinates"])
        found.setdefault(int(row["space_group"]), []).append(
            TabulatedPosition(
                letter=row["letter"],
                multiplicity=int(row["multiplicity"]),
                directions=directions,
                origin=origin,
                frequency=int(row["orbits"]),
            )
        )
    return MappingProxyType({number: tuple(positions) for number, positions in found.items()})


@lru_cache(maxsize=1)
def letter_sequences() -> Mapping[int, tuple[tuple[tuple[str, ...], int], ...]]:
    """For each space group: (letters of each element's orbits, in no order) and the crystals that have them."""
    found: dict[int, list[tuple[tuple[str, ...], int]]] = {}
    for row in _rows("wyckoff_sequences.csv"):
        entry = (tuple(row["letters"].split(" ")), int(row["crystals"]))
        found.setdefault(int(row["space_group"]), []).append(entry)
    return MappingProxyType({number: tuple(entries) for number, entries in found.items()})


def parse_coordinates(text: str) -> tuple[FloatArray, FloatArray]:
    """``"2x,x,z+1/2"`` as directions [3, 2] and origin [3]; letters take the columns in the order x, y, z."""
    names = [name for name in "xyz" if name in text]
    directions, origin = np.zeros((3, len(names))), np.zeros(3)
    for row, part in enumerate(text.split(",")):
        for sign, digits, below, name in _TERM.findall(part):
            if not digits and not name:
                continue
            value = float(Fraction((digits or "1") + below)) * (-1.0 if sign == "-" else 1.0)
            if name:
                directions[row, names.index(name)] += value
            else:
                origin[row] += value
    return directions, origin


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("pxrdgen_crystallography").joinpath(f"data/{name}").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
