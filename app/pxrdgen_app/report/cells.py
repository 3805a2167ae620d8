"""Ranked cells as a table, as sentences and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellAnswer, CellHypothesis
from pxrdgen_app.report.numbers import with_su

if TYPE_CHECKING:
    from rich.table import Table

#: probability printed as "below" this.
_TINY = 0.001


def cell_table(answer: CellAnswer) -> Table:
    """One row a cell, conventional axes."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", title_justify="left")
    for heading in (
        "#",
        "p",
        "lattice",
        "a",
        "b",
        "c",
        "alpha",
        "beta",
        "gamma",
        "V",
        "Z",
        "M20",
        "F20",
        "indexed",
        "",
    ):
        table.add_column(heading, justify="left" if heading == "lattice" else "right", no_wrap=True)
    for number, hypothesis in enumerate(answer.hypotheses, start=1):
        table.add_row(*_row(number, hypothesis))
    return table


def _row(number: int, hypothesis: CellHypothesis) -> list[str]:
    conventional = hypothesis.conventional
    if conventional is None:
        raise ValueError("got a hypothesis that was not fitted; expected one from find_cells")
    merits = hypothesis.merits
    probability = hypothesis.probability or 0.0
    relative = "" if hypothesis.supercell_of is None else f"sub/super of {hypothesis.supercell_of + 1}"
    return [
        str(number),
        f"{probability:.3f}" if probability >= _TINY else f"<{_TINY}",
        f"{conventional.system} {conventional.centring}",
        *(with_su(value, su, 5) for value, su in _pairs(conventional.cell, conventional.cell_su)[:3]),
        *(with_su(value, su, 0) for value, su in _pairs(conventional.cell, conventional.cell_su)[3:]),
        f"{conventional.cell.volume:.2f}",
        "" if hypothesis.z is None else str(hypothesis.z * conventional.lattice_points),
        f"{merits['m20']:.1f}",
        f"{merits['f20']:.1f}",
        f"{merits['indexed']:.0f}/{merits['lines']:.0f}",
        relative,
    ]


def details(hypothesis: CellHypothesis) -> list[str]:
    """What is worth saying of the first cell: Niggli cell, zero, lines left over."""
    numbers = [with_su(value, su) for value, su in _pairs(hypothesis.cell, hypothesis.cell_su)]
    lines = [
        f"Niggli cell of 1: {' '.join(numbers)}, V {hypothesis.cell.volume:.3f} A^3; zero {hypothesis.zero:+.4f} "
        f"degrees; {hypothesis.merits['calculated']:.0f} lines calculated, rms {hypothesis.merits['rms_degrees']:.4f} "
        "degrees"
    ]
    if hypothesis.unindexed:
        lines.append("not indexed by 1: " + ", ".join(f"{angle:.3f}" for angle in hypothesis.unindexed))
    return lines


def _pairs(cell: UnitCell, su: tuple[float, ...] | None) -> list[tuple[float, float]]:
    return list(zip(cell.parameters, su or (0.0,) * 6, strict=True))


def answer_json(answer: CellAnswer, *, source: str, formula: str | None) -> str:
    """Everything, for programs."""
    document = {
        "pattern": source,
        "formula": formula,
        "probability_of_none": answer.nothing,
        "notes": list(answer.notes),
        "cells": [_document(hypothesis) for hypothesis in answer.hypotheses],
    }
    return json.dumps(document, indent=2) + "\n"


def _document(hypothesis: CellHypothesis) -> dict[str, Any]:
    conventional = hypothesis.conventional
    return {
        "probability": hypothesis.probability,
        "score": hypothesis.score,
        "origin": hypothesis.origin,
        "crystal_system": None if conventional is None else conventional.system,
        "centring": None if conventional is None else conventional.centring,
        "conventional": None
        if conventional is None
        else {**_numbers(conventional.cell, conventional.cell_su), "lattice_points": conventional.lattice_points},
        "niggli": _numbers(hypothesis.cell, hypothesis.cell_su),
        "formula_units_primitive": hypothesis.z,
        "formula_units_conventional": None
        if conventional is None or hypothesis.z is None
        else hypothesis.z * conventional.lattice_points,
        "zero_degrees": hypothesis.zero,
        "merits": dict(hypothesis.merits),
        "unindexed_two_theta": list(hypothesis.unindexed),
        "related_to": hypothesis.supercell_of,
    }


def _numbers(cell: UnitCell, su: tuple[float, ...] | None) -> dict[str, float | list[float]]:
    return {
        "parameters": list(cell.parameters),
        "standard_uncertainties": list(su or (0.0,) * 6),
        "volume": cell.volume,
    }
