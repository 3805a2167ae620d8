"""What a user knows of a powder pattern: the question that the solve loop answers."""

from __future__ import annotations

from dataclasses import dataclass

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.space_group import SpaceGroup


@dataclass(frozen=True, kw_only=True)
class Question:
    """Find the crystal structure behind a pattern.

    Args:
        pattern: to be explained.
        composition: one formula unit.
        cell: as an indexing program prints it, in any setting; found from the pattern when it is ``None``.
        z: formula units in that cell, without a cell in the primitive one; several are tried when it is ``None``.
        centring: P A B C I F or R; default from the space group, else P.
        space_group: with its setting, which names the setting of the answer.
        ranges, exclude: 2theta ranges (degrees) to use and to leave out.
        impurities: crystals known to be in the sample besides.
    """

    pattern: PowderPattern
    composition: Composition
    cell: UnitCell | None = None
    z: int | None = None
    centring: str | None = None
    space_group: SpaceGroup | None = None
    ranges: tuple[tuple[float, float], ...] = ()
    exclude: tuple[tuple[float, float], ...] = ()
    impurities: tuple[Crystal, ...] = ()
