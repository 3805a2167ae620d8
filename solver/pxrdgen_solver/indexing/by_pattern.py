"""The likeliest cells by line positions judged by the whole pattern, with sublattices that explain what is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pxrdgen.errors import PxrdgenError
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellProblem
from pxrdgen_crystallography.indexing.judge import JudgedLattice, judge_cells
from pxrdgen_crystallography.indexing.lines import ObservedLines
from pxrdgen_crystallography.indexing.whole_pattern import CellFit, WholePattern
from pxrdgen_crystallography.lattice.atomic_volumes import can_hold
from pxrdgen_crystallography.lattice.bravais import volume_of_form

#: cells fitted to the whole pattern, and rounds of sublattices of the best.
FITTED, ROUNDS = 6, 2
#: indices of sublattices, and of those of a cell that is too small for the formula.
INDICES, INDICES_OF_PARTS = (2, 3), (2, 3, 4)
#: nats that a sublattice has to gain by its added lines before it is fitted, and sublattices fitted a round.
GAINED, TRIED = 0.0, 2
#: what a nat of the whole pattern counts of one of the line positions, since model errors make its points dependent,
#: and what the pattern counts at most: lines of odd shapes and widths, as of platy crystals, fit no cell. (On training
#: crystals with a second phase 0.05 and 0.1 are right as often; at 0.15 large cells win by the lines of the other.)
DISCOUNT, MOST = 0.1, 25.0

Score = Callable[[JudgedLattice], float]


@dataclass(frozen=True, kw_only=True)
class WeighedCell:
    """A lattice and what speaks for it, in nats.

    Args:
        entry: fitted to the line positions.
        origin: of the proposal.
        by_positions: with the formula.
        by_pattern: 0 for the lattice that the whole pattern likes best, at least -:data:`MOST`.
    """

    entry: JudgedLattice
    origin: str
    by_positions: float
    by_pattern: float

    @property
    def total(self) -> float:
        """Of both."""
        return self.by_positions + self.by_pattern


@dataclass(frozen=True, kw_only=True)
class RankedCells:
    """Lattices, the likeliest first.

    Args:
        cells: with what speaks for each.
        chance: nats for no lattice at all, peaks that lie anywhere.
    """

    cells: tuple[WeighedCell, ...]
    chance: float


@dataclass(frozen=True, kw_only=True)
class _Fitted:
    entry: JudgedLattice
    origin: str
    score: float
    fit: CellFit | None


def judge_by_pattern(
    ranked: Sequence[tuple[JudgedLattice, str]],
    problem: CellProblem,
    lines: ObservedLines,
    score: Score,
    chance: float,
) -> RankedCells:
    """Lattices and the origins of their proposals, ranked by ``score``, weighed by the whole pattern, too.

    The best few are fitted; those that were not get what the worst of the fitted got. Sublattices of the best that
    explain what it leaves join them. ``chance`` is the score of no lattice by positions; the pattern can only lower it.
    """
    chosen = ranked[:FITTED]
    if not chosen:
        return RankedCells(cells=(), chance=chance)
    pattern = WholePattern(problem.prepared, lines, max(volume_of(entry) for entry, _ in chosen))
    cells = [_fitted(pattern, entry, score(entry), origin) for entry, origin in chosen]
    best = -1
    for _ in range(ROUNDS):
        parts, _ = _parts(pattern, cells)
        first = max(range(len(cells)), key=lambda place: cells[place].score + parts[place])
        if first == best:
            break
        best = first
        cells += _sublattices(pattern, cells[best], problem, lines, score)
    parts, gained = _parts(pattern, cells)
    weighed = [
        WeighedCell(entry=cell.entry, origin=cell.origin, by_positions=cell.score, by_pattern=part)
        for cell, part in zip(cells, parts, strict=True)
    ]
    weighed += [
        WeighedCell(entry=entry, origin=origin, by_positions=score(entry), by_pattern=min(parts))
        for entry, origin in ranked[FITTED:]
    ]
    return RankedCells(cells=tuple(sorted(weighed, key=lambda cell: -cell.total)), chance=chance - gained)


def volume_of(entry: JudgedLattice) -> float:
    """Of the primitive cell, A^3."""
    lattice = entry.description.lattice
    return float(volume_of_form(entry.description.parameters @ lattice.free)) / lattice.lattice_points


def _parts(pattern: WholePattern, cells: Sequence[_Fitted]) -> tuple[list[float], float]:
    """What the pattern adds to each score, and what the best cell gains over chance by it."""
    fits = [cell.fit for cell in cells if cell.fit is not None]
    if not fits:
        return [0.0] * len(cells), 0.0
    noise = min(pattern.noise(fit) for fit in fits)
    found = [pattern.evidence(fit, noise) for fit in fits]
    most, least = max(found), min(found)
    each = [least if cell.fit is None else pattern.evidence(cell.fit, noise) for cell in cells]
    gained = DISCOUNT * max(pattern.gain_over_chance(fit, noise) for fit in fits)
    return [max(DISCOUNT * (value - most), -MOST) for value in each], min(max(gained, 0.0), MOST)


def _fitted(pattern: WholePattern, entry: JudgedLattice, score: float, origin: str) -> _Fitted:
    try:
        fit = pattern.fit(entry.description.primitive.basis, entry.zero)
    except (PxrdgenError, ArithmeticError, ValueError):  # a cell that cannot be fitted is judged by its positions
        fit = None
    return _Fitted(entry=entry, origin=origin, score=score, fit=fit)


def _sublattices(
    pattern: WholePattern, cell: _Fitted, problem: CellProblem, lines: ObservedLines, score: Score
) -> list[_Fitted]:
    if cell.fit is None:
        return []
    noise, volume = pattern.noise(cell.fit), volume_of(cell.entry)
    gains = [
        gain
        for index in (INDICES if can_hold(problem.composition, volume) else INDICES_OF_PARTS)
        if index * volume <= problem.max_volume
        for gain in pattern.sublattice_gains(cell.fit, index, noise)
        if gain.gain > GAINED
    ]
    found = []
    for gain in sorted(gains, key=lambda gain: -gain.gain)[:TRIED]:
        basis = UnitCell.from_basis(gain.form @ cell.fit.decomposition.basis).niggli()[0]
        judged = judge_cells([basis], lines, coarse=False)
        if judged:
            found.append(_fitted(pattern, judged[0], score(judged[0]), cell.origin))
    return found
