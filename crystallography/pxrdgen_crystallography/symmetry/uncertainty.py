"""Standard uncertainties of a refined primitive cell, carried over to the conventional one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.cell import UnitCell
from pxrdgen_crystallography.lattice.metric import parameter_groups
from pxrdgen_crystallography.symmetry.conventional import Conventional

FloatArray = NDArray[np.float64]


def conventional_cell_su(conventional: Conventional, cell_su: Sequence[float]) -> tuple[float, ...]:
    """su of a b c (A) alpha beta gamma (degrees) of the conventional cell, 0 where the group fixes a value.

    The free parameters of the conventional cell (one cubic, two uniaxial, ...) are taken as uncorrelated; their
    variances v follow from su_i^2 = sum_k (d p_i / d q_k)^2 v_k by non-negative least squares.

    Args:
        conventional: from :func:`pxrdgen_crystallography.symmetry.conventional.to_conventional`.
        cell_su: six values of the cell that was refined.
    """
    from scipy.optimize import nnls

    groups = parameter_groups(conventional.space_group)
    values = np.array(conventional.crystal.cell.parameters)
    to_input = np.linalg.inv(conventional.to_setting)

    def refined_parameters(parameters: FloatArray) -> FloatArray:
        return np.array(UnitCell.from_basis(to_input @ UnitCell.from_numbers(parameters.tolist()).basis).parameters)

    columns = []
    for group in groups:
        step = np.zeros(6)
        step[list(group)] = 1e-4
        columns.append((refined_parameters(values + step) - refined_parameters(values - step)) / 2e-4)
    variances, _ = nnls(np.stack(columns, axis=1) ** 2, np.asarray(cell_su, dtype=np.float64) ** 2)
    result = np.zeros(6)
    for group, variance in zip(groups, variances, strict=True):
        result[list(group)] = np.sqrt(variance)
    return tuple(float(value) for value in result)
