"""The Python door to indexing: ``pxrdgen.index(...)`` takes the words of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.values.cells import CellAnswer
from pxrdgen.values.instrument import Instrument, Radiation
from pxrdgen.values.pattern import PowderPattern
from pxrdgen_app.door.read import take_pattern
from pxrdgen_crystallography.formula.parse import parse_formula
from pxrdgen_solver.indexing.find_in_pattern import cells_of
from pxrdgen_solver.progress import Progress

if TYPE_CHECKING:
    from pxrdgen.plugins.registry import Registry


def index(
    pattern: PowderPattern | str | Path,
    formula: str | None = None,
    *,
    z: int | None = None,
    instrument: Instrument | str | None = None,
    wavelength: Radiation | str | float | None = None,
    ranges: Sequence[tuple[float, float]] = (),
    exclude: Sequence[tuple[float, float]] = (),
    max_volume: float = 3000.0,
    count: int = 10,
    seed: int = 0,
    spec: PipelineSpec | None = None,
    registry: Registry | None = None,
    progress: Progress | None = None,
) -> CellAnswer:
    """Find the unit cell behind a powder pattern.

    Args:
        pattern: a pattern, or a file of any format an installed reader knows.
        formula: of one formula unit; its volume helps to choose and gives Z.
        z: formula units in the primitive cell, where that is known.
        instrument: an :class:`Instrument`, the name of a shipped one or a .instprm file; default: what the file says.
        wavelength: a tube or A (``"0.154 nm"``, ``"30 keV"``); has the last word over the file's.
        ranges, exclude: 2theta ranges (degrees) to use and to leave out.
        max_volume: of the primitive cell, A^3.
        count: cells returned at most.
        seed: of predictors that draw at random.
        spec: names predictors and scorers; default: classical indexing.
        registry: of components; default: what is installed.
        progress: called with stage and share done (and no score).

    Raises:
        InputError: something given cannot be used, or there are too few peaks.
    """
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen_crystallography.preparation import prepare

    registry = registry or default_registry()
    composition, notes = (None, ()) if formula is None else parse_formula(formula)
    measured, reading = take_pattern(pattern, instrument=instrument, wavelength=wavelength, registry=registry)
    prepared = prepare(measured, ranges=ranges, exclude=exclude)
    answer = cells_of(
        prepared,
        composition,
        z,
        spec or PipelineSpec(),
        registry,
        max_volume=max_volume,
        count=count,
        seed=seed,
        progress=progress,
    )
    return CellAnswer(
        hypotheses=answer.hypotheses, nothing=answer.nothing, notes=(*notes, *reading, *prepared.notes, *answer.notes)
    )
