"""Extinction symbols: what is absent along and across each direction of a cell (International Tables A 3.1).

``P 1 21/c 1``, ``P n a -``, ``I a - d``: for each symmetry direction the screw axis and the glide plane that the
absences show, ``-`` where nothing is absent; a screw is named only where glides do not explain its absences already.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.space_group import SpaceGroup
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.space_groups.absences import reflection_conditions

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_REACH = 8
_A, _B, _C = (1, 0, 0), (0, 1, 0), (0, 0, 1)
#: a direction in direct space, and the reflections along it where screws along it show.
_Direction = tuple[tuple[int, int, int], tuple[int, int, int] | None]
#: for each crystal system its symmetry directions; ``None`` for one that neither screws nor glides can mark.
_DIRECTIONS: dict[str, tuple[_Direction | None, ...]] = {
    "triclinic": (),
    "monoclinic": ((_B, _B),),
    "orthorhombic": ((_A, _A), (_B, _B), (_C, _C)),
    "tetragonal": ((_C, _C), (_A, _A), ((1, -1, 0), (1, -1, 0))),
    "trigonal": ((_C, _C), (_A, None), ((1, -1, 0), None)),
    "hexagonal": ((_C, _C), (_A, None), ((1, -1, 0), None)),
    "cubic": ((_A, _A), None, ((1, -1, 0), (1, -1, 0))),
}
_GLIDES: tuple[tuple[str, tuple[float, float, float]], ...] = (
    ("a", (0.5, 0, 0)),
    ("b", (0, 0.5, 0)),
    ("c", (0, 0, 0.5)),
    ("n", (0, 0.5, 0.5)),
    ("n", (0.5, 0, 0.5)),
    ("n", (0.5, 0.5, 0)),
    ("n", (0.5, 0.5, 0.5)),
    ("d", (0, 0.25, 0.25)),
    ("d", (0.25, 0, 0.25)),
    ("d", (0.25, 0.25, 0)),
    ("d", (0.25, 0.25, 0.25)),
)
#: by the period of the reflections that remain along the axis; the plain entry holds for directions of order 2.
_SCREWS = {
    (2, ""): "21",
    (2, "hexagonal"): "63",
    (3, "trigonal"): "31",
    (3, "hexagonal"): "62",
    (4, ""): "41",
    (6, ""): "61",
}


def extinction_symbol(group: SpaceGroup) -> str:
    """The symbol of a space group in its setting; groups of a crystal system with the same absences share it.

    Of reference settings it stands in a table, of others it is derived.
    """
    hall, symbol = reference_symbols()[group.number]
    return symbol if hall == group.hall_symbol else derive_extinction_symbol(group)


def derive_extinction_symbol(group: SpaceGroup) -> str:
    """The same from the operations, by looking at what is absent in each zone and along each axis."""
    hkl = _block()
    absent, _ = reflection_conditions(hkl, group.rotations, group.translations)
    is_translation = (group.rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2))
    from_lattice, _ = reflection_conditions(hkl, group.rotations[is_translation], group.translations[is_translation])
    allowed = ~from_lattice
    directions = _DIRECTIONS[group.crystal_system]
    if group.has_rhombohedral_axes:
        directions = (None, ((1, -1, 0), None))
    # where centring makes two glides the same, the letter the International Tables prefer comes first
    letters = "acbnd" if group.crystal_system == "tetragonal" else "abcnd"
    glides, explained = [], np.zeros(len(hkl), dtype=bool)
    for entry in directions:
        letter = "" if entry is None else _glide(hkl, absent, allowed, entry[0], letters)[0]
        glides.append(letter)
        if entry is not None and letter:
            for image in _images(entry[0], group):
                explained |= _glide(hkl, absent, allowed, image, letters)[1]
    parts = []
    for entry, letter in zip(directions, glides, strict=True):
        along = None if entry is None else entry[1]
        order = 0 if along is None else _screw_period(hkl, absent, allowed, explained, along)
        fourfold = order == 2 and _is_fourfold(entry, group)
        screw = "42" if fourfold else _SCREWS.get((order, group.crystal_system), _SCREWS.get((order, ""), ""))
        parts.append("/".join(part for part in (screw, letter) if part) or "-")
    lattice = "P" if group.has_rhombohedral_axes else group.centring
    if group.crystal_system == "triclinic":
        return f"{lattice} -"
    if group.crystal_system == "monoclinic":
        return f"{lattice} 1 {parts[0]} 1"
    return " ".join([lattice, *parts])


def _glide(
    hkl: IntArray, absent: BoolArray, allowed: BoolArray, direction: tuple[int, int, int], letters: str
) -> tuple[str, BoolArray]:
    """The glide across a direction that explains all absences of its zone beyond the lattice's, and what it forbids."""
    zone = allowed & (hkl @ np.array(direction) == 0)
    inner = zone & _inner(hkl, direction)
    if not absent[inner].any():
        return "", np.zeros(len(hkl), dtype=bool)
    for letter, step in sorted(_GLIDES, key=lambda glide: letters.index(glide[0])):
        phase = hkl @ np.array(step)
        predicted = zone & (np.abs(phase - np.rint(phase)) > 1e-6)
        if np.array_equal(predicted & inner, absent & inner):
            return letter, predicted
    return "x", zone & absent


