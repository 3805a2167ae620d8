"""Which assignments describe the same structure: the Euclidean normaliser permutes the Wyckoff positions of a group.

An operation of the lattice with a shift of origin that carries a space group onto itself turns a structure into one of
the same powder pattern (International Tables A, part 3). Of all assignments it makes equal only one need be tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pxrdgen_crystallography.symmetry.origin import solve_modulo_one
from pxrdgen_crystallography.wyckoff.derivation import in_family
from pxrdgen_crystallography.wyckoff.positions import CellGroup

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: origin shifts are looked for on this grid.
_GRID = 12
#: distinct permutations kept, at most.
_MOST = 400


def permutations(group: CellGroup, lattice_rotations: IntArray) -> list[tuple[int, ...]]:
    """Permutations p of the positions: an atom on position i comes to lie on p[i]; the identity is first.

    Args:
        lattice_rotations: [L, 3, 3] the lattice's point group, on column coordinates.
    """
    generators = {_permutation(group, rotation, shift) for rotation, shift in _normaliser(group, lattice_rotations)}
    identity = tuple(range(len(group.families)))
    found, queue = {identity: None}, [identity]
    while queue and len(found) < _MOST:
        last = queue.pop()
        for generator in generators:
            product_ = tuple(generator[index] for index in last)
            if product_ not in found:
                found[product_] = None
                queue.append(product_)
    return list(found)


def canonical(orbits: Sequence[Sequence[int]], equivalences: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """The least of all equivalent assignments: a name for the class."""
    return min(tuple(tuple(sorted(p[index] for index in chosen)) for chosen in orbits) for p in equivalences)


def _normaliser(group: CellGroup, lattice_rotations: IntArray) -> list[tuple[IntArray, FloatArray]]:
    """Shifts that keep the group, and one operation for each coset of rotations that can be made to keep it."""
    identity = np.eye(3, dtype=np.int64)
    grid = np.array(list(product(range(_GRID), repeat=3)), dtype=np.float64) / _GRID
    moved = np.einsum("gij,nj->gni", identity - group.rotations, grid)
    shifts = grid[(np.abs(moved - np.rint(moved)).max(axis=(0, 2)) < 1e-6)]
    found = [(identity, shift) for shift in _sparse(shifts)]
    own = {rotation.tobytes(): index for index, rotation in enumerate(group.rotations)}
    covered = set(own)
    for rotation in lattice_rotations.astype(np.int64):
        if rotation.tobytes() in covered:
            continue
        covered |= {(rotation @ other).tobytes() for other in group.rotations}
        shift = _shift_for(group, rotation, own)
        if shift is not None:
            found.append((rotation, shift))
    return found


def _shift_for(group: CellGroup, rotation: IntArray, own: dict[bytes, int]) -> FloatArray | None:
    """w such that x' = W x + w carries the group onto itself: (1 - R') w = t' - W t modulo the lattice."""
    inverse = np.rint(np.linalg.inv(rotation)).astype(np.int64)
    turned = rotation @ group.rotations @ inverse
    partners = [own.get(one.tobytes()) for one in turned]
    if any(partner is None for partner in partners):
        return None
    translations = group.translations[np.array(partners, dtype=np.int64)]
    target = translations - group.translations @ rotation.T
    return solve_modulo_one((np.eye(3, dtype=np.int64) - turned).reshape(-1, 3), target.reshape(-1))


def _permutation(group: CellGroup, rotation: IntArray, shift: FloatArray) -> tuple[int, ...]:
    images = []
    for index, family in enumerate(group.families):
        point = rotation @ family.family().generic_point() + shift
        alike = [
            other
            for other, candidate in enumerate(group.families)
            if candidate.multiplicity == family.multiplicity and candidate.freedom == family.freedom
        ]
        if len(alike) > 1:
            alike = [
                other
                for other in alike
                if in_family(point, group.families[other].family(), group.rotations, group.translations)
            ]
        images.append(alike[0] if alike else index)
    return tuple(images)


def _sparse(shifts: FloatArray) -> list[FloatArray]:
    """Few shifts that generate all of them: each kept one is no combination of two kept before."""
    kept: list[FloatArray] = []
    known = {tuple(np.zeros(3, dtype=np.int64).tolist())}
    for shift in sorted(shifts.tolist()):
        key = tuple(np.rint(np.array(shift) * _GRID).astype(np.int64).tolist())
        if key in known:
            continue
        kept.append(np.array(shift))
        grown = set(known)
        for multiple in range(1, _GRID):
            for other in known:
                grown.add(tuple((multiple * k + o) % _GRID for k, o in zip(key, other, strict=True)))
        known = grown
    return kept
