"""The 3-D view of a crystal as plain numbers: atoms of the conventional cell, bonds, axes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import SYMBOLS
from pxrdgen.values.solution import Candidate
from pxrdgen_app.report.formula import formula_text
from pxrdgen_app.report.sites import Site

FloatArray = NDArray[np.float64]

#: Atoms this close to a face of the cell (fraction of the axis) are repeated on the opposite face.
_FACE = 0.01
#: A bond is drawn up to this multiple of the sum of covalent radii.
_REACH = 1.2
#: Larger scenes are drawn without bonds and without repeated atoms.
_MANY_ATOMS = 300


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What the viewer draws.

    Args:
        symbols: [K] elements.
        labels: [K] names of the sites.
        positions: [K, 3] Cartesian, A.
        radii: radius of the drawn sphere by element, A.
        bonds: pairs of rows.
        basis: [3, 3] rows a, b, c in A.
    """

    symbols: tuple[str, ...]
    labels: tuple[str, ...]
    positions: FloatArray
    radii: dict[str, float]
    bonds: tuple[tuple[int, int], ...]
    basis: FloatArray

    def as_json(self) -> dict[str, object]:
        """Plain lists for the page's script; lengths rounded to 0.001 A."""
        return {
            "symbols": list(self.symbols),
            "labels": list(self.labels),
            "positions": np.round(self.positions, 3).tolist(),
            "radii": self.radii,
            "bonds": [list(pair) for pair in self.bonds],
            "basis": np.round(self.basis, 4).tolist(),
        }


def scene(candidate: Candidate, sites: tuple[Site, ...]) -> Scene:
    """The conventional cell of ``candidate``, with atoms on its faces, edges and corners repeated."""
    crystal = candidate.conventional
    name = {row: site.label for site in sites for row in site.members}
    fractions, rows = _with_faces(crystal.frac_coords)
    if len(crystal) <= _MANY_ATOMS:
        fractions, rows = _with_partners(crystal, fractions, rows)
    positions = fractions @ crystal.basis
    symbols = tuple(SYMBOLS[int(crystal.species[row])] for row in rows)
    return Scene(
        symbols=symbols,
        labels=tuple(name.get(row, symbols[i]) for i, row in enumerate(rows)),
        positions=positions,
        radii={symbol: round(0.18 + 0.24 * _covalent_radius(symbol), 3) for symbol in sorted(set(symbols))},
        bonds=_bonds(symbols, positions),
        basis=crystal.basis,
    )


def _with_faces(frac_coords: FloatArray) -> tuple[FloatArray, list[int]]:
    if len(frac_coords) > _MANY_ATOMS:
        return frac_coords, list(range(len(frac_coords)))
    near_one = frac_coords > 1.0 - _FACE
    wrapped = np.where(near_one, frac_coords - 1.0, frac_coords)
    fractions, rows = [], []
    for row, fraction in enumerate(wrapped):
        for image in product(*((0.0, 1.0) if abs(x) <= _FACE else (0.0,) for x in fraction)):
            fractions.append(fraction + np.array(image))
            rows.append(row)
    return np.array(fractions, dtype=np.float64), rows


def _with_partners(crystal: Crystal, fractions: FloatArray, rows: list[int]) -> tuple[FloatArray, list[int]]:
    """Adds atoms outside the cell that complete its anions and molecules.

    An atom that is no metal brings the more electronegative atoms and the hydrogens bonded to it: a sulfur in the
    cell comes with its four oxygens, an oxygen with its hydrogens, no oxygen with another sulfur.
    """
    symbols = [SYMBOLS[z] for z in crystal.species.tolist()]
    order = re.findall("[A-Z][a-z]?", formula_text(crystal))
    brings = {centre: {other for other in order if _brings(centre, other, order)} for centre in order}
    images = np.array(list(product((-1.0, 0.0, 1.0, 2.0), repeat=3)))
    every = (crystal.frac_coords[None] + images[:, None]).reshape(-1, 3)
    every_row = np.tile(np.arange(len(crystal)), len(images))
    positions, shown = every @ crystal.basis, fractions @ crystal.basis
    radius = np.array([_covalent_radius(symbol) for symbol in symbols])
    wanted = np.zeros(len(every), dtype=bool)
    for place, row in zip(shown, rows, strict=True):
        partners = np.array([other in brings[symbols[row]] for other in symbols])[every_row]
        distance = np.linalg.norm(positions - place, axis=1)
        wanted |= partners & (distance > 0.3) & (distance < _REACH * (radius[row] + radius[every_row]))
    present = np.linalg.norm(positions[wanted, None] - shown[None], axis=-1).min(axis=1) < 0.05
    added = np.flatnonzero(wanted)[~present]
    return np.vstack([fractions, every[added]]), rows + every_row[added].tolist()


def _brings(centre: str, other: str, order: list[str]) -> bool:
    """``order`` lists the elements of the crystal, electropositive first."""
    import gemmi

    if gemmi.Element(centre).is_metal or gemmi.Element(other).is_metal or centre == "H":
        return False
    return other == "H" or order.index(other) > order.index(centre)


def _covalent_radius(symbol: str) -> float:
    import gemmi

    return float(gemmi.Element(symbol).covalent_r)


def _bonds(symbols: tuple[str, ...], positions: FloatArray) -> tuple[tuple[int, int], ...]:
    """Pairs within reach of each other; metal to metal only where the crystal has no other element."""
    import gemmi

    if len(symbols) > _MANY_ATOMS:
        return ()
    radius = np.array([_covalent_radius(symbol) for symbol in symbols])
    metal = np.array([gemmi.Element(symbol).is_metal for symbol in symbols], dtype=bool)
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    near = (distance < _REACH * (radius[:, None] + radius[None])) & (distance > 0.3)
    if not metal.all():
        near &= ~(metal[:, None] & metal[None])
    first, second = np.nonzero(np.triu(near, k=1))
    return tuple((int(i), int(j)) for i, j in zip(first, second, strict=True))
