"""The symmetry operations of a CIF data block, however the file gives them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pxrdgen.errors import StructureError
from pxrdgen.values.cell import UnitCell
from pxrdgen_crystallography.space_group_symbols import cleaned_symbol

_LISTED = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz", "_space_group_symop.operation_xyz")
_HALLS = ("_space_group_name_Hall", "_symmetry_space_group_name_Hall")
_SYMBOLS = ("_space_group_name_H-M_alt", "_symmetry_space_group_name_H-M", "_space_group_name_H-M_full")
NUMBERS = ("_space_group_IT_number", "_symmetry_Int_Tables_number")
#: Elements of the metric tensor, over the lengths of their axes, may change this much under an operation: 1 % of a
#: length or a degree, what rounding, thermal and calculated cells are off at most; settings differ by ten times it.
_METRIC = 0.02


def operation_choices(block: Any, cell: UnitCell, label: str) -> list[list[list[Any]]]:
    """Symmetry operations that leave the cell as it is: ranks, most trusted first, of choices between equals.

    As listed, else of the symbol (with either origin and either axes of an R lattice, where it leaves them open), else
    of the Hall symbol, else of the number: its reference setting, then its others.

    Raises:
        StructureError: a symbol or number that is not known, or none whose symmetry the cell has.
    """
    ranks = [rank for rank in _ranks(block, cell, label) if rank]
    fitting = [[choice for choice in rank if _leaves(choice, cell)] for rank in ranks]
    fitting = [rank for rank in fitting if rank]
    if not fitting:
        said = string_of(block, *_SYMBOLS) or string_of(block, *NUMBERS) or "its list of operations"
        numbers = " ".join(f"{value:g}" for value in cell.parameters)
        raise StructureError(
            f"got {label} with the space group {said!r}, whose symmetry its cell {numbers} does not have; correct the "
            "cell or the setting, or list the symmetry operations"
        )
    return fitting


def _ranks(block: Any, cell: UnitCell, label: str) -> Iterator[list[list[Any]]]:
    import gemmi

    listed = next((found for tag in _LISTED if (found := _strings(block, tag))), [])
    if listed:
        yield [_parsed_operations(listed, label)]
    hall, symbol, number = (string_of(block, *tags) for tags in (_HALLS, _SYMBOLS, NUMBERS))
    if not (listed or hall or symbol or number):
        yield [[gemmi.Op("x,y,z")]]
        return
    known = _settings_named(symbol, cell) if symbol else []
    yield [list(group.operations()) for group in known]
    if hall:
        try:
            yield [list(gemmi.symops_from_hall(hall))]
        except (ValueError, RuntimeError) as error:
            if not (listed or known):
                raise StructureError(
                    f"got {label} with the Hall symbol {hall!r}, which cannot be read ({error})"
                ) from error
    settings = _settings_numbered(number)
    if symbol and not known:
        # an unread symbol may mean any setting: the number decides only where one of them alone fits the cell
        settings = [group for group in settings if _leaves(list(group.operations()), cell)]
        settings = settings if len({group.hm for group in settings}) == 1 else []
    if not (listed or hall or known or settings):
        said = f"{symbol!r}{f' (number {number})' if symbol and number else ''}" if symbol else repr(number)
        raise StructureError(
            f"got {label} with the space group {said}, which is not known; list its symmetry operations, or give a "
            "symbol with its setting such as P 1 21/n 1"
        )
    for name in dict.fromkeys(group.hm for group in settings):
        yield [list(group.operations()) for group in settings if group.hm == name]


def _settings_named(symbol: str, cell: UnitCell) -> list[Any]:
    """What a symbol may mean: one setting, or several where it leaves the origin or the axes open."""
    import gemmi

    plain = cleaned_symbol(symbol)
    lattice, _, rest = plain.partition(" ") if " " in plain else (plain[:1], "", plain[1:])
    # "P 21/b" of a cell whose c is unique is "P 1 1 21/b"; an origin of a group that has one alone says nothing
    names = (plain, f"{lattice} 1 1 {rest}", f"{lattice} {rest} 1 1", plain.partition(":")[0])
    found = (gemmi.find_spacegroup_by_name(name, cell.alpha, cell.gamma) for name in names)
    group = next((group for group in found if group is not None), None)
    if group is None or not group.ext.strip("\0") or ":" in plain:
        return [] if group is None else [group]
    others = [other for other in gemmi.spacegroup_table() if other.hm == group.hm and other.ext != group.ext]
    return [group, *others]


def _settings_numbered(number: str) -> list[Any]:
    """All settings of a number, the reference first; none for what is no number of a space group."""
    import gemmi

    if not (number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= 230):
        return []
    reference = gemmi.find_spacegroup_by_number(int(number))
    return [reference, *(group for group in gemmi.spacegroup_table() if group.number == int(number))]


def _leaves(operations: Sequence[Any], cell: UnitCell) -> bool:
    """Whether every rotation R of the operations keeps the metric: R^T G R = G."""
    rotations = np.array([np.array(op.rot, dtype=np.float64) / op.DEN for op in operations])
    metric = cell.basis @ cell.basis.T
    lengths = np.sqrt(np.diag(metric))
    turned = np.swapaxes(rotations, 1, 2) @ metric @ rotations
    return bool((np.abs(turned - metric) <= _METRIC * np.outer(lengths, lengths)).all())


def _strings(block: Any, tag: str) -> list[str]:
    import gemmi

    return [gemmi.cif.as_string(value) for value in block.find_values(tag)]


def string_of(block: Any, *tags: str) -> str:
    """The first of the items that has a value, unquoted; empty without one."""
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
