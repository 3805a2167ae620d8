"""Proposed cells, whoever proposed them, fitted to the peaks in every lattice type they come near to, and weighed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import CellError
from pxrdgen.values.cell import UnitCell
from pxrdgen_crystallography.indexing.description import LatticeDescription, describe, fingerprint, same_lattice
from pxrdgen_crystallography.indexing.likelihood import LineEvidence, line_evidence, occam
from pxrdgen_crystallography.indexing.lines import ObservedLines
from pxrdgen_crystallography.indexing.position_fit import PositionFit, fit_positions
from pxrdgen_crystallography.lattice.bravais import BravaisLattice

FloatArray = NDArray[np.float64]

#: tolerances (share of the mean edge) of the lattice types a proposal is fitted in.
NEARBY = (1e-3, 8e-3, 0.03)
#: (lines, start width in degrees) of the fits of proposals that may be off by a percent or two.
COARSE_STAGES = ((8, 0.5), (14, 0.25), (28, 0.1))
#: lines more doubtful than this do not lead the way from a rough cell.
SURE = 0.1


@dataclass(frozen=True, kw_only=True)
class JudgedLattice:
    """A lattice fitted to the peaks.

    Args:
        source: number of the proposal it came from.
        description: fitted lattice in conventional axes.
        covariance: [p, p] of its parameters.
        zero: degrees.
        evidence: what the lines say of it.
        weight: log-odds of the lines, less what its free parameters cost.
    """

    source: int
    description: LatticeDescription
    covariance: FloatArray
    zero: float
    evidence: LineEvidence
    weight: float


def judge_cells(cells: Sequence[UnitCell], lines: ObservedLines, *, coarse: bool = True) -> list[JudgedLattice]:
    """Every cell (primitive) in every lattice type it comes near to, best first.

    Args:
        cells: as proposed.
        lines: all that count.
        coarse: whether cells may be off by a percent or two; else they are good to a tenth of a percent.
    """
    groups: dict[BravaisLattice, list[tuple[int, FloatArray]]] = {}
    for number, cell in enumerate(cells):
        seen = set()
        for tolerance in NEARBY:
            try:
                found = describe(cell.basis, tolerance)
            except CellError:
                continue
            if found.lattice not in seen:
                seen.add(found.lattice)
                groups.setdefault(found.lattice, []).append((number, found.parameters))
    judged = []
    for lattice, members in groups.items():
        parameters = np.stack([entry for _, entry in members])
        for stages in ((), COARSE_STAGES) if coarse else ((),):
            fit = _settle(lattice, parameters, lines, stages)
            judged.extend(weigh(fit, lines, [number for number, _ in members]))
    return sorted(judged, key=lambda entry: -entry.weight)


def _settle(
    lattice: BravaisLattice,
    parameters: FloatArray,
    lines: ObservedLines,
    stages: tuple[tuple[int, float], ...],
) -> PositionFit:
    zero = np.zeros(len(parameters))
    sure = lines.trusted(SURE, 12)
    for count, width in stages:
        some = sure.first(max(count, lattice.num_free + 3))
        fit = fit_positions(lattice, parameters, some, rounds=4, start_width=width, zero=zero)
        parameters, zero = fit.parameters, fit.zero
    return fit_positions(lattice, parameters, lines, rounds=6, start_width=0.05, zero=zero)


def weigh(fit: PositionFit, lines: ObservedLines, sources: Sequence[int] | None = None) -> list[JudgedLattice]:
    """The sound ones of fitted lattices, in their order; ``sources`` [M] number the proposals they came from."""
    judged = []
    for row in np.flatnonzero(fit.sound).tolist():
        evidence = line_evidence(fit.lattice, fit.parameters[row], float(fit.zero[row]), lines)
        judged.append(
            JudgedLattice(
                source=row if sources is None else sources[row],
                description=LatticeDescription(lattice=fit.lattice, parameters=fit.parameters[row]),
                covariance=fit.covariance[row],
                zero=float(fit.zero[row]),
                evidence=evidence,
                weight=evidence.log_odds + occam(fit.parameters[row], fit.covariance[row]),
            )
        )
    return judged


def without_repeats(judged: Sequence[JudgedLattice], most: int) -> list[JudgedLattice]:
    """The first of each lattice, at most ``most``, in the order given."""
    kept: list[JudgedLattice] = []
    prints: list[FloatArray] = []
    for entry in judged:
        try:
            mark = fingerprint(entry.description.primitive.basis)
        except CellError:
            continue
        if any(same_lattice(other, mark) for other in prints):
            continue
        kept.append(entry)
        prints.append(mark)
        if len(kept) == most:
            break
    return kept
