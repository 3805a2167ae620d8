"""Trial lattices from low-index assignments of the first lines, completed by vote; one generator a lattice shape.

After Ito (zones that share a row; Visser 1969, doi:10.1107/S0021889869006649) and Werner's trial assignments (TREOR;
Werner, Eriksson & Westdahl 1985, doi:10.1107/S0021889885010512), with the last unknown always put to the vote of all
lines, so that no single line has to be there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen_cells.indexing.line_table import LineTable
from pxrdgen_cells.indexing.voting import vote
from pxrdgen_crystallography.lattice.bravais import BravaisLattice, CrystalSystem, index_list, volume_of_form

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Trier:
    """Makes trials for one set of lines.

    Args:
        table: the lines, at most 32.
        smallest_volume, largest_volume: of the primitive cell, A^3.
        longest_edge: of a conventional cell, A.
        effort: 1 is usual; scales how many lines start a trial.
    """

    table: LineTable
    smallest_volume: float
    largest_volume: float
    longest_edge: float = 45.0
    effort: float = 1.0

    @property
    def _least(self) -> float:
        return self.longest_edge**-2

    @property
    def _width(self) -> float:
        """Bin of a vote: a tolerance of a line in the middle."""
        return float(3.0 * np.median(self.table.tolerance))

    def _starts(self, lines: int, orders: tuple[int, ...]) -> FloatArray:
        """Values that one parameter may have if one of the first ``lines`` is h times its axis, h^2 in ``orders``."""
        count = max(2, round(lines * self.effort))
        values = (self.table.q[:count, None] / np.array(orders, dtype=np.float64)).ravel()
        return _distinct(values[values > self._least])

    def of(self, lattice: BravaisLattice) -> FloatArray:
        """[M, p] trials of one lattice type, physically possible ones only."""
        match lattice.system:
            case CrystalSystem.CUBIC:
                found = self._starts(10, tuple(_norms(lattice)))[:, None]
            case CrystalSystem.TETRAGONAL | CrystalSystem.HEXAGONAL | CrystalSystem.TRIGONAL:
                found = np.concatenate(list(self._uniaxial(lattice)))
            case CrystalSystem.ORTHORHOMBIC:
                found = np.concatenate(list(self._orthorhombic(lattice)))
            case CrystalSystem.MONOCLINIC:
                found = np.concatenate(list(self._monoclinic(lattice)))
            case _:
                found = np.concatenate([np.zeros((0, 6)), *self._triclinic()])
        return self._possible(lattice, found)

    def _possible(self, lattice: BravaisLattice, parameters: FloatArray) -> FloatArray:
        volume = volume_of_form(parameters @ lattice.free) / lattice.lattice_points
        return parameters[(volume >= self.smallest_volume) & (volume <= self.largest_volume)]

    def _vote(
        self, lattice: BravaisLattice, parameters: FloatArray, last: int, hkl: IntArray, winners: int, low: float
    ) -> FloatArray:
        """``parameters`` [M, p] with the ``last`` one put to the vote of reflections ``hkl`` that depend on it."""
        design = lattice.design(hkl)
        factor = design[last]
        depends = np.abs(factor) > 1e-9
        known = parameters @ np.delete(design, last, axis=0)[:, depends]
        span = (low, float(self.table.q[-1]))
        rows, values = vote(self.table.q, self._width, known, factor[depends], span, winners)
        return np.insert(parameters[rows], last, values, axis=1)

    def _uniaxial(self, lattice: BravaisLattice) -> Iterator[FloatArray]:
        hkl = index_list(lattice, (4, 4, 4 if lattice.centring != "R" else 6))
        design = lattice.design(hkl)
        basal = np.unique(design[0][(design[1] == 0) & (design[0] > 0)])[:5]
        axial = np.unique(design[1][(design[0] == 0) & (design[1] > 0)])[:2]
        one = self._starts(14, tuple(basal))[:, None]
        yield self._vote(lattice, one, 1, hkl, 8, self._least)
        two = self._starts(14, tuple(axial))[:, None]
        yield self._vote(lattice, two, 0, hkl, 8, self._least)
        # two lines of any low indices
        yield self._pairs(design[:, np.argsort(design.sum(axis=0))][:, :18], 8)

    def _pairs(self, design: FloatArray, lines: int) -> FloatArray:
        first, second = np.triu_indices(design.shape[1], 1)
        matrices = np.stack([design[:, first], design[:, second]], axis=-1)
        matrices = np.concatenate([matrices, matrices[..., ::-1]], axis=1)
        determinant = matrices[0, :, 0] * matrices[1, :, 1] - matrices[0, :, 1] * matrices[1, :, 0]
        matrices, determinant = matrices[:, np.abs(determinant) > 0], determinant[np.abs(determinant) > 0]
        q = self.table.q[:lines]
        i, j = np.triu_indices(q.size, 1)
        x = (q[i, None] * matrices[1, :, 1] - q[j, None] * matrices[1, :, 0]) / determinant
        y = (q[j, None] * matrices[0, :, 0] - q[i, None] * matrices[0, :, 1]) / determinant
        both = np.stack([x.ravel(), y.ravel()], axis=1)
        return both[(both > self._least).all(axis=1)]

    def _orthorhombic(self, lattice: BravaisLattice) -> Iterator[FloatArray]:
        hkl = index_list(lattice, (5, 5, 5))
        # which axis is voted for matters only where the centring singles one out
        for last in (2, 0) if lattice.centring == "C" else (2,):
            first, second = (axis for axis in range(3) if axis != last)
            flat = hkl[hkl[:, last] == 0]
            orders = np.unique(flat[flat[:, second] == 0][:, first] ** 2)[:2]
            nodes = flat[(flat[:, second] > 0) & (np.abs(flat).max(axis=1) <= 4)]
            nodes = nodes[np.argsort((nodes**2).sum(axis=1), kind="stable")][:5]
            zones = self._rectangles(self._starts(12, tuple(orders)), nodes[:, [first, second]], 18)
            if lattice.centring != "C" or last == 2:
                zones = zones[zones[:, 0] <= zones[:, 1]]
            used = hkl[(hkl[:, last] > 0) & (hkl[:, last] <= 2) & (np.delete(hkl, last, axis=1).max(axis=1) <= 4)]
            filled = np.insert(zones, last, 0.0, axis=1)
            yield self._vote(lattice, np.delete(filled, last, axis=1), last, used, 6, self._least)

    def _rectangles(self, first: FloatArray, nodes: IntArray, lines: int) -> FloatArray:
        """[Z, 2] zones h^2 A + k^2 B: A from ``first``, B from a line at one of ``nodes``."""
        q = self.table.q[: round(lines * self.effort)]
        second = (q[None, :, None] - first[:, None, None] * nodes[:, 0] ** 2) / nodes[:, 1] ** 2
        pairs = np.stack([np.broadcast_to(first[:, None, None], second.shape), second], axis=-1).reshape(-1, 2)
        return _distinct_rows(pairs[pairs[:, 1] > self._least])

    def _oblique(self, first: FloatArray, second: FloatArray, lines: int) -> FloatArray:
        """[Z, 3] reduced zones h^2 A + l^2 C + hl E with E >= 0: A, C from lines, E from a line at a low node."""
        a, c = (grid.ravel() for grid in np.meshgrid(first, second, indexing="ij"))
        a, c = a[a <= c], c[a <= c]
        q = self.table.q[: round(lines * self.effort)]
        cross = []
        for h, l in ((1, 1), (1, 2), (2, 1)):  # noqa: E741 - the name of the index
            cross.append(np.abs(q[None, :] - h * h * a[:, None] - l * l * c[:, None]) / (h * l))
        e = np.concatenate(cross, axis=1)
        zones = np.stack([np.broadcast_to(a[:, None], e.shape), np.broadcast_to(c[:, None], e.shape), e], axis=-1)
        zones = zones.reshape(-1, 3)
        return _distinct_rows(zones[zones[:, 2] <= zones[:, 0] * 1.02])

    def _monoclinic(self, lattice: BravaisLattice) -> Iterator[FloatArray]:
        zones = self._oblique(self._starts(9, (1, 4)), self._starts(14, (1, 4)), 20)
        zones = self._best_zones(zones, 4000)
        primitive = index_list_of_zone(3, 2)
        if lattice.centring == "P":
            yield self._voted_axis(zones, primitive, winners=4)
            return
        # the zone of h even; odd layers are displaced by half of u, of v or of u + v
        for shift in ((1, 0), (0, 1), (1, 1)):
            h, l = np.meshgrid(np.arange(-6, 7), np.arange(-6, 7), indexing="ij")  # noqa: E741 - the name of the index
            found = []
            for k in (1, 2):
                keep = (h % 2 == (shift[0] * k) % 2) & (l % 2 == (shift[1] * k) % 2)
                found.append(np.stack([h[keep] / 2, np.full(keep.sum(), k), l[keep] / 2], axis=1))
            voted = self._voted_axis(zones, np.concatenate(found), winners=4)
            yield _to_c_centred(voted, shift)

    def _voted_axis(self, zones: FloatArray, hkl: FloatArray, winners: int) -> FloatArray:
        """[M, 4] A B C E from zones [Z, 3] A C E, B by the vote of ``hkl`` [H, 3] (k not 0)."""
        h, k, l = np.asarray(hkl, dtype=np.float64).T  # noqa: E741 - the name of the index
        known = zones @ np.stack([h * h, l * l, h * l])
        span = (self._least, float(self.table.q[-1]))
        rows, values = vote(self.table.q, self._width, known, k * k, span, winners)
        return np.insert(zones[rows], 1, values, axis=1)

    def _best_zones(self, zones: FloatArray, count: int) -> FloatArray:
        """The zones [Z, 3] that explain most of the lines for what they calculate."""
        if len(zones) <= count:
            return zones
        h, l = np.meshgrid(np.arange(-4, 5), np.arange(0, 5), indexing="ij")  # noqa: E741 - the name of the index
        keep = (l > 0) | (h > 0)
        odds, _ = self.table.judge(zones, np.stack([h[keep] ** 2, l[keep] ** 2, h[keep] * l[keep]]).astype(float))
        return zones[np.argsort(-odds, kind="stable")[:count]]

    def _triclinic(self) -> Iterator[FloatArray]:
        """Pairs of zones that share the row a*; the angle between them by vote."""
        h, l = np.meshgrid(np.arange(-3, 4), np.arange(0, 4), indexing="ij")  # noqa: E741 - the name of the index
        keep = (l > 0) | (h > 0)
        zone_design = np.stack([h[keep] ** 2, l[keep] ** 2, h[keep] * l[keep]]).astype(float)
        grids = np.meshgrid(np.arange(-2, 3), np.arange(1, 3), np.arange(-2, 3), indexing="ij")
        hkl = np.stack(grids, axis=-1).reshape(-1, 3)
        hkl = hkl[(hkl[:, 2] != 0)]
        for a in self._starts(9, (1, 4)):
            zones = self._oblique(np.array([a]), self._starts(15, (1, 4)), 24)
            if len(zones) < 2:
                continue
            odds, _ = self.table.judge(zones, zone_design)
            zones = zones[np.argsort(-odds, kind="stable")[: round(45 * self.effort)]]
            i, j = np.triu_indices(len(zones), 1)
            # A B C, E (a* c*), F (a* b*); D by vote
            known = np.stack([zones[i, 0], zones[i, 1], zones[j, 1], zones[j, 2], zones[i, 2]], axis=1)
            terms = np.stack(
                [hkl[:, 0] ** 2, hkl[:, 1] ** 2, hkl[:, 2] ** 2, hkl[:, 0] * hkl[:, 2], hkl[:, 0] * hkl[:, 1]]
            ).astype(float)
            base = known @ terms
            factor = (hkl[:, 1] * hkl[:, 2]).astype(float)
            reach = float(np.max(known[:, 1]))
            rows, values = vote(self.table.q, self._width, base, factor, (-reach, reach), 3)
            inside = np.abs(values) <= 1.05 * np.minimum(known[rows, 1], known[rows, 2])
            rows, values = rows[inside], values[inside]
            yield np.insert(known[rows], 3, values, axis=1)


def index_list_of_zone(reach: int, layers: int) -> FloatArray:
    """[H, 3] hkl of a primitive monoclinic lattice with k from 1 to ``layers``, |h| and |l| up to ``reach``."""
    h, k, l = np.meshgrid(  # noqa: E741 - the name of the index
        np.arange(-reach, reach + 1), np.arange(1, layers + 1), np.arange(0, reach + 1), indexing="ij"
    )
    keep = (l > 0) | (h >= 0)
    return np.stack([h[keep], k[keep], l[keep]], axis=1).astype(np.float64)


def _to_c_centred(parameters: FloatArray, shift: tuple[int, int]) -> FloatArray:
    """[M, 4] with the zone's u, v made the 2a* and c* of a C-centred cell whose odd layers lie at half ``shift``."""
    a, b, c, e = parameters.T
    if shift == (1, 0):
        return np.stack([a / 4, b, c, e / 2], axis=1)
    if shift == (0, 1):
        return np.stack([c / 4, b, a, e / 2], axis=1)
    return np.stack([(a + c + e) / 4, b, c, (e + 2 * c) / 2], axis=1)


def _norms(lattice: BravaisLattice) -> list[int]:
    """h^2 + k^2 + l^2 of the first twelve lines of a cubic lattice."""
    hkl = index_list(lattice, (5, 5, 5))
    return [int(n) for n in np.unique((hkl**2).sum(axis=1))[:12]]


def _distinct(values: FloatArray) -> FloatArray:
    ordered = np.sort(values)
    return ordered[np.diff(ordered, prepend=0.0) > 1e-3 * ordered]


def _distinct_rows(rows: FloatArray) -> FloatArray:
    """Rows that differ by more than a thousandth of their first entry."""
    if len(rows) == 0:
        return rows
    rounded = np.round(rows / rows[:, :1].clip(1e-9) * 300).astype(np.int64)
    key = np.column_stack([np.round(np.log(rows[:, 0]) * 700).astype(np.int64), rounded[:, 1:]])
    _, keep = np.unique(key, axis=0, return_index=True)
    return rows[keep]
