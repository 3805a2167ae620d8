"""The cells of a prepared pattern with the predictors and scorers of a spec."""

from __future__ import annotations

import numpy as np

from pxrdgen.errors import FormulaError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import Registry
from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.values.cells import CellAnswer, CellProblem
from pxrdgen.values.composition import Composition
from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen_crystallography.one_thread import one_thread
from pxrdgen_solver.indexing.find import find_cells
from pxrdgen_solver.progress import Progress


@one_thread()
def cells_of(
    prepared: PreparedPattern,
    composition: Composition | None,
    z: int | None,
    spec: PipelineSpec,
    registry: Registry,
    *,
    max_volume: float = 3000.0,
    count: int = 10,
    seed: int = 0,
    progress: Progress | None = None,
) -> CellAnswer:
    """The cells of a prepared pattern with the predictors and scorers of a spec.

    Raises:
        CellError: too few peaks.
        FormulaError: Z without a formula, or below 1.
    """
    if z is not None and (composition is None or z < 1):
        raise FormulaError(f"got Z = {z}, expected at least 1 formula unit, and a formula that it counts")
    predictors = {part.plugin: registry.build(ComponentKind.CELL_PREDICTOR, part) for part in spec.cell_predictors}
    scorers = {part.plugin: registry.build(ComponentKind.CELL_SCORER, part) for part in spec.cell_scorers}
    problem = CellProblem(prepared=prepared, composition=composition, z=z, max_volume=max_volume)
    rng = np.random.default_rng(seed)
    return find_cells(problem, predictors, scorers, count=count, rng=rng, progress=progress)
