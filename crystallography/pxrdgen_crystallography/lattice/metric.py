"""Whether a cell has the shape that a space group demands, and the nearest cell that has it exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import SymmetryError
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.space_group import SpaceGroup
from pxrdgen_crystallography.space_group_symbols import settings_of

FloatArray = NDArray[np.float64]

#: How far a typed cell may be from the shape its space group demands.
LENGTH_TOLERANCE = 0.005
ANGLE_TOLERANCE = 0.3

_NAMES = ("a", "b", "c", "alpha", "beta", "gamma")


def symmetric_cell(cell: UnitCell, space_group: SpaceGroup) -> UnitCell:
    """The cell whose metric tensor is the mean of R^T G R over the rotations of the group: the nearest allowed one."""
    basis = cell.basis
    metric = np.einsum("gji,jk,gkl->il", space_group.rotations, basis @ basis.T, space_group.rotations)
    return cell_of_metric(metric / len(space_group.rotations))


def cell_of_metric(metric: FloatArray) -> UnitCell:
    """Six numbers from a metric tensor [3, 3] in A^2."""
    a, b, c = np.sqrt(np.diag(metric))
    alpha, beta, gamma = np.degrees(
        np.arccos(np.clip([metric[1, 2] / (b * c), metric[0, 2] / (a * c), metric[0, 1] / (a * b)], -1.0, 1.0))
    )
    return UnitCell(float(a), float(b), float(c), float(alpha), float(beta), float(gamma))


def check_metric(
    cell: UnitCell,
    space_group: SpaceGroup,
    *,
    length_tolerance: float = LENGTH_TOLERANCE,
    angle_tolerance: float = ANGLE_TOLERANCE,
) -> None:
    """Refuse a cell that cannot belong to the group in its setting.

    Args:
        cell: as typed.
        space_group: with its setting.
        length_tolerance: largest relative difference between lengths that must be equal.
        angle_tolerance: largest difference from a required angle, in degrees.

    Raises:
        SymmetryError: names every condition that fails, by how much, and settings of the same group that would fit.
    """
    failures = _failures(cell, space_group, length_tolerance, angle_tolerance)
    if not failures:
        return
    fitting = [
        setting.hm_symbol
        for setting in settings_of(space_group.number)
        if not _failures(cell, setting, length_tolerance, angle_tolerance)
    ]
    advice = (
        f"the cell fits other settings of this group: {', '.join(fitting[:4])}"
        if fitting
        else "check the cell, its order (a b c alpha beta gamma) and the space group"
    )
    raise SymmetryError(
        f"got the cell {cell} with {space_group}, which is {space_group.crystal_system}: "
        f"{'; '.join(failures)}; {advice}"
    )


def parameter_groups(space_group: SpaceGroup) -> list[tuple[int, ...]]:
    """Indices (0 to 5: a b c alpha beta gamma) of the free cell parameters, those that must be equal together."""
    equal, fixed = _conditions(space_group)
    groups = [{index} for index, name in enumerate(_NAMES) if name not in fixed]
    for pair in equal:
        joined = {_NAMES.index(name) for name in pair}
        touched = [group for group in groups if group & joined]
        groups = [group for group in groups if not group & joined] + ([set().union(*touched)] if touched else [])
    return sorted(tuple(sorted(group)) for group in groups)


def _failures(cell: UnitCell, space_group: SpaceGroup, length_tolerance: float, angle_tolerance: float) -> list[str]:
    values = dict(zip(_NAMES, cell.parameters, strict=True))
    equal, fixed = _conditions(space_group)
    failures = []
    for first, second in equal:
        difference = abs(values[first] - values[second])
        relative = difference / max(values[first], values[second])
        required = f"{first} = {second} is required, but {values[first]:g} and {values[second]:g}"
        if first in "abc" and relative > length_tolerance:
            failures.append(f"{required} A differ by {100 * relative:.2f} %")
        elif first not in "abc" and difference > angle_tolerance:
            failures.append(f"{required} differ by {difference:.2f} degrees")
    for name, wanted in fixed.items():
        off = abs(values[name] - wanted)
        if off > angle_tolerance:
            failures.append(f"{name} = {wanted:g} is required, but {values[name]:g} is off by {off:.2f} degrees")
    return failures


def _conditions(space_group: SpaceGroup) -> tuple[list[tuple[str, str]], dict[str, float]]:
    """Pairs of parameters that must be equal, and angles that are fixed."""
    right = {"alpha": 90.0, "beta": 90.0, "gamma": 90.0}
    match space_group.crystal_system:
        case "triclinic":
            return [], {}
        case "monoclinic":
            axis = _unique_axis(space_group)
            return [], {name: 90.0 for name in right if name != ("alpha", "beta", "gamma")[axis]}
        case "orthorhombic":
            return [], right
        case "tetragonal":
            return [("a", "b")], right
        case "cubic":
            return [("a", "b"), ("b", "c")], right
        case _ if space_group.has_rhombohedral_axes:
            return [("a", "b"), ("b", "c"), ("alpha", "beta"), ("beta", "gamma")], {}
        case _:
            return [("a", "b")], {"alpha": 90.0, "beta": 90.0, "gamma": 120.0}


def _unique_axis(space_group: SpaceGroup) -> int:
    """0, 1 or 2: the axis along which the two-fold rotation or the mirror's normal lies."""
    identity = np.eye(3, dtype=np.int64)
    for rotation in space_group.rotations:
        proper = rotation * round(float(np.linalg.det(rotation)))
        if not np.array_equal(proper, identity):
            return int(np.argmax(np.diag(proper)))
    return 1
