"""The symmetry operations of a CIF data block, however the file gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pxrdgen.errors import StructureError
from pxrdgen.values.cell import UnitCell


def operation_choices(block: Any, cell: UnitCell, label: str) -> list[list[Any]]:
    """Symmetry operations, most trusted first: as listed, else by Hall symbol, else by symbol with either origin."""
    import gemmi

    for tag in ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz", "_space_group_symop.operation_xyz"):
        listed = [gemmi.cif.as_string(value) for value in block.find_values(tag)]
        if listed:
            return [_parsed_operations(listed, label)]
    hall = _string(block, "_space_group_name_Hall", "_symmetry_space_group_name_Hall")
    if hall:
        try:
            return [list(gemmi.symops_from_hall(hall))]
        except (ValueError, RuntimeError) as error:
            raise StructureError(
                f"got {label} with the Hall symbol {hall!r}, which cannot be read ({error})"
            ) from error
    symbol = _string(block, "_space_group_name_H-M_alt", "_symmetry_space_group_name_H-M", "_space_group_name_H-M_full")
    number = _string(block, "_space_group_IT_number", "_symmetry_Int_Tables_number")
    if not symbol and not number:
        return [[gemmi.Op("x,y,z")]]
    group = gemmi.find_spacegroup_by_name(symbol, cell.alpha, cell.gamma) if symbol else None
    if group is None and number.isdigit() and 1 <= int(number) <= 230:
        group = gemmi.find_spacegroup_by_number(int(number))
    if group is None:
        raise StructureError(
            f"got {label} with the space group {symbol or number!r}, which is not known; list its symmetry operations"
        )
    groups = [group]
    if group.ext in ("1", "2") and ":" not in symbol:
        groups += [other for other in gemmi.spacegroup_table() if other.hm == group.hm and other.ext != group.ext]
    return [list(entry.operations()) for entry in groups]


def _string(block: Any, *tags: str) -> str:
    import gemmi

    for tag in tags:
        value = block.find_value(tag)
        if value and value not in ("?", "."):
            return str(gemmi.cif.as_string(value)).strip()
    return ""


def _parsed_operations(listed: Sequence[str], label: str) -> list[Any]:
    import gemmi

    if len(listed) > 192:
        raise StructureError(f"got {label} with {len(listed)} symmetry operations, expected at most 192")
    try:
        group = gemmi.GroupOps([gemmi.Op(text) for text in listed])
        group.add_missing_elements()
    except (ValueError, RuntimeError) as error:
        raise StructureError(f"got {label} with symmetry operations that cannot be read ({error})") from error
    operations = list(group)
    if not operations or any(abs(op.det_rot()) != op.DEN**3 for op in operations):
        raise StructureError(
            f"got {label} with symmetry operations that form no group; check {listed[0]!r} and the others"
        )
    return operations
