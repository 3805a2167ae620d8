"""Lattices from random starts: every line goes to the nearest reflection, the parameters are solved anew, and so on.

Iterated assignment (Coelho 2003, doi:10.1107/S0021889802019878) needs no line that must be seen, no zone through an
axis and no zero error known beforehand, only many starts. What makes few do here: axes of a start are those of observed
lines, in any order, and its volume is one that the formula can have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pxrdgen.values.cells import CellProblem
from pxrdgen.values.composition import Composition
from pxrdgen_cells.indexing.line_table import line_table
from pxrdgen_crystallography.indexing.lines import ObservedLines
from pxrdgen_crystallography.indexing.position_fit import nearest
from pxrdgen_crystallography.lattice.atomic_volumes import log_volume_density
from pxrdgen_crystallography.lattice.bravais import BravaisLattice, CrystalSystem, index_list, volume_of_form

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: starts of a lattice by its number of free parameters; of fewer, pairs of lines leave nothing to find.
STARTS = {6: 160_000, 4: 100_000, 3: 30_000}
#: |h|, |k|, |l| of the reflections that lines are given to, and |h| + |k| + |l| of those of the first rounds.
_REACH, _LOW_SUM = {6: (4, 4, 4), 4: (5, 5, 5), 3: (6, 6, 6)}, {6: 4, 4: 5, 3: 6}
#: lines of lowest angle that starts take their axes from, that the first round assigns, and that each further adds.
_AXES, _FIRST, _MORE = 9, 10, 2
#: rounds; those before the zero error is free; those that tell which starts come to something, and the share of starts
#: left after them (of 21 that came to the right cells of four measured patterns, 20 were among the first 0.039); lines
#: that judge the end.
_ROUNDS, _BEFORE_ZERO, _TELLING, _LEFT, _JUDGED = 12, 5, 2, 0.04, 24
#: |cosine| of the reciprocal angles of triclinic starts, the least squared volume of their unit parallelepiped.
_COSINE, _FLATTEST = 0.65, 0.15
#: zero error, degrees, at most; its standard deviation; volume of a start may change by this factor.
_MOST_ZERO, _ZERO_SU, _STRETCH = 0.12, 0.05, 1.4
#: by number of free parameters: reflections a line stands for far from the axes, and ln(volume / that by the number of
#: lines) of 70 measured patterns (about half of the lines are too weak or too close to others to be found); its spread.
_FOLD, _UNSEEN, _UNSEEN_SU = {6: 1.0, 4: 2.0, 3: 4.0}, {6: 0.7, 4: 0.35, 3: 0.0}, 0.5
#: lines counted.
_COUNTED = 20
#: edges (A) of starts, and starts drawn at a time.
_EDGES, _DRAWN = (2.2, 60.0), 40_000
#: degrees within which a line counts as hit, and steps of the zero error in which that is counted.
_HIT, _ZERO_STEP = 0.025, 0.02
#: rows worked on at a time.
_CHUNK = 500


@dataclass(frozen=True, kw_only=True)
class Settled:
    """Lattices that starts came to, the best first.

    Args:
        parameters: [M, p].
        zero: [M] degrees.
    """

    parameters: FloatArray
    zero: FloatArray


@dataclass(frozen=True, kw_only=True)
class VolumePrior:
    """How likely a primitive volume is, by the formula where there is one and by the number of lines.

    Args:
        composition: one formula unit.
        z: of the primitive cell.
        smallest, largest: A^3.
        expected: A^3, by the number of lines; its logarithm is good to 0.5.
    """

    composition: Composition | None
    z: int | None
    smallest: float
    largest: float
    expected: float

    @staticmethod
    def of(problem: CellProblem, lattice: BravaisLattice, lines: ObservedLines, smallest: float) -> VolumePrior:
        """V = N fold / (2 pi q^(3/2) / 3) for N lines up to q = 1 / d^2 (after Smith 1977, J. Appl. Cryst. 10, 252),
        times what the lines that were not found hide."""
        counted = min(_COUNTED, len(lines))
        by_number = counted * _FOLD[lattice.num_free] / (2.0 * np.pi / 3.0 * float(lines.q[counted - 1]) ** 1.5)
        return VolumePrior(
            composition=problem.composition,
            z=problem.z,
            smallest=smallest,
            largest=problem.max_volume,
            expected=by_number * float(np.exp(_UNSEEN[lattice.num_free])),
        )

    def draw(self, count: int, rng: Generator) -> FloatArray:
        """[count] volumes, A^3."""
        grid, weight = self._table()
        return np.asarray(rng.choice(grid, size=count, p=weight / weight.sum()))

    def weight(self, volumes: FloatArray) -> FloatArray:
        """[M] between 0 and 1."""
        grid, weight = self._table()
        return np.asarray(np.interp(volumes, grid, weight / weight.max(), left=0.0, right=0.0))

    def _table(self) -> tuple[FloatArray, FloatArray]:
        grid = np.geomspace(self.smallest, self.largest, 400)
        by_number = np.exp(-0.5 * (np.log(grid / self.expected) / _UNSEEN_SU) ** 2)
        if self.composition is None:
            return grid, by_number
        unit = self.composition if self.z is not None else self.composition.reduced()[0]
        # the root lets numbers of formula units that are rare have their starts
        by_formula = np.exp([0.5 * log_volume_density(unit, float(volume), self.z) for volume in grid])
        return grid, by_number * by_formula


def settle(lattice: BravaisLattice, lines: ObservedLines, prior: VolumePrior, keep: int, rng: Generator) -> Settled:
    """The best ``keep`` lattices of one type, with :data:`STARTS`, that random starts come to; none of few lines."""
    count = STARTS[lattice.num_free]
    if len(lines) < lattice.num_free + 3:
        return Settled(parameters=np.zeros((0, lattice.num_free)), zero=np.zeros(0))
    parameters = _starts(lattice, lines.q[:_AXES], prior, count, rng)
    zero = np.zeros(len(parameters))
    volume = _volume(lattice, parameters)
    hkl = index_list(lattice, _REACH[lattice.num_free])
    high = lattice.design(hkl)
    low = high[:, np.abs(hkl).sum(axis=1) <= _LOW_SUM[lattice.num_free]]
    for number in range(_ROUNDS):
        design = low if number < _TELLING else high
        some = lines.first(_FIRST + _MORE * number)
        moved, offset = _solved(design, parameters, zero, some, free_zero=number >= _BEFORE_ZERO)
        ratio = _volume(lattice, moved) / volume
        sound = np.isfinite(ratio) & (ratio > 1.0 / _STRETCH) & (ratio < _STRETCH)
        parameters = np.where(sound[:, None], moved, parameters)
        zero = np.where(sound, offset, zero)
        if number == _TELLING - 1:
            best = np.argsort(-_odds(design, parameters, zero, some), kind="stable")[: int(_LEFT * len(parameters))]
            parameters, zero, volume = parameters[best], zero[best], volume[best]
    best = np.argsort(-_odds(high, parameters, zero, lines.first(_JUDGED)), kind="stable")[:keep]
    return Settled(parameters=parameters[best], zero=zero[best])


def _volume(lattice: BravaisLattice, parameters: FloatArray) -> FloatArray:
    return np.asarray(volume_of_form(parameters @ lattice.free) / lattice.lattice_points)


def _starts(lattice: BravaisLattice, q: FloatArray, prior: VolumePrior, count: int, rng: Generator) -> FloatArray:
    found: list[FloatArray] = []
    # a formula whose volumes no lines can span would draw for ever
    for _ in range(40):
        if lattice.system is CrystalSystem.TRICLINIC:
            found.append(_triclinic_starts(lattice, q, prior, rng))
        else:
            found.append(_axial_starts(lattice, q, prior, rng))
        if sum(map(len, found)) >= count:
            break
    return np.concatenate(found)[:count]


def _triclinic_starts(lattice: BravaisLattice, q: FloatArray, prior: VolumePrior, rng: Generator) -> FloatArray:
    """Three observed lines as axes, angles between them at random."""
    chosen = np.sort(np.argsort(rng.random((_DRAWN, q.size)), axis=1)[:, :3], axis=1)
    axes, cosine = q[chosen], rng.uniform(-_COSINE, _COSINE, (_DRAWN, 3))
    squared = 1.0 - (cosine**2).sum(axis=1) + 2.0 * cosine.prod(axis=1)
    edge = np.sqrt(axes)
    cross = 2.0 * cosine * np.stack([edge[:, 1] * edge[:, 2], edge[:, 0] * edge[:, 2], edge[:, 0] * edge[:, 1]], axis=1)
    parameters = np.concatenate([axes, cross], axis=1)[squared > _FLATTEST]
    return parameters[rng.random(len(parameters)) < prior.weight(_volume(lattice, parameters))]


def _axial_starts(lattice: BravaisLattice, q: FloatArray, prior: VolumePrior, rng: Generator) -> FloatArray:
    """Two axes mostly of lines or their second orders, the third by the volume, a monoclinic angle at random."""
    oblique = lattice.system is CrystalSystem.MONOCLINIC
    cosine = rng.uniform(0.0, 0.55, _DRAWN) if oblique else np.zeros(_DRAWN)
    squares = np.exp(-2.0 * rng.uniform(np.log(3.0), np.log(20.0), (_DRAWN, 3)))
    orders = np.array([1.0, 4.0] if lattice.centring == "P" else [4.0, 1.0, 4.0, 16.0])
    who = np.argsort(rng.random((_DRAWN, 3)), axis=1)
    line = np.argsort(rng.random((_DRAWN, q.size)), axis=1)
    for place in range(2):
        rows = np.flatnonzero(rng.random(_DRAWN) < 0.85)
        squares[rows, who[rows, place]] = q[line[rows, place]] / rng.choice(orders, rows.size)
    others = np.take_along_axis(squares, who[:, :2], axis=1).prod(axis=1)
    volume = prior.draw(_DRAWN, rng) * lattice.lattice_points
    np.put_along_axis(squares, who[:, 2:], (1.0 / (volume**2 * (1.0 - cosine**2) * others))[:, None], axis=1)
    edges = 1.0 / np.sqrt(squares)
    fits = (edges.min(axis=1) > _EDGES[0]) & (edges.max(axis=1) < _EDGES[1])
    squares, cosine = squares[fits], cosine[fits]
    form = np.zeros((len(squares), 6))
    form[:, :3] = squares
    form[:, 4] = 2.0 * cosine * np.sqrt(squares[:, 0] * squares[:, 2])
    return np.asarray(form @ np.linalg.pinv(lattice.free))


def _solved(
    design: FloatArray, parameters: FloatArray, zero: FloatArray, lines: ObservedLines, *, free_zero: bool
) -> tuple[FloatArray, FloatArray]:
    """Parameters [M, p] and zero errors [M] by robust least squares on the reflections nearest to the lines."""
    moved, offset = np.empty_like(parameters), zero.copy()
    q, by_zero = lines.q, lines.q_by_angle
    for begin in range(0, len(parameters), _CHUNK):
        rows = slice(begin, begin + _CHUNK)
        target = q - zero[rows, None] * by_zero
        taken = nearest(parameters[rows] @ design, target)
        columns = design.T[taken]
        rest = target - np.einsum("mnp,mp->mn", columns, parameters[rows])
        size = np.abs(rest) / np.sqrt(q)
        # lines of low angle, few to choose from, lead; those far off weigh little
        weight = 1.0 / q / (1.0 + (size / (2.0 * np.median(size, axis=1, keepdims=True) + 1e-7)) ** 2)
        observed = np.broadcast_to(q if free_zero else target, weight.shape)
        if free_zero:
            angle = np.broadcast_to(by_zero, weight.shape)[..., None]
            columns = np.concatenate([columns, angle], axis=2)
        matrix = np.einsum("mnp,mn,mnq->mpq", columns, weight, columns)
        scale = np.trace(matrix, axis1=1, axis2=2)
        matrix += 1e-10 * scale[:, None, None] * np.eye(matrix.shape[1])
        if free_zero:
            spread = (weight * rest**2).sum(axis=1) / len(lines)
            matrix[:, -1, -1] += spread / _ZERO_SU**2
        solution = np.linalg.solve(matrix, np.einsum("mnp,mn,mn->mp", columns, weight, observed)[..., None])[..., 0]
        moved[rows] = solution[:, : parameters.shape[1]]
        if free_zero:
            offset[rows] = np.clip(solution[:, -1], -_MOST_ZERO, _MOST_ZERO)
    return moved, offset


def _odds(design: FloatArray, parameters: FloatArray, zero: FloatArray, lines: ObservedLines) -> FloatArray:
    """[M] log-odds that lines are hit for a reason."""
    odds = np.full(len(parameters), -np.inf)
    steps = np.round(zero / _ZERO_STEP)
    for step in np.unique(steps):
        rows = steps == step
        table = line_table(lines.q_at(lines.two_theta - step * _ZERO_STEP), _HIT * lines.q_by_angle)
        odds[rows] = table.judge(parameters[rows], design)[0]
    return odds
