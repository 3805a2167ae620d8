"""Trial lattices by exhaustion: the first lines take every set of low indices, solved for all parameters at once.

Werner's trial assignments (Werner, Eriksson & Westdahl 1985, doi:10.1107/S0021889885010512) without the condition of
the module ``trials`` that lines of zones through the axes are seen: glide planes and a short axis hide those.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pxrdgen_cells.indexing.line_table import LineTable, line_table
from pxrdgen_crystallography.lattice.bravais import BravaisLattice, CrystalSystem, index_list, volume_of_form

FloatArray = NDArray[np.float64]

#: by number of free parameters: lines assigned, and sets of indices they may take.
_EXTENT = {3: (9, 18), 4: (7, 15)}
#: lines, |h|, |k| and |l| that screen trials, and trials left by each screen.
_SCREEN_LINES, _SCREEN_REACH, _LEFT = 16, (4, 4, 4), 3000


def assigned(lattice: BravaisLattice, table: LineTable, smallest: float, largest: float) -> FloatArray:
    """[M, p] trials of a lattice of three or four free parameters with primitive cells of ``smallest`` to ``largest``
    A^3; none of another one, and none of fewer lines than parameters."""
    if lattice.num_free not in _EXTENT or table.num_lines < lattice.num_free:
        return np.zeros((0, lattice.num_free))
    lines, _ = _EXTENT[lattice.num_free]
    solutions = _solutions(lattice)
    screen = line_table(table.q[:_SCREEN_LINES], table.tolerance[:_SCREEN_LINES])
    design = lattice.design(index_list(lattice, _SCREEN_REACH))
    found, odds = [], []
    for rows in itertools.combinations(range(min(lines, table.num_lines)), lattice.num_free):
        trials = solutions @ table.q[list(rows)]
        volume = volume_of_form(trials @ lattice.free) / lattice.lattice_points
        trials = trials[(volume >= smallest) & (volume <= largest)]
        found.append(trials)
        odds.append(screen.judge(trials, design)[0])
    best = np.argsort(-np.concatenate(odds), kind="stable")[:_LEFT]
    return np.concatenate(found)[best]


@lru_cache(maxsize=8)
def _solutions(lattice: BravaisLattice) -> FloatArray:
    """[S, p, p] inverse matrices: parameters from the Q of p lines, for every set of low indices in every order.

    Of those that differ by the names or directions of axes only, one is kept.
    """
    hkl = index_list(lattice, (4, 4, 4))
    hkl = hkl[np.argsort((hkl**2).sum(axis=1), kind="stable")][: _EXTENT[lattice.num_free][1]]
    sets = np.array(list(itertools.permutations(range(len(hkl)), lattice.num_free)))
    columns = lattice.design(hkl).T
    matrices = columns[sets]
    codes = np.stack([_code(matrices @ change) for change in _changes(lattice)])
    matrices = matrices[(codes[0] <= codes.min(axis=0)) & (np.abs(np.linalg.det(matrices)) > 0.5)]
    return np.asarray(np.linalg.inv(matrices))


def _code(matrices: FloatArray) -> FloatArray:
    """[S] numbers, one for each different [p, p] matrix (entries are small integers)."""
    weights = np.random.default_rng(0).random(matrices.shape[1:])
    return np.asarray(np.round(np.einsum("sij,ij->s", matrices, weights), 9))


def _changes(lattice: BravaisLattice) -> list[FloatArray]:
    """[p, p] what other names and directions of the axes do to the parameters; that of none is the first."""
    one = np.eye(lattice.num_free)
    if lattice.system is CrystalSystem.ORTHORHOMBIC:
        orders = [(0, 1, 2), (1, 0, 2)] if lattice.centring == "C" else list(itertools.permutations(range(3)))
        return [one[list(order)] for order in orders]
    turned = one * [1.0, 1.0, 1.0, -1.0]
    return [one, turned] if lattice.centring == "C" else [one, turned, one[[2, 1, 0, 3]], turned[[2, 1, 0, 3]]]
