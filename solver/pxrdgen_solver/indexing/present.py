"""A fitted lattice as a hypothesis: conventional and Niggli cell with uncertainties, merits, lines left over."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellHypothesis, CellProblem, ConventionalCell
from pxrdgen_crystallography.indexing.judge import JudgedLattice
from pxrdgen_crystallography.indexing.lines import ObservedLines
from pxrdgen_crystallography.indexing.merits import figures_of_merit
from pxrdgen_crystallography.lattice.bravais import cell_of_form
from pxrdgen_crystallography.lattice.volume_prior import likeliest_z

FloatArray = NDArray[np.float64]


def hypothesis_of(entry: JudgedLattice, problem: CellProblem, lines: ObservedLines, origin: str) -> CellHypothesis:
    """The hypothesis of one fitted lattice; its score is the weight of the line positions."""
    description = entry.description
    lattice, parameters = description.lattice, description.parameters
    m20, f20, indexed = figures_of_merit(lattice, parameters, entry.zero, lines)
    conventional = description.conventional
    unreduced = UnitCell.from_basis(lattice.primitive_basis(parameters))
    primitive, reduction = unreduced.niggli()

    def reduced(values: FloatArray) -> UnitCell:
        return UnitCell.from_basis(reduction @ lattice.primitive_basis(values))

    def standard(values: FloatArray) -> UnitCell:
        return cell_of_form(values @ lattice.free)

    # the matrix of the reduction belongs to the basis as six numbers give it, so the signs agree
    scatter = float(np.sqrt(np.mean(np.square(entry.evidence.residual[indexed])))) if indexed.any() else 0.0
    return CellHypothesis(
        cell=primitive,
        origin=origin,
        score=entry.weight,
        zero=entry.zero,
        cell_su=_uncertainties(reduced, parameters, entry.covariance),
        merits={
            "m20": m20,
            "f20": f20,
            "indexed": float(indexed.sum()),
            "lines": float(len(lines)),
            "calculated": float(entry.evidence.num_calculated),
            "rms_degrees": scatter,
            "log_odds": entry.weight,
        },
        unindexed=tuple(float(angle) for angle in lines.two_theta[~indexed]),
        z=likeliest_z(primitive.volume, problem.composition, problem.z),
        conventional=ConventionalCell(
            system=lattice.system.value,
            centring=lattice.centring,
            cell=conventional,
            cell_su=_uncertainties(standard, parameters, entry.covariance),
            lattice_points=lattice.lattice_points,
        ),
    )


def _uncertainties(
    cell_of: Callable[[FloatArray], UnitCell], parameters: FloatArray, covariance: FloatArray
) -> tuple[float, ...]:
    """Standard uncertainties of the six numbers of a cell, from the covariance [p, p] of the form's parameters."""
    step = 1e-5 * float(np.max(np.abs(parameters)))
    columns = []
    for row in range(parameters.size):
        moved = [np.array(parameters, dtype=np.float64) for _ in range(2)]
        moved[0][row] += step
        moved[1][row] -= step
        up, down = (np.array(cell_of(values).parameters) for values in moved)
        columns.append((up - down) / (2.0 * step))
    jacobian = np.stack(columns, axis=1)
    variance = np.einsum("ip,pq,iq->i", jacobian, covariance, jacobian)
    return tuple(float(value) for value in np.sqrt(np.maximum(variance, 0.0)))