def _inner(hkl: IntArray, direction: tuple[int, int, int]) -> BoolArray:
    """Reflections of a zone that lie on no axis of symmetry, where only the zone's own glide acts."""
    size = np.abs(hkl)
    if sum(map(abs, direction)) == 1:
        distinct = (size[:, 0] != size[:, 1]) & (size[:, 1] != size[:, 2]) & (size[:, 0] != size[:, 2])
        return np.asarray(distinct & (np.count_nonzero(hkl, axis=1) == 2))
    return np.asarray((np.count_nonzero(hkl, axis=1) == 3) & (size.max(axis=1) != size.min(axis=1)))


def _is_fourfold(entry: _Direction | None, group: SpaceGroup) -> bool:
    """Whether a direction is that of four-fold axes."""
    if entry is None:
        return False
    proper = group.rotations * np.rint(np.linalg.det(group.rotations)).astype(np.int64)[:, None, None]
    along = np.array(entry[0])
    return bool(((np.trace(proper, axis1=1, axis2=2) == 1) & (proper @ along == along).all(axis=1)).any())


def _images(direction: tuple[int, int, int], group: SpaceGroup) -> set[tuple[int, int, int]]:
    """The directions equivalent to one by symmetry."""
    images = group.rotations @ np.array(direction)
    return {(int(u), int(v), int(w)) for u, v, w in images}


def _screw_period(
    hkl: IntArray, absent: BoolArray, allowed: BoolArray, explained: BoolArray, along: tuple[int, int, int]
) -> int:
    """Every how many-th reflection along a direction remains, 0 where glides explain the absences."""
    on_axis = allowed & (np.cross(hkl, np.array(along)) == 0).all(axis=1) & hkl.any(axis=1)
    if not (absent & on_axis & ~explained).any():
        return 0
    orders = np.abs(hkl[on_axis & ~absent]).max(axis=1)
    return int(orders.min())


@lru_cache(maxsize=1)
def reference_symbols() -> dict[int, tuple[str, str]]:
    """(Hall symbol, extinction symbol) of the reference setting of each group."""
    text = (files("pxrdgen_crystallography.space_groups") / "data" / "extinction_symbols.csv").read_text(
        encoding="utf-8"
    )
    symbols = {int(row["number"]): row["symbol"] for row in csv.DictReader(text.splitlines())}
    return {number: (parse_space_group(number).hall_symbol, symbol) for number, symbol in symbols.items()}


@lru_cache(maxsize=1)
def _block() -> IntArray:
    steps = np.arange(-_REACH, _REACH + 1)
    box = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    # only reflections in a zone or on an axis of symmetry can be absent beyond the lattice's own absences
    return np.asarray(box[(box == 0).any(axis=1) | (np.abs(box[:, 0]) == np.abs(box[:, 1])) | (box[:, 0] == box[:, 2])])
