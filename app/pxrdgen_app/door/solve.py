"""The Python door: ``pxrdgen.solve(...)`` takes the words of the command line and returns a :class:`Solution`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pxrdgen.errors import OptionError
from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.instrument import Instrument, Radiation
from pxrdgen.values.pattern import PowderPattern
from pxrdgen_app.door.read import take_pattern
from pxrdgen_crystallography.formula.parse import parse_formula

if TYPE_CHECKING:
    from pxrdgen.plugins.registry import Registry
    from pxrdgen.values.solution import Solution
    from pxrdgen_solver.progress import Progress


def solve(
    pattern: PowderPattern | str | Path,
    formula: str,
    *,
    z: int | None = None,
    cell: UnitCell | Sequence[float] | None = None,
    centring: str | None = None,
    space_group: str | int | None = None,
    instrument: Instrument | str | None = None,
    wavelength: Radiation | str | float | None = None,
    ranges: Sequence[tuple[float, float]] = (),
    exclude: Sequence[tuple[float, float]] = (),
    impurity: Sequence[Crystal | str | Path] = (),
    candidates: int | None = None,
    budget: float | None = None,
    seed: int | None = None,
    spec: PipelineSpec | None = None,
    registry: Registry | None = None,
    progress: Progress | None = None,
) -> Solution:
    """Find the crystal structure behind a powder pattern.

    Args:
        pattern: a pattern, or a file of any format an installed reader knows.
        formula: of one formula unit, ``"CuSO4.5H2O"``.
        z: formula units in the cell as typed, without a cell in the primitive one; several are tried when it is left
            out.
        cell: a b c (A) alpha beta gamma (degrees), in any setting; found from the pattern when it is left out.
        centring: P A B C I F or R; default from the space group, else P.
        space_group: number or Hermann-Mauguin symbol with its setting; names the setting of the answer.
        instrument: an :class:`Instrument`, the name of a shipped one or a .instprm file; default: what the file says.
        wavelength: a tube or A (``"0.154 nm"``, ``"30 keV"``); has the last word over the file's.
        ranges, exclude: 2theta ranges (degrees) to use and to leave out.
        impurity: crystals, or CIFs of crystals, known to be in the sample besides.
        candidates, budget (s), seed: override the spec's.
        spec: the pipeline; default: everything by default.
        registry: of components; default: what is installed.
        progress: called with stage, share done and best score.

    Raises:
        InputError: something given cannot be used; the message says what and how to mend it.
    """
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen_crystallography.space_group_symbols import parse_space_group
    from pxrdgen_files.cif import read_cif
    from pxrdgen_solver.loop.solve_question import solve_question
    from pxrdgen_solver.question.question import Question

    registry = registry or default_registry()
    spec = _overridden(spec or PipelineSpec(), candidates, budget, seed)
    composition, formula_notes = parse_formula(formula)
    group = None if space_group is None else parse_space_group(space_group)
    measured, notes = take_pattern(pattern, instrument=instrument, wavelength=wavelength, registry=registry)
    question = Question(
        pattern=measured,
        composition=composition,
        cell=cell if cell is None or isinstance(cell, UnitCell) else UnitCell.from_numbers(cell),
        z=z,
        centring=centring,
        space_group=group,
        ranges=tuple(ranges),
        exclude=tuple(exclude),
        impurities=tuple(entry if isinstance(entry, Crystal) else read_cif(entry) for entry in impurity),
    )
    solution = solve_question(question, spec, registry, progress=progress)
    return replace(solution, notes=(*formula_notes, *notes, *solution.notes))


def _overridden(spec: PipelineSpec, candidates: int | None, budget: float | None, seed: int | None) -> PipelineSpec:
    if candidates is not None and candidates < 1:
        raise OptionError(f"got {candidates} candidates, expected at least 1")
    if budget is not None and not (math.isfinite(budget) and budget > 0):
        raise OptionError(f"got a budget of {budget:g} seconds, expected a number above 0")
    if seed is not None and not 0 <= seed < 2**63:
        raise OptionError(f"got seed {seed}, expected a whole number from 0 to 2^63 - 1")
    changes = {"candidates": candidates, "budget_s": budget, "seed": seed}
    return spec.model_copy(update={name: value for name, value in changes.items() if value is not None})
