"""Standard uncertainties in the start's cell, from covariances in the conventional one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_crystallography.symmetry.freedom import free_origin
from pxrdgen_gsas2.conventional_phase import ConventionalPhase

FloatArray = NDArray[np.float64]

#: which of A0..A5 follow the first of a set: 1/d^2 = A0 h^2 + A1 k^2 + A2 l^2 + A3 hk + A4 hl + A5 kl.
_TIES: dict[str, dict[int, tuple[int, ...]]] = {
    "cubic": {0: (0, 1, 2)},
    "tetragonal": {0: (0, 1)},
    "hexagonal": {0: (0, 1, 3)},
    "trigonal": {0: (0, 1, 3)},
}
#: a cell parameter whose uncertainty is below this (A, degrees) is fixed by symmetry.
FIXED = 1e-9


def coordinate_su(
    phase: ConventionalPhase, found: Mapping[str, Any], symmetry: SymmetrisedCrystal | None
) -> FloatArray:
    """[N, 3] of the start's fractional coordinates; a polar structure's free origin is held at the atoms' mean."""
    moves, atoms = found["moves"], len(phase.start)
    if not moves:
        return np.zeros((atoms, 3))
    jacobian = np.zeros((atoms, 3, len(moves)))
    parents, rotations = phase.parents[phase.members], phase.rotations[phase.members]
    for column, move in enumerate(moves):
        mine = parents == int(move["atom"])
        turned = rotations[mine] @ np.array(move["direction"], dtype=float)
        jacobian[mine, :, column] = turned @ phase.conventional.to_setting
    origin = np.eye(3) if symmetry is None else free_origin(symmetry)
    if origin.shape[1]:
        common = origin @ np.linalg.pinv(origin)
        jacobian -= np.einsum("ij,jp->ip", common, jacobian.mean(axis=0))[None]
    covariance = np.array(found["move_covariance"], dtype=float)
    variance = np.einsum("nip,pq,niq->ni", jacobian, covariance, jacobian)
    su = np.sqrt(np.maximum(variance, 0.0))
    su[su < 1e-12] = 0.0
    return np.asarray(su)


def cell_su(phase: ConventionalPhase, found: Mapping[str, Any]) -> tuple[float, ...]:
    """Of the start's a b c (A) alpha beta gamma (degrees), 0 where symmetry fixes them."""
    names = [int(number) for number in found["cell_variables"]]
    if not names:
        return (0.0,) * 6
    ties = _TIES.get(phase.conventional.space_group.crystal_system, {})
    terms = _reciprocal_terms(UnitCell.from_numbers(found["cell"]))
    columns = []
    for name in names:
        members = list(ties.get(name, (name,)))
        step = np.zeros(6)
        step[members] = 1e-6 * float(np.abs(terms[:3]).max())
        difference = _start_parameters(phase, terms + step) - _start_parameters(phase, terms - step)
        columns.append(difference / (2.0 * step[members[0]]))
    slopes = np.stack(columns, axis=1)
    covariance = np.array(found["cell_covariance"], dtype=float)
    su = np.sqrt(np.maximum(np.einsum("ip,pq,iq->i", slopes, covariance, slopes), 0.0))
    su[su < FIXED] = 0.0
    return tuple(su.tolist())


def _reciprocal_terms(cell: UnitCell) -> FloatArray:
    metric = np.linalg.inv(cell.basis @ cell.basis.T)
    return np.array([metric[0, 0], metric[1, 1], metric[2, 2], 2 * metric[0, 1], 2 * metric[0, 2], 2 * metric[1, 2]])


def _start_parameters(phase: ConventionalPhase, terms: FloatArray) -> FloatArray:
    reciprocal = np.array(
        [
            [terms[0], terms[3] / 2, terms[4] / 2],
            [terms[3] / 2, terms[1], terms[5] / 2],
            [terms[4] / 2, terms[5] / 2, terms[2]],
        ]
    )
    metric = np.linalg.inv(reciprocal)
    inverse = np.linalg.inv(phase.conventional.to_setting)
    mine = inverse @ metric @ inverse.T
    lengths = np.sqrt(np.diag(mine))
    cosines = [mine[1, 2] / lengths[1] / lengths[2], mine[0, 2] / lengths[0] / lengths[2]]
    cosines.append(mine[0, 1] / lengths[0] / lengths[1])
    return np.concatenate([lengths, np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))])
