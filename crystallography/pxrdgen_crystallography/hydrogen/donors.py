"""Which atoms may bind hydrogen, how many each, and the charge that each atom turns towards hydrogen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.hydrogen.valence_deficit import WANTED, bonds, electronegativity
from pxrdgen_crystallography.lattice.neighbours import Neighbours

FloatArray = NDArray[np.float64]

#: A, of neutron-diffraction structures (Allen & Bruno 2010, doi:10.1107/S0108768110012048); B-H, S-H: the same source.
BOND_LENGTH = {5: 1.19, 6: 1.09, 7: 1.02, 8: 0.98, 15: 1.40, 16: 1.34}
#: valence that an atom lacks without its 0, 1, 2 ... hydrogen atoms: medians over 3,100 atoms of 180 training crystals
#: (O 0.06, 0.8, 1.63; N 0.0, 1.0, 1.6, 2.3, 3.0; C -0.4, 0.5, 1.9, 2.95; P of oxides 0.9, 2.2).
_LACKING = {
    5: (0.0, 1.0, 1.6, 2.4, 3.0),
    6: (0.0, 0.7, 1.9, 2.95, 4.0),
    7: (0.0, 0.85, 1.6, 2.3, 3.0),
    8: (0.05, 0.83, 1.65, 2.2),
    15: (0.0, 1.0, 2.2),
    16: (0.0, 0.8, 2.0),
}
#: further cost of each hydrogen atom on S, and of an oxonium ion: rarities that other donors go before.
_RARE = {8: (0.0, 0.0, 0.0, 0.4), 16: (0.0, 0.3, 0.8)}
#: what a bond of valence one moves to the more electronegative atom, and the valence beyond which a bond moves no
#: more; what one hydrogen atom gives its donor; what each unit of valence that an atom lacks attracts hydrogen with.
#: Nats times A, fitted with the other constants of ``energy.py``.
TRANSFER, COVALENT_BEYOND, GIVEN, WAITING = 692.0, 0.95, 573.0, 3382.0
#: valence that one bond to hydrogen takes of what an atom lacks.
_BOUND = 0.8


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the heavier atoms say about hydrogen.

    Args:
        lacking: [N] valence that each atom still wants, negative if it has too much; NaN for cations.
        charge: [N] charge moved along the bonds, positive where it is lost.
        pairs: covalent bonds between non-metals.
    """

    lacking: FloatArray
    charge: FloatArray
    pairs: Neighbours


def look_around(crystal: Crystal) -> Surroundings:
    """Bond-valence sums of the heavier atoms."""
    pairs, valence, covalent = bonds(crystal)
    received = np.bincount(pairs.first, weights=valence, minlength=len(crystal))
    wanted = np.array([WANTED.get(int(z), np.nan) for z in crystal.species])
    oxygen = np.bincount(pairs.first, weights=covalent & (crystal.species[pairs.second] == 8), minlength=len(crystal))
    wanted[(crystal.species == 15) & (oxygen > 0)] = 5.0
    negativity = np.array([electronegativity(int(z)) for z in crystal.species])
    direction = np.sign(negativity[pairs.second] - negativity[pairs.first])
    moved = TRANSFER * np.minimum(valence, COVALENT_BEYOND) * direction
    return Surroundings(
        lacking=wanted - received,
        charge=np.asarray(np.bincount(pairs.first, weights=moved, minlength=len(crystal)), dtype=np.float64),
        pairs=pairs.kept(covalent),
    )


def binding_costs(z: int, lacking: float, neighbours: int) -> tuple[float, ...]:
    """Cost of 0, 1, 2 ... hydrogen atoms on an atom: squared valence that stays missing or is too much.

    With its covalent ``neighbours`` an atom has at most four bonds.
    """
    if z not in BOND_LENGTH:
        return (0.0,)
    usual = _LACKING[z][: max(0, 4 - neighbours) + 1]
    rare = _RARE.get(z, (0.0,) * len(usual))
    return tuple((lacking - value) ** 2 + more for value, more in zip(usual, rare, strict=False))


def charges(crystal: Crystal, around: Surroundings, hydrogens: NDArray[np.int64]) -> FloatArray:
    """[N] moved along bonds, given by hydrogen [N], and waiting at anions that lack valence; see ``energy.py``."""
    waiting = np.clip(np.nan_to_num(around.lacking) - _BOUND * hydrogens, 0.0, 1.0)
    waiting[np.isin(crystal.species, (5, 6, 15))] = 0.0
    return np.asarray(around.charge - GIVEN * hydrogens - WAITING * waiting)
