"""Place the hydrogen atoms of a formula into a structure of its heavier atoms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_crystallography.hydrogen.arrangements import oriented
from pxrdgen_crystallography.hydrogen.distribution import Choices, distribute
from pxrdgen_crystallography.hydrogen.donors import (
    BOND_LENGTH,
    Surroundings,
    binding_costs,
    charges,
    look_around,
)
from pxrdgen_crystallography.hydrogen.energy import REACH, Site, contact
from pxrdgen_crystallography.hydrogen.search import Found, Holder, search
from pxrdgen_crystallography.hydrogen.shared import shared_orbits
from pxrdgen_crystallography.hydrogen.site_symmetry import Orbit, find_orbits
from pxrdgen_crystallography.lattice.neighbours import Neighbours, find_neighbours

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: ways to give out the hydrogen atoms that are tried until one has good contacts. The energy does not choose among
#: them: choosing by it gave the wrong donors in 8 to 26 of 86 training crystals, the cheapest in 7.
_WAYS = 4
#: A: closest contacts that pass, of two hydrogen atoms and of one with a heavier atom other than its donor.
_CLOSEST_HYDROGEN, _CLOSEST_HEAVY = 1.3, 1.2
#: A: the same in a crystal with shared hydrogen, and the valence one of those gives either side.
_CLOSEST_SHARED, _HALF = 1.0, 0.5
#: displacement (A^2) of a hydrogen atom: that of its donor times 1.2 (the riding model of SHELXL, Sheldrick 2015,
#: doi:10.1107/S2053229614024218); this where none is known.
_RIDING, _DISPLACEMENT = 1.2, 0.03


def place_hydrogens(heavy: Crystal, symmetry: SymmetrisedCrystal | None, count: int) -> Crystal | None:
    """The crystal with ``count`` hydrogen atoms more per cell, in order of atomic number, obeying the same group.

    ``None`` where no donor exists, no distribution over orbits gives that number, or contacts stay too close.

    Args:
        heavy: the primitive cell without hydrogen.
        symmetry: a group the heavier atoms obey in that cell; ``None`` for translations alone.
        count: hydrogen atoms of the cell.
    """
    rotations = np.eye(3, dtype=np.int64)[None] if symmetry is None else symmetry.rotations
    translations = np.zeros((1, 3)) if symmetry is None else symmetry.translations
    orbits = find_orbits(heavy, rotations, translations)
    if not orbits or count < 1:
        return None
    around = look_around(heavy)
    placed = _give_out(heavy, around, orbits, count)
    if placed is not None:
        return placed
    for shared in shared_orbits(heavy, rotations, translations, around.lacking):
        rest = count - len(shared.frac_coords)
        lacking = around.lacking - _HALF * np.bincount(shared.ends, minlength=len(heavy))
        others = _give_out(heavy, replace(around, lacking=lacking), orbits, rest) if rest > 0 else heavy
        if rest >= 0 and others is not None:
            full = _with_hydrogen(others, shared.frac_coords, np.full(len(shared.frac_coords), _DISPLACEMENT))
            if _acceptable(full, _CLOSEST_SHARED):
                return full
    return None


def _give_out(heavy: Crystal, around: Surroundings, orbits: tuple[Orbit, ...], count: int) -> Crystal | None:
    """The first of the cheapest distributions over donors whose contacts pass."""
    donors = tuple(orbit for orbit in orbits if int(heavy.species[orbit.members[0]]) in BOND_LENGTH)
    choices = tuple(_choices(heavy, around, orbit) for orbit in donors)
    for _, numbers in distribute(choices, count, _WAYS):
        placed = _place(heavy, around, donors, numbers)
        if placed is not None:
            return placed
    return None


def _choices(heavy: Crystal, around: Surroundings, orbit: Orbit) -> Choices:
    atom = int(orbit.members[0])
    bonded = int((around.pairs.first == atom).sum())
    costs = binding_costs(int(heavy.species[atom]), float(around.lacking[atom]), bonded)
    if len(orbit.stabiliser) > 1:
        costs = tuple(
            cost if number == 0 or len(oriented(number, 109.47, orbit.stabiliser)) else float("inf")
            for number, cost in enumerate(costs)
        )
    return Choices(size=len(orbit.members), costs=costs)


def _place(heavy: Crystal, around: Surroundings, donors: tuple[Orbit, ...], numbers: tuple[int, ...]) -> Crystal | None:
    hydrogens = np.zeros(len(heavy), dtype=np.int64)
    for orbit, number in zip(donors, numbers, strict=True):
        hydrogens[orbit.members] = number
    charge = charges(heavy, around, hydrogens)
    pairs = find_neighbours(heavy, REACH + 1.0)
    holders = []
    for orbit, number in zip(donors, numbers, strict=True):
        if number:
            site = _site(heavy, around, pairs, charge, int(orbit.members[0]), number)
            angle = float(np.degrees(np.arccos(site.hydrogen_cosine)))
            holders.append(Holder(orbit=orbit, site=site, candidates=oriented(number, angle, orbit.stabiliser)))
    if not all(len(holder.candidates) for holder in holders):
        return None
    between = pairs.kept(np.isin(pairs.first, np.flatnonzero(hydrogens)) & (hydrogens[pairs.second] > 0))
    return _assemble(heavy, tuple(holders), search(tuple(holders), between))


def _site(heavy: Crystal, around: Surroundings, pairs: Neighbours, charge: FloatArray, atom: int, number: int) -> Site:
    z = int(heavy.species[atom])
    covalent = around.pairs.kept(around.pairs.first == atom)
    bonded = covalent.vectors / np.linalg.norm(covalent.vectors, axis=1, keepdims=True)
    near = pairs.kept(pairs.first == atom)
    own = (
        (np.abs(near.vectors[:, None, :] - covalent.vectors[None, :, :]).max(axis=2) < 1e-6).any(axis=1)
        if len(covalent.vectors)
        else np.zeros(len(near.first), dtype=bool)
    )
    near = near.kept(~own)
    total = len(bonded) + number
    to_bonded, to_hydrogen = _angles(z, number, total)
    return Site(
        length=BOND_LENGTH[z],
        vectors=near.vectors,
        charges=charge[near.second],
        sigmas=np.array([contact(int(other)) for other in heavy.species[near.second]]),
        bonded=bonded,
        bonded_cosine=float(np.cos(np.radians(to_bonded))),
        hydrogen_cosine=float(np.cos(np.radians(to_hydrogen))),
    )


def _angles(z: int, number: int, total: int) -> tuple[float, float]:
    """(degrees between hydrogen and a covalent neighbour, between two hydrogen atoms) of a donor.

    Tetrahedral, trigonal or linear by the number of neighbours, a few degrees less where lone pairs press (Gillespie &
    Nyholm 1957, doi:10.1039/QR9571100339).
    """
    if z == 8:
        return 112.0, 106.0 if number < 3 else 110.0
    if z == 16:
        return 97.0, 93.0
    if total >= 4 or (number == 3 and z != 5):
        return 109.47, 109.47
    if total == 3:
        return (120.0, 118.0) if z in (5, 6) else (114.0, 112.0)
    return (180.0, 109.47) if z == 6 and total == 2 else (112.0, 105.0)


def _assemble(heavy: Crystal, holders: tuple[Holder, ...], found: Found) -> Crystal | None:
    to_fractional = np.linalg.inv(heavy.basis)
    coords, displacement = [], []
    for holder, directions in zip(holders, found.directions, strict=True):
        steps = holder.site.length * directions @ to_fractional
        members = holder.orbit.members
        coords.append(
            (
                heavy.frac_coords[members][:, None, :] + np.einsum("mij,nj->mni", holder.orbit.carriers_frac, steps)
            ).reshape(-1, 3)
        )
        if heavy.u_iso is not None:
            displacement.append(np.repeat(_RIDING * heavy.u_iso[members], len(directions)))
    full = _with_hydrogen(heavy, np.concatenate(coords), np.concatenate(displacement) if displacement else None)
    return full if _acceptable(full, _CLOSEST_HEAVY) else None


def _with_hydrogen(crystal: Crystal, coords: FloatArray, u_iso: FloatArray | None) -> Crystal:
    return Crystal(
        species=np.concatenate([np.ones(len(coords), dtype=np.int64), crystal.species]),
        frac_coords=np.concatenate([coords, crystal.frac_coords]),
        basis=crystal.basis,
        u_iso=None if crystal.u_iso is None or u_iso is None else np.concatenate([u_iso, crystal.u_iso]),
        name=crystal.name,
    ).sorted_by_species()


def _acceptable(full: Crystal, closest: float) -> bool:
    """Whether no hydrogen atoms are too close and each has at most one heavier atom nearer than ``closest`` (A)."""
    count = int((full.species == 1).sum())
    pairs = find_neighbours(full, 1.4)
    hydrogen = pairs.first < count
    like = hydrogen & (pairs.second < count)
    if (pairs.distances[like] < _CLOSEST_HYDROGEN).any():
        return False
    close = pairs.first[hydrogen & ~like & (pairs.distances < closest)]
    return bool((np.bincount(close, minlength=count)[:count] <= 1).all())
