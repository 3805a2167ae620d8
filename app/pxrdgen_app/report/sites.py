"""The atoms of a candidate as a table: one row a symmetry-independent site."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import SymmetryError
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import SYMBOLS
from pxrdgen.values.solution import Candidate
from pxrdgen.values.space_group import SpaceGroup
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.symmetry.asymmetric_unit import asymmetric_unit
from pxrdgen_crystallography.symmetry.group_search import search_group

FloatArray = NDArray[np.float64]

#: How far (A) atoms may be from their symmetric places when Wyckoff letters are looked up.
_SEARCH_TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class Site:
    """One row of the atom table.

    Args:
        label: element and running number, ``"O2"``.
        symbol: of the element.
        multiplicity: atoms of this site in the conventional cell.
        wyckoff_letter: in the standard setting; ``None`` when the symmetry could not be confirmed.
        frac_coords: of one atom of the site, in the conventional cell.
        coordinate_su: its standard uncertainties; ``None`` if unknown, 0 where fixed.
        u_iso: A^2; ``None`` if unknown.
        members: rows of the conventional crystal that belong to the site.
        u_iso_su: standard uncertainty of ``u_iso`` (A^2); ``None`` if unknown, 0 where held.
    """

    label: str
    symbol: str
    multiplicity: int
    wyckoff_letter: str | None
    frac_coords: tuple[float, float, float]
    coordinate_su: tuple[float, float, float] | None
    u_iso: float | None
    members: tuple[int, ...]
    u_iso_su: float | None = None


def sites(candidate: Candidate) -> tuple[Site, ...]:
    """The sites of the conventional cell, labelled in the order of the candidate's CIF.

    When the atoms do not obey the candidate's space group every atom is a site of its own, and the Wyckoff letters are
    left out unless a search finds that group again.
    """
    crystal, su = candidate.conventional, candidate.conventional_coordinate_su
    group = _confirmed_group(candidate)
    letters = _wyckoff_letters(crystal, group)
    counts: Counter[str] = Counter()
    table = []
    for row, multiplicity in zip(*asymmetric_unit(crystal, group), strict=True):
        symbol = SYMBOLS[int(crystal.species[row])]
        counts[symbol] += 1
        table.append(
            Site(
                label=f"{symbol}{counts[symbol]}",
                symbol=symbol,
                multiplicity=int(multiplicity),
                wyckoff_letter=letters[row] if letters else None,
                frac_coords=_triple(crystal.frac_coords[row]),
                coordinate_su=None if su is None else _triple(su[row]),
                u_iso=None if crystal.u_iso is None else float(crystal.u_iso[row]),
                members=_orbit(crystal, group, int(row)),
                u_iso_su=None if candidate.conventional_u_su is None else float(candidate.conventional_u_su[row]),
            )
        )
    return tuple(table)


def _triple(values: FloatArray) -> tuple[float, float, float]:
    return (float(values[0]), float(values[1]), float(values[2]))


def _confirmed_group(candidate: Candidate) -> SpaceGroup:
    """The candidate's group where its operations map the atoms onto each other, else P 1."""
    try:
        group = parse_space_group(candidate.space_group_symbol)
        asymmetric_unit(candidate.conventional, group)
    except SymmetryError:
        return parse_space_group(1)
    return group


def _wyckoff_letters(crystal: Crystal, group: SpaceGroup) -> tuple[str, ...]:
    try:
        found = search_group(crystal, _SEARCH_TOLERANCE)
    except SymmetryError:
        return ()
    return found.wyckoff_letters if found.number == group.number else ()


def _orbit(crystal: Crystal, group: SpaceGroup, row: int) -> tuple[int, ...]:
    images = group.rotations @ crystal.frac_coords[row] + group.translations
    delta = images[:, None] - crystal.frac_coords[None]
    distance = np.linalg.norm((delta - np.rint(delta)) @ crystal.basis, axis=-1)
    distance[:, crystal.species != crystal.species[row]] = np.inf
    return tuple(int(member) for member in np.unique(distance.argmin(axis=1)))
