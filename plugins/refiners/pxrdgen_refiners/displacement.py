"""Isotropic displacement parameters: which atoms share one, which of them move, and what holds them in place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: bounds, A^2.
U_RANGE = (0.0005, 0.08)
#: centre (A^2) and spread (natural logarithm) of the restraint on the Uiso of an element.
U_PRIOR, U_SPREAD = 0.008, 0.8
#: spread (natural logarithm) of the sites of an element about their mean.
SITE_SPREAD = 0.4


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Atoms of one kind for the model: one scattering factor and one Uiso.

    Args:
        elements: [E] atomic number of each class.
        members: [N] class of each atom.
    """

    elements: IntArray
    members: IntArray

    @property
    def counts(self) -> IntArray:
        """[E] atoms of each."""
        return np.bincount(self.members)

    @property
    def labels(self) -> list[str]:
        """[E] the element's symbol, numbered where it has several classes."""
        from pxrdgen.values.elements import SYMBOLS

        found, seen = [], dict.fromkeys(self.elements.tolist(), 0)
        for number in self.elements.tolist():
            seen[number] += 1
            alone = int((self.elements == number).sum()) == 1
            found.append(SYMBOLS[number] + ("" if alone else str(seen[number])))
        return found


def classes_of(species: IntArray, orbits: IntArray | None, grouping: Literal["element", "site", "overall"]) -> Classes:
    """Elements, or sites: orbits [N] of the group, every atom its own where there is none."""
    if grouping == "site":
        sites = np.arange(species.size) if orbits is None else orbits
        first, members = np.unique(sites, return_inverse=True)
        order = np.lexsort((first, species[first]))
        place = np.argsort(order)
        return Classes(elements=species[first][order], members=place[members])
    elements, members = np.unique(species, return_inverse=True)
    return Classes(elements=elements, members=members)


@dataclass(frozen=True, kw_only=True)
class Displacement:
    """What moves of the logarithms [E] of the classes' Uiso.

    Args:
        columns: [E, F] change of each class with each free parameter.
        rows, centres: restraint residuals rows @ log_u - centres, [R, E] and [R], wanting to be 0 within 1.
    """

    columns: FloatArray
    rows: FloatArray
    centres: FloatArray

    def restraint(self, log_u: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Residuals [R] and their derivatives [R, F]."""
        return self.rows @ log_u - self.centres, self.rows @ self.columns


def displacement_of(
    classes: Classes, held: NDArray[np.bool_], grouping: Literal["element", "site", "overall"]
) -> Displacement:
    """Elements or sites one by one, sites drawn together by element; or all as one. ``held`` [E] ones do not move.

    When one number moves all, held classes follow: it is the pattern's fall with angle, no atom's own.
    """
    count = len(classes.elements)
    if grouping == "overall":
        mean = np.full((1, count), 1.0 / count) / U_SPREAD
        return Displacement(columns=np.ones((count, 1)), rows=mean, centres=np.array([math.log(U_PRIOR) / U_SPREAD]))
    columns = np.eye(count)[:, ~held]
    rows: list[FloatArray] = []
    centres: list[float] = []
    for number in np.unique(classes.elements[~held]):
        same = (classes.elements == number) & ~held
        mean = same / same.sum()
        rows.append(np.asarray(mean / U_SPREAD))
        centres.append(math.log(U_PRIOR) / U_SPREAD)
        if same.sum() > 1:
            rows += list((np.eye(count)[same] - mean) / SITE_SPREAD)
            centres += [0.0] * int(same.sum())
    return Displacement(
        columns=columns, rows=np.array(rows, dtype=np.float64).reshape(-1, count), centres=np.array(centres)
    )
